"""The ledger of expensive code: what stands behind each number, and outputs that prove changes equal in results."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from scfm_assets.core.attention import Wanted, attend, tokenize_increment
from scfm_assets.core.base import digest_arrays
from scfm_assets.core.sampling import cell_orders, cell_set_table
from scfm_assets.core.scores import chosen_methods, score
from scfm_assets.engine import code_ledger
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets_tests.bare_box import a_checkpoint
from scfm_assets_tests.families import small_scgpt

GOLDEN = Path(__file__).with_name("golden.json")
"""Written anew by SCFM_WRITE_GOLDEN=1: only where a number of the ledger was raised, too."""
TOLERANCE = 1e-5
"""Of sums in single precision, which machines round differently."""
N_CELLS = 24


def test_no_code_behind_a_number_changed_unnoticed() -> None:
    """What fails here wants one of two commands: see `scfm_assets.engine.code_ledger`."""
    assert code_ledger.unknown() == {}


def test_every_family_and_all_expensive_assets_are_in_the_ledger() -> None:
    assert set(code_ledger.entries()) == {"tokenized_cells", "attention_increment", "baselines/edge_scores"}
    for entry in code_ledger.entries().values():
        assert int(entry["version"]) > 0
        assert all(equal["reason"].strip() for equal in entry["equal"])
    assert set(golden()) == {*FAMILIES, "baselines"}


@pytest.mark.parametrize("part", ["geneformer", "scgpt", "baselines"])
def test_golden_outputs_are_those_that_are_written_down(part: str, tmp_path: Path) -> None:
    made = scores() if part == "baselines" else passes(part, tmp_path)
    if os.environ.get("SCFM_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps({**golden(), part: made}, indent=1, sort_keys=True) + "\n")
    known = golden()[part]
    assert made.keys() == known.keys()
    for name, value in known.items():
        assert made[name] == (value if isinstance(value, str) else pytest.approx(value, rel=TOLERANCE, abs=1e-7)), name


def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}


WANTED = Wanted(layers=(1, 2), states=True, tfs=(0, 3, 5), n_groups=4)


def inputs(family: str, folder: Path) -> tuple[Any, Any, pa.Table]:
    if family == "geneformer":
        rng = np.random.default_rng(0)
        model = FAMILIES[family].open(a_checkpoint(folder / family), {"generation": "v2"})
        genes = [f"ENSG{i:011d}" for i in range(30)]
        counts = sp.csr_matrix(rng.poisson(1.0, (60, 30)).astype(np.int32))
    else:
        model = FAMILIES[family].open(small_scgpt.a_folder(folder / family), {})
        genes = small_scgpt.GENES
        counts = sp.csr_matrix(small_scgpt.some_counts(60))
    types, barcodes = np.array(["T", "B"] * 30), np.arange(60).astype(str)
    orders = cell_orders(types, barcodes, repeats=2, length=N_CELLS, seed=1)
    cell_sets = cell_set_table(orders, N_CELLS, (12, N_CELLS), n_groups=4, seed=1)
    cells = tokenize_increment(model.tokenize, counts, genes, cell_sets, base=12)
    return model, cells, pa.table({"gene_id": genes[:12], "symbol": genes[:12]})


def passes(family: str, folder: Path) -> dict[str, Any]:
    model, cells, panel = inputs(family, folder)
    tokens, _ = cells.to_tensors()
    sums, _ = attend(model, cells, panel, WANTED).to_tensors()
    return {"tokens": digest_arrays(*(tokens[name] for name in sorted(tokens))), **outline(sums)}


def scores() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    counts = sp.csr_matrix(rng.poisson(rng.gamma(1, 2, 20), (80, 20)).astype(np.int32))
    genes = [f"G{i}" for i in range(20)]
    panel = pa.table({"gene_id": genes[:12], "symbol": genes[:12]})
    tfs = np.array([0, 3, 5])
    names = ("pearson", "spearman", "mutual_information", "partial_correlation", "grnboost")
    cells = {0: np.arange(40), 1: np.arange(20, 70)}
    groups = {0: np.arange(40) % 4, 1: np.arange(50) % 4}
    how: Any = {"methods": chosen_methods(names, tfs), "group_of_repeat": groups, "tfs": tfs}
    made = score(counts, genes, panel, cells_of_repeat=cells, **how)
    levels = {f"levels {repeat}": of_repeat for repeat, of_repeat in made.levels.items()}
    return {"keys": str(made.keys), **outline({"scores": made.scores, **levels})}


def outline(arrays: Any) -> dict[str, Any]:
    """Shape, sum and a weighted sum of arrays: small to store, and different when a value or an order is."""
    outlines: dict[str, Any] = {}
    for name, array in arrays.items():
        values = np.nan_to_num(np.asarray(array, dtype=np.float64)).ravel()
        weights = np.random.default_rng(values.size).uniform(0.5, 1.5, values.size)
        outlines[name] = [*map(float, np.shape(array)), float(values.sum()), float(values @ weights)]
    return outlines


# Entering and raising -----------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the ledger, in which the code behind one number has changed since."""
    file = tmp_path / "ledger.json"
    entries = json.loads(code_ledger.LEDGER.read_text())
    entries["attention_increment"] |= {"digest": "0" * 12, "equal": []}
    file.write_text(json.dumps(entries))
    monkeypatch.setattr(code_ledger, "LEDGER", file)
    monkeypatch.setattr(code_ledger, "entries", lambda: entries)
    return file


def test_a_change_is_named_until_it_is_entered_with_a_reason(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(code_ledger.unknown()) == {"attention_increment"}
    monkeypatch.setattr(code_ledger.subprocess, "run", lambda *_, **__: type("Done", (), {"returncode": 1}))
    with pytest.raises(ScfmError, match="golden outputs are not those"):
        code_ledger.enter("moved only")
    assert set(code_ledger.unknown()) == {"attention_increment"}
    monkeypatch.setattr(code_ledger.subprocess, "run", lambda *_, **__: type("Done", (), {"returncode": 0}))
    with pytest.raises(ScfmError, match="no reason"):
        code_ledger.enter(" ")
    assert code_ledger.main("enter", "moved only") == "entered: attention_increment"
    assert code_ledger.unknown() == {}
    written = json.loads(ledger.read_text())["attention_increment"]
    assert (written["version"], written["equal"][0]["reason"]) == ("1", "moved only")


def test_a_raised_number_is_another_version_with_the_code_of_today(ledger: Path) -> None:
    assert code_ledger.main("raise", "attention_increment") == "attention_increment is at version 2"
    assert code_ledger.unknown() == {}
    assert json.loads(ledger.read_text())["attention_increment"]["version"] == "2"
    with pytest.raises(ScfmError, match="is not in the ledger"):
        code_ledger.raise_version("attention")
