"""A model whose checkpoint is replaced: what its comparison says, and when it says nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from scfm_assets.partitions import Place
from scfm_assets.resources.store import Manifest
from scfm_assets.warehouse.query import NAME, query
from scfm_assets_tests.platforms import TINY, Home, open_home
from scfm_assets_tests.published import publish

ROOT = Path(__file__).parents[2]
ASSET = "models/mine/checkpoint_comparison"
PLACE = Place("sim_one", 20)
MADE = '+key:"models/mine/checkpoint_comparison" or +key:"evaluation/metrics"'


def catalog() -> dict[str, Any]:
    made = deepcopy(TINY)
    made["atlases"].pop("sim_two")
    made["models"] = {
        "mine": {"checkpoint": "mine", "options": {"generation": "v1"}, "layer": 3},
        "random": {"control": "random", "layer": 3},
    }
    made["experiment"] |= {"n_cells": [10, 20]}
    return made


def put(home: Home, kind: str) -> None:
    """Let the model's folder hold a control's checkpoint: what a retrained model looks like from outside."""
    built = min((home.folder / "checkpoints").glob(f"{kind}-*"))
    shutil.rmtree(home.folder / "mine", ignore_errors=True)
    shutil.copytree(built, home.folder / "mine")


@pytest.fixture(scope="module")
def twice(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A platform whose model had random weights first, and now has those with the planted network."""
    folder, before = tmp_path_factory.mktemp("twice"), os.environ.get("SCFM_HOME")
    shutil.copytree(finished.folder / "checkpoints", folder / "checkpoints")
    os.environ["SCFM_HOME"] = str(folder)
    with open_home(folder, catalog()) as home:
        for kind in ("random", "planted"):
            put(home, kind)
            outcome = home.run(select=MADE)
            assert outcome.success, outcome.failed
        publish(folder)
        if before is not None:
            os.environ["SCFM_HOME"] = before
        yield home


