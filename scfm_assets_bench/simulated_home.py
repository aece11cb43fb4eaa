"""A home with the traces of much work: an event log with many materializations, a store with many metrics."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scfm_assets.core.curves import FORMS
from scfm_assets.core.metrics import OBSERVED, TF_GRID, UNIVERSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import dagster as dg

    from scfm_assets_bench.settings import Tell

INPUTS = 8
"""Inputs of each simulated materialization."""
BLOCK = 2_000


# Events -----------------------------------------------------------------------------------------------------------


@contextmanager
def recorded_instance(folder: Path, events: int) -> Iterator[dg.DagsterInstance]:
    """Open a Dagster instance on SQLite whose log holds materializations as the platform reports them.

    They are written as Dagster's storage writes them, but many in one transaction: one by one, SQLite takes 60 a
    second.
    """
    import dagster as dg
    from sqlalchemy import insert

    folder.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        storage: Any = instance.event_log_storage
        from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

        for first in range(0, events, BLOCK):
            entries = [_entry(number) for number in range(first, min(first + BLOCK, events))]
            with storage.index_transaction() as con:
                con.execute(insert(SqlEventLogStorageTable), [storage._event_to_row(entry) for entry in entries])
        yield instance


def _entry(number: int) -> Any:
    """One event, whose inputs are the materializations before it."""
    import dagster as dg
    from dagster._core.events import DagsterEvent, StepMaterializationData
    from dagster._core.events.log import EventLogEntry

    tissue, n_cells, asset = f"tissue{number % 40}", 25 * (1 + number % 20), f"models/m{number % 5}/edge_scores"
    before = range(max(number - INPUTS + 1, 0), number)
    inputs: dict[str, list[str | None]] = {f"atlas/input{i}[{tissue}]": [f"{i:020x}", f"{i:016x}"] for i in before}
    inputs["models/m/checkpoint"] = [f"{number % 7:020x}", None]
    made_of = {
        "materialization": f"{number:016x}",
        "made_at": "2026-01-01T00:00:00.000+00:00",
        "code": "1",
        "config": f"{number % 3:020x}",
        "inputs": inputs,
        "sources": {"models/m/checkpoint": {"model.safetensors": f"{number % 7:020x}"}},
        "environment": {"python": "3.11", "platform": "Linux", "commit": "0" * 12, "packages": {"torch": "2.13"}},
        "facts": {"checkpoint": f"{number % 7:012x}", "seconds": 1.0, "device": "cpu", "simulated": True},
    }
    key = dg.AssetKey(asset.split("/"))
    event = dg.AssetMaterialization(
        key,
        partition=f"{n_cells}|{tissue}",
        metadata={"materialization": made_of["materialization"], "made_of": dg.MetadataValue.json(made_of)},
        tags={
            "dagster/data_version": f"{number:020x}",
            "dagster/partition/tissue": tissue,
            "dagster/partition/n_cells": str(n_cells),
        },
    )
    dagster_event = DagsterEvent(
        "ASSET_MATERIALIZATION", "bench", event_specific_data=StepMaterializationData(event), message=""
    )
    return EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id=f"run{number % 1000}",
        timestamp=time.time(),
        job_name="bench",
        dagster_event=dagster_event,
    )


# Metrics ----------------------------------------------------------------------------------------------------------

MODELS = {name: f"{i:012x}" for i, name in enumerate(("small", "large", "tuned", "random"))}
TFS, GENES = tuple(f"TF{i}" for i in range(10)), tuple(f"G{i}" for i in range(100))
BASELINES = ("pearson", "spearman", "mean_product", "detection_product", "variance_product", "uniform_attention")
NETWORKS = ("trrust", "dorothea", "collectri")
METRICS = ("auroc", "auprc", "auprc_ratio", "epr")
INTERVALS = ("pairs", "tfs", "cells")
LAYERS = tuple(range(1, 13))
REPEATS = (0, 1)
FIXED_LAYER = 6


def metrics_home(home: Path, slices: tuple[int, int], tell: Tell) -> int:
    """Fill a store with the tables of many slices and return the number of rows of `metrics`.

    Parameters
    ----------
    home
        Where.
    slices
        Tissues, and cell counts of each.
    tell
        Told of progress.
    """
    from scfm_assets.partitions import Place
    from scfm_assets.resources.store import Store

    store, rng, n_rows = Store(home), np.random.default_rng(0), 0
    tissues, counts = [f"tissue{i}" for i in range(slices[0])], [25 * 2**i for i in range(slices[1])]
    for tissue in tissues:
        tell(f"writing {tissue}")
        for n_cells in counts:
            rows = _metrics(tissue, n_cells, rng)
            n_rows += rows.num_rows
            _write(store, "evaluation/metrics", Place(tissue, n_cells), {"metrics": rows})
            for model, checkpoint in MODELS.items():
                edges = _edges(tissue, n_cells, model, checkpoint, rng)
                compared = _comparison(tissue, n_cells, model, checkpoint, rng)
                _write(store, f"models/{model}/edge_scores", Place(tissue, n_cells), {"edge_scores": edges})
                name = f"models/{model}/checkpoint_comparison"
                _write(store, name, Place(tissue, n_cells), {"checkpoint_comparison": compared})
        _write(store, "atlas/gene_panel", Place(tissue), {"gene_panel": _panel(tissue)})
        _write(store, "scaling/curves", Place(tissue), {"scaling_curves": _curves(tissue, rng)})
    for network in NETWORKS:
        _write(store, f"networks/{network}", Place(), {"networks": _network(network)})
    return n_rows


def _write_text(path: Path, text: str) -> None:
    path.write_text(text)


def _read_text(path: Path) -> str:
    return path.read_text()


def _write(store: Any, asset: str, place: Any, tables: dict[str, pa.Table]) -> None:
    from scfm_assets.core.base import digest_json
    from scfm_assets.resources.store import Format, Output
    from scfm_assets.tables.schema import arrow_schema

    words = Format(".txt", _write_text, _read_text, digest_json)
    typed = {name: rows.select(arrow_schema(name).names).cast(arrow_schema(name)) for name, rows in tables.items()}
    store.write(asset, place, Output(words, asset, typed, code="1", config="", inputs={}))


def _grid(**columns: tuple[Any, ...]) -> dict[str, np.ndarray]:
    """All combinations of some values, a column for each."""
    combined = zip(*product(*columns.values()), strict=True)
    return {name: np.array(column) for name, column in zip(columns, combined, strict=True)}


def _metrics(tissue: str, n_cells: int, rng: np.random.Generator) -> pa.Table:
    ranked = {
        "network": NETWORKS,
        "universe": [universe.name for universe in UNIVERSES],
        "metric": METRICS,
        "interval": INTERVALS,
        "repeat": REPEATS,
    }
    pieces = []
    for model, checkpoint in MODELS.items():
        methods, directions = ("attention", "attention_lift"), ("tf_queries", "tf_keys")
        rows = _grid(method=methods, layer=LAYERS, direction=directions, **ranked)
        pieces.append(_measured(rows, model, checkpoint, rng))
    rows = _grid(method=BASELINES, direction=("symmetric",), **ranked)
    pieces.append(_measured(rows, "baselines", None, rng))
    same = {"tissue": tissue, "n_cells": n_cells, "head": None, "network_version": "1", "simulated": True}
    return _with(pa.concat_tables(pieces, promote_options="default"), same)


def _measured(rows: dict[str, np.ndarray], model: str, checkpoint: str | None, rng: np.random.Generator) -> pa.Table:
    n = len(rows["metric"])
    value = rng.uniform(0.4, 0.9, n)
    columns: dict[str, Any] = {name: pa.array(column) for name, column in rows.items()}
    columns.setdefault("layer", pa.nulls(n, pa.int64()))
    columns |= {"value": value, "lo": value - 0.05, "hi": value + 0.05, "resamples": np.full(n, 1000)}
    columns |= {"n_pos": np.full(n, 160), "n_neg": np.full(n, 79_840), "base_rate": np.full(n, 0.002)}
    columns |= {"parts": pa.nulls(n, pa.list_(pa.float32()))}
    columns |= {"pair_coverage": np.full(n, 0.9), "positive_coverage": np.full(n, 0.95)}
    return _with(pa.table(columns), {"model": model, "checkpoint": checkpoint})


def _with(table: pa.Table, same: dict[str, Any]) -> pa.Table:
    """Add columns that hold one value."""
    for name, value in same.items():
        column = pa.nulls(table.num_rows, pa.string()) if value is None else pa.array([value] * table.num_rows)
        table = table.append_column(name, column)
    return table


def _edges(tissue: str, n_cells: int, model: str, checkpoint: str, rng: np.random.Generator) -> pa.Table:
    rows = _grid(tf=TFS, target=GENES, repeat=REPEATS)
    n = len(rows["tf"])
    scores = {"score": rng.random(n, dtype=np.float32), "n_cells_seen": np.full(n, n_cells)}
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "checkpoint": checkpoint, "method": "attention"}
    same |= {"layer": FIXED_LAYER, "head": None, "direction": "tf_queries", "simulated": True}
    return _with(pa.table({**rows, **scores}), same)


def _comparison(tissue: str, n_cells: int, model: str, checkpoint: str, rng: np.random.Generator) -> pa.Table:
    rows = _grid(
        method=("attention", "attention_lift"),
        layer=LAYERS,
        direction=("tf_queries", "tf_keys"),
        network=NETWORKS,
        universe=(TF_GRID.name, OBSERVED.name),
        metric=METRICS,
        interval=("tfs", "cells"),
        repeat=REPEATS,
    )
    n = len(rows["metric"])
    value, before = rng.uniform(0.4, 0.9, n), rng.uniform(0.4, 0.9, n)
    difference = value - before
    verdict = np.select([difference > 0.02, difference < -0.02], ["better", "worse"], "indistinguishable")
    columns = {**rows, "value": value, "value_before": before, "difference": difference, "verdict": verdict}
    columns |= {"lo": difference - 0.02, "hi": difference + 0.02, "resamples": np.full(n, 1000)}
    columns |= {"n_pos": np.full(n, 160), "n_neg": np.full(n, 79_840)}
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "checkpoint": checkpoint, "head": None}
    same |= {"checkpoint_before": "f" * 12, "network_version": "1", "simulated": True}
    return _with(pa.table(columns), same)


AVERAGED = {"asymptote": 0.8, "asymptote_lo": 0.75, "asymptote_hi": 0.85, "n": 100.0, "n_lo": 80.0, "n_hi": 120.0}
"""What the rows of one curve say together."""


def _curves(tissue: str, rng: np.random.Generator) -> pa.Table:
    forms = tuple(form.name for form in FORMS)
    pieces = []
    for model, checkpoint in [*MODELS.items(), ("baselines", None)]:
        of_model = checkpoint is not None
        rows = _grid(
            method=("attention", "attention_lift") if of_model else BASELINES,
            network=NETWORKS,
            universe=(TF_GRID.name,),
            metric=("auroc",),
            form=forms,
        )
        n = len(rows["form"])
        asymptote = rng.uniform(0.6, 0.9, n)
        numbers = {"n_points": np.full(n, 20), "r2": rng.random(n), "aicc": rng.normal(size=n), "weight": rng.random(n)}
        numbers |= {"loo_rmse": rng.random(n), "asymptote": asymptote, "asymptote_lo": asymptote - 0.02}
        numbers |= {"asymptote_hi": asymptote + 0.02, "characteristic_n": np.full(n, 100.0)}
        numbers |= {"verdict": rng.choice(["best", "indistinguishable", "degenerate"], n), "ceiling": np.full(n, 0.95)}
        numbers |= {"characteristic_n_lo": np.full(n, 80.0), "characteristic_n_hi": np.full(n, 120.0)}
        numbers |= {"chance": rng.random(n), **{f"curve_{name}": np.full(n, value) for name, value in AVERAGED.items()}}
        numbers |= {"networks_asymptote_lo": np.full(n, 0.7), "networks_asymptote_hi": np.full(n, 0.9)}
        numbers |= {"change": np.full(n, 0.1), "change_lo": np.full(n, 0.08), "change_hi": np.full(n, 0.12)}
        numbers |= {"change_p": np.full(n, 0.01), "is_flat": np.zeros(n, bool), "largest_n": np.full(n, 1000)}
        numbers |= {"largest_n_value": np.full(n, 0.8), "held_out": np.full(n, 0.8), "held_out_lo": np.full(n, 0.7)}
        numbers |= {"held_out_hi": np.full(n, 0.9), "held_out_inside": np.ones(n, bool)}
        parameters = '{"a": {"value": -0.3, "lo": -0.4, "hi": -0.2}, "b": {"value": 0.01}, "c": {"value": 0.8}}'
        same = {"tissue": tissue, "model": model, "checkpoint": checkpoint, "formula": "a", "parameters": parameters}
        same |= {"errors": "nested", "conclusion": "indistinguishable: exponential_saturation, michaelis_menten"}
        table = _with(pa.table({**rows, **numbers}), {**same, "simulated": True})
        table = table.append_column("layer", pa.array([FIXED_LAYER if of_model else None] * n, pa.int32()))
        pieces.append(_with(table, {"direction": "tf_queries" if of_model else "symmetric"}))
    return pa.concat_tables(pieces, promote_options="default")


def _panel(tissue: str) -> pa.Table:
    genes = (*TFS, *GENES)
    columns = {"panel_index": range(len(genes)), "gene_id": genes, "symbol": genes}
    same = {"tissue": tissue, "detection": 0.5, "mean": 1.0, "variance": 1.0, "simulated": True}
    return _with(pa.table({name: pa.array(column) for name, column in columns.items()}), same)


def _network(network: str) -> pa.Table:
    rows = _grid(tf=TFS, target=GENES[::9])
    n = len(rows["tf"])
    columns = {**rows, "sign": np.ones(n, np.int8)}
    return _with(pa.table(columns), {"network": network, "version": "1", "confidence": None, "tissue": None})
