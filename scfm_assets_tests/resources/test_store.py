"""Outputs appear whole or not at all, and come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from scfm_assets.partitions import Place
from scfm_assets.resources.store import ANNDATA, ARRAYS, TABLE, Arrays, Format, Output, Store

PLACE = Place("lung", 100)


def output(form: Format, value: object, tables: dict[str, pa.Table] | None = None, **facts: object) -> Output:
    made = {"code": "1", "config": "c", "inputs": {"atlas/raw[lung]": "v1"}, "checks": (("fine", True, ""),)}
    return Output(form, value, tables or {}, **made, facts=facts)


def table(rows: int = 3, model: str = "m", checkpoint: str | None = "abc") -> pa.Table:
    return pa.table(
        {"model": [model] * rows, "checkpoint": pa.array([checkpoint] * rows, pa.string()), "value": range(rows)}
    )


def atlas() -> AnnData:
    adata = AnnData(csr_matrix(np.array([[1, 0], [0, 3]], dtype=np.int32)))
    adata.obs["cell_type"] = ["a", "b"]
    return adata


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (TABLE, table()),
        (ARRAYS, Arrays({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0, np.int64)}, {"k": "v"})),
        (ANNDATA, atlas()),
    ],
)
def test_values_come_back_with_the_same_content_digest(tmp_path: Path, form: Format, value: object) -> None:
    store = Store(tmp_path)
    tables = {"metrics": value} if form is TABLE else {}
    manifest = store.write("group/asset", PLACE, output(form, value, tables, cells=3))
    assert store.manifest("group/asset", PLACE) == manifest
    assert form.digest(store.read(manifest, form)) == manifest.version == form.digest(value)
    assert manifest.facts == {"cells": 3}


def test_digests_see_content_and_not_the_file(tmp_path: Path) -> None:
    assert TABLE.digest(table()) == TABLE.digest(pa.concat_tables([table(1), table(3)[1:]]).combine_chunks())
    assert TABLE.digest(table()) != TABLE.digest(table(checkpoint=None))
    assert ARRAYS.digest(Arrays({"a": np.zeros(2)})) != ARRAYS.digest(Arrays({"a": np.zeros((2, 1))}))
    changed = atlas()
    changed.obs["cell_type"] = ["a", "c"]
    assert ANNDATA.digest(atlas()) != ANNDATA.digest(changed)


def test_results_of_every_checkpoint_stay_beside_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for checkpoint in ("abc", "def"):
        rows = pa.concat_tables([table(2, "m", checkpoint), table(1, "baselines", None)])
        manifest = store.write("evaluation/metrics", PLACE, output(TABLE, rows, {"metrics": rows}))
        assert store.read(manifest, TABLE).num_rows == 3
    files = sorted(str(f.parent.relative_to(tmp_path / "store/tables/metrics")) for f in tmp_path.rglob("data.parquet"))
    assert files == [
        "model=baselines/tissue=lung/n_cells=100",
        "model=m/checkpoint=abc/tissue=lung/n_cells=100",
        "model=m/checkpoint=def/tissue=lung/n_cells=100",
    ]


def test_a_writer_that_fails_leaves_the_old_output_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = store.write("group/asset", PLACE, output(ARRAYS, Arrays({"a": np.zeros(2)})))

    def half(path: Path, value: Arrays) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    broken = Format(ARRAYS.suffix, half, ARRAYS.read, ARRAYS.digest)
    with pytest.raises(KeyboardInterrupt):
        store.write("group/asset", PLACE, output(broken, Arrays({"a": np.ones(2)})))
    assert store.manifest("group/asset", PLACE) == before
    assert store.read(before, ARRAYS).tensors["a"].tolist() == [0, 0]
    assert [f for f in tmp_path.rglob(".*") if f.is_file()] == []


def test_an_output_with_a_lost_file_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = store.write("group/asset", PLACE, output(ARRAYS, Arrays({"a": np.zeros(2)})))
    (store.root / manifest.value[0]).unlink()
    assert store.manifest("group/asset", PLACE) is None


def test_an_empty_table_is_an_output_too(tmp_path: Path) -> None:
    store, empty = Store(tmp_path), table(0)
    manifest = store.write("evaluation/metrics", PLACE, output(TABLE, empty, {"metrics": empty}))
    assert store.read(manifest, TABLE).num_rows == 0