@pytest.fixture
def again(twice: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A copy of it, to be changed and run again."""
    shutil.copytree(twice.folder, tmp_path / "home")
    monkeypatch.setenv("SCFM_HOME", str(tmp_path / "home"))
    with open_home(tmp_path / "home") as home:
        yield home


def asked(home: Home, sql: str) -> list[dict[str, Any]]:
    return json.loads(query(home.folder, sql, "json"))


def compared(home: Home, place: Place = PLACE) -> Manifest:
    found = home.store.manifest(ASSET, place)
    assert found is not None
    return found


def forced(home: Home) -> dict[str, Any]:
    """Compare once more, and give the facts."""
    assert home.run(select=f'key:"{ASSET}"', force=True).success
    return dict(compared(home).facts)


def test_values_before_and_now_are_the_rows_of_metrics_of_both_checkpoints(twice: Home) -> None:
    (counted,) = asked(
        twice,
        """
        select count(*) as rows, count(distinct checkpoint) as checkpoints,
               count(*) filter (c.value = now.value and c.value_before = before.value) as same,
               count(*) filter (c.difference = c.value - c.value_before and c.simulated) as sound,
               count(*) filter (c.n_pos = before.n_pos and c.n_neg = before.n_neg) as same_pairs
        from checkpoint_comparison c
        join metrics now using (tissue, n_cells, repeat, model, checkpoint, method, direction, network,
                                network_version, universe, metric, interval)
        join metrics before using (tissue, n_cells, repeat, model, method, direction, network, network_version,
                                   universe, metric, interval)
        where before.checkpoint = c.checkpoint_before and now.layer is not distinct from c.layer
          and before.layer is not distinct from c.layer
        """,
    )
    rows = counted["rows"]
    # slices x repeats x (layers x methods, and even attention) x universes x metrics x intervals
    assert rows == 2 * 2 * (4 * 2 + 1) * 2 * 4 * 4
    assert counted == {"rows": rows, "checkpoints": 1, "same": rows, "sound": rows, "same_pairs": rows}
    assert asked(twice, "select count(*) as n from checkpoint_comparison")[0]["n"] == rows


def test_weights_that_learned_the_network_are_better_at_the_fixed_layer(twice: Home) -> None:
    verdicts = asked(
        twice,
        """
        select distinct verdict from checkpoint_comparison
        where layer = 3 and metric = 'auroc' and universe = 'tf_grid' and interval = 'cells' and n_cells = 20
        """,
    )
    # Groups lie within donors, so that few cells fill few of them: not every repeat is told apart.
    assert {"better"} <= {row["verdict"] for row in verdicts} <= {"better", "indistinguishable"}
    new, old = (r.checkpoint for r in reversed(twice.store.revisions("models/mine/edge_scores", PLACE)))
    manifest = compared(twice)
    assert (manifest.checkpoint, manifest.facts["checkpoint_before"]) == (new, old)
    # Other cells would say the same; that other TFs would is more than four of them can tell.
    assert manifest.facts["verdict_truth"].startswith("indistinguishable in 2 of 2 repeats: AUROC 0.")
    assert twice.store.shown(ASSET, PLACE)["difference_by_layer"].startswith("![figure](data:image/png")


def test_the_shipped_query_tells_what_changed(twice: Home) -> None:
    with duckdb.connect(str(twice.folder / NAME), read_only=True) as published:
        changes = published.sql("from checkpoint_comparison_latest").to_arrow_table()
    curves = {"tissue": "sim_one", "network": "truth", "layer": 3, "direction": "tf_queries", "method": "attention"}
    with duckdb.connect() as con:
        con.register("checkpoint_comparison_latest", changes)
        con.register(
            "scaling_curves_latest", pa.Table.from_pylist([{**curves, "model": m} for m in ("mine", "random")])
        )
        found = con.sql((ROOT / "scfm_assets/sql/checkpoint_changes.sql").read_text())
        mine, random = (dict(zip(found.columns, row, strict=True)) for row in found.fetchall())
    manifest = compared(twice)
    assert mine["change"] == f"{manifest.facts['checkpoint_before']} -> {manifest.checkpoint}"
    assert mine["now"] - mine["before"] == pytest.approx(mine["difference"], abs=0.0011)
    assert mine["lo"] < mine["difference"] < mine["hi"]
    assert mine["verdict"] == "indistinguishable"
    assert (random["change"], random["verdict"]) == ("one checkpoint only", None)


def test_the_manifest_names_the_outputs_that_were_compared(twice: Home) -> None:
    old, new = twice.store.revisions("models/mine/edge_scores", PLACE)
    manifest = compared(twice)
    assert manifest.facts["compared_with"] == old.materialization
    assert manifest.upstream["models/mine/edge_scores[20|sim_one]"] == new.materialization


def test_the_first_checkpoint_of_a_model_has_nothing_to_be_compared_with(twice: Home) -> None:
    first, second = twice.store.revisions(ASSET, PLACE)
    assert first.facts["rows"] == 0
    assert first.facts["reasons"] == f"no checkpoint of mine came before {first.checkpoint}: nothing is compared"
    assert "reasons" not in second.facts


def test_a_comparison_is_made_once(again: Home) -> None:
    assert not again.run(select=MADE).computed


@pytest.mark.long
def test_other_cells_are_not_compared(again: Home) -> None:
    changed = catalog()
    changed["experiment"]["seed"] = 5
    again.write(changed)
    put(again, "random")  # its former outputs stand on the former cells
    outcome = again.run(select=MADE)
    assert outcome.success, outcome.failed
    facts = compared(again).facts
    planted = compared(again).checkpoint
    assert facts["rows"] == 0
    assert facts["checkpoint"] == planted
    assert facts["reasons"].startswith("atlas/cell_sets[20|sim_one] changed since checkpoint ")


def test_edge_scores_that_were_removed_are_not_compared(again: Home) -> None:
    old = again.store.revisions("models/mine/edge_scores", PLACE)[0]
    (again.store.root / old.value[0]).unlink()
    facts = forced(again)
    assert facts["rows"] == 0
    assert (
        facts["reasons"] == f"the edge scores of checkpoint {old.checkpoint} are no longer stored: nothing is compared"
    )


def test_arrays_below_the_edge_scores_may_be_removed_but_for_intervals_over_cells(again: Home) -> None:
    for name in ("attention", "attention_increment", "tokenized_cells"):
        old = again.store.revisions(f"models/mine/{name}", PLACE)[0]
        (again.store.root / old.value[0]).unlink()
    facts = forced(again)
    # Even attention is made of tokens when edges are scored, and keeps its intervals over cells.
    assert facts["rows"] == 2 * (4 * 2 * 3 + 4) * 2 * 4
    assert "not known of both checkpoints: no intervals over cells" in facts["reasons"]


def test_edge_scores_whose_cells_are_forgotten_are_not_compared(again: Home) -> None:
    old = again.store.revisions("models/mine/attention_increment", PLACE)[0]
    (manifest,) = (again.store.root / "manifests/models/mine/attention_increment").rglob(
        f"n_cells=20/revision-{old.checkpoint}.json"
    )
    manifest.unlink()
    facts = forced(again)
    assert facts["rows"] == 0
    assert "is no longer known" in facts["reasons"]


@pytest.mark.long
def test_a_tissue_without_a_network_says_so(again: Home) -> None:
    changed = catalog()
    changed["networks"]["truth"]["organism"] = "mouse"
    again.write(changed)
    outcome = again.run(select=MADE)
    assert outcome.success, outcome.failed
    assert "no reference network for organism 'simulated'" in compared(again).facts["reasons"]
