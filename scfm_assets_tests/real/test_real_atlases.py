"""Real atlases: every file can be used, or is refused in words."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from scfm_assets.core.genes.vocabulary import build_vocabulary
from scfm_assets.core.intake.atlas import process, read
from scfm_assets.core.intake.guess import guess_spec
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.errors import ScfmError

ROOT = Path(os.environ.get("SCFM_DATA", "absent"))
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (ROOT / "atlases").is_dir(), reason="set SCFM_DATA to the folder that holds atlases/"),
]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*.h5*")) if ROOT.is_dir() else []
NAMES = ROOT / "vocab" / "geneformer_v2_104M_gene_name_id.parquet"
TOKENS = ROOT / "vocab" / "geneformer_v1_30M_tokens_medians.parquet"
KINDS = {
    "bone_marrow_mouse": "mouse, unknown to all models",
    "embryo_E35_E45_mouse": "mouse, unlabelled, unknown to all models",
    "gut_ileum_colon_human": "refused",  # three ids stand for two columns each: `duplicates: sum`
    "kang_ifnb_pbmc_human": "refused",  # half of the cells have no label: `drop_unlabelled: true`
    "norman2019_k562_subset_human": "few genes, unlabelled",
    "pancreas_mouse": "mouse, unknown to all models",
    "pbmc_1k_v2_10x_human": "unlabelled",
    "sergio_ds4_dynamics_100g": "refused, few genes",
    "skin_ctcl_human": "unlabelled",
    "zhao2021_gbm_panobinostat_human": "few genes, unlabelled",
}


def vocabulary():
    genes = pd.read_parquet(TOKENS).dropna()
    genes = genes[genes["gene"].str.startswith("ENSG")]
    tokens = dict(zip(genes["gene"], genes["token_id"].astype(int), strict=True))
    return build_vocabulary(tokens, dict(zip(genes["gene"], genes["nonzero_median"], strict=True)))


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_inspected_and_then_used_or_refused(file):
    path = ROOT / file
    declared = guess_spec(path)
    found = inspect_file(path, declared, {"geneformer_v1": vocabulary()}, guessed=True)
    text = found.text()
    assert "Verdict" in text
    assert found.finding.kind == KINDS.get(path.stem, "usable")
    if found.ok:
        assert process(read(declared), declared).n_obs > 0
    else:
        with pytest.raises(ScfmError) as caught:
            process(read(declared), declared)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("file", "changes", "shape"),
    [
        ("blood_pbmc_facs_human", {}, (3874, 16791)),
        ("gut_ileum_colon_human", {"duplicates": "sum"}, (1020, 17832)),
        ("skin_ctcl_human", {"cell_type": None}, (1800, 21309)),
        ("placenta_decidua_human", {}, (220, 17163)),
        ("bone_marrow_mouse", {"donor": None, "organism": "mouse"}, (362, 13905)),
    ],
)
def test_atlases_keep_every_count(file, changes, shape):
    path = ROOT / "atlases" / f"{file}.h5ad"
    declared = replace(guess_spec(path), **changes)
    processed = process(read(declared), declared)
    whole = read_h5ad(path)
    assert processed.shape == shape
    assert processed.X.dtype == np.int32
    assert processed.obs_names.tolist() == whole.obs_names.tolist()
    assert np.array_equal(processed.obs["n_counts"], np.asarray(whole.X.sum(axis=1)).ravel())
    ids = np.where(whole.var["ensembl_id"].astype(str) == "", whole.var_names, whole.var["ensembl_id"].astype(str))
    assert processed.var["mapped"].sum() == len({gene_id for gene_id in ids if gene_id.startswith("ENS")})
    again = process(read(declared), declared)
    for name in ("data", "indices", "indptr"):
        assert getattr(processed.X, name).tobytes() == getattr(again.X, name).tobytes()


def test_symbols_of_a_real_atlas_are_repaired_by_a_real_table():
    path = ROOT / "atlases" / "pancreas_human.h5ad"
    plain = guess_spec(path)
    by_symbol = replace(plain, gene_id=None, gene_table=NAMES)
    given, repaired = (process(read(declared), declared) for declared in (plain, by_symbol))
    assert repaired.var["mapped"].mean() > 0.9
    both = given.var[given.var["mapped"]].merge(repaired.var[repaired.var["mapped"]], left_index=True, right_index=True)
    assert len(both) > 0.95 * given.var["mapped"].sum()
    assert {repair["what"] for repair in json.loads(repaired.uns["scfm"]["repairs"])} >= {"symbols_to_ensembl"}


def test_blood_takes_seconds():
    declared = guess_spec(ROOT / "atlases" / "blood_pbmc_facs_human.h5ad")
    start = time.perf_counter()
    process(read(declared), declared)
    assert time.perf_counter() - start < 10
