"""scGPT's published vocabularies and real cells. Set SCFM_DATA to the folder of the development data."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets.core.genes.vocabulary import Vocabulary
from scfm_assets.core.tokens.value_bins import Binning, tokenize_binned
from scfm_assets.families import FAMILIES
from scfm_assets.families.scgpt_files import read_vocabulary
from scfm_assets_tests.families.small_scgpt import ARGS

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("SCFM_DATA" not in os.environ, reason="set SCFM_DATA to the folder of the development data"),
]

DATA = Path(os.environ.get("SCFM_DATA", "."))
VOCABULARIES = {"default_census": 60_697, "default_gene": 48_295, "whole_human": 60_697}
"""Tokens of each, those included that scGPT appends."""

SCGPT = FAMILIES["scgpt"]


def vocabulary_file(name: str) -> Path:
    return DATA / f"vocab/scgpt_{name}_vocab.json"


def gene_table() -> Path:
    return DATA / "vocab/geneformer_v2_95M_gene_name_id.parquet"


def an_atlas(name: str) -> tuple[sp.csr_array, list[str], list[str]]:
    """Counts, ids and symbols."""
    import anndata

    atlas = anndata.read_h5ad(DATA / f"atlases/{name}.h5ad")
    ids, symbols = (atlas.var.get(name, atlas.var_names).astype(str) for name in ("ensembl_id", "symbol"))
    return sp.csr_array(atlas.X), list(ids), list(symbols)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_the_published_vocabularies_are_read(name):
    vocabulary = read_vocabulary(vocabulary_file(name))
    assert vocabulary.n_tokens == vocabulary.size == VOCABULARIES[name]
    assert {"TP53", "GATA1", "SPI1"} <= set(vocabulary.gene_ids.tolist())
    assert vocabulary.rows_of(["Gapdh"]).tolist() == [-1]
    assert len(set(vocabulary.special_ids)) == 3


def covered(vocabulary: Vocabulary, names: list[str], counts: sp.csr_array) -> tuple[float, float]:
    """Share of the genes, and of the counts, that the vocabulary knows."""
    known = vocabulary.rows_of(names) >= 0
    total = np.asarray(counts.sum(0)).ravel()
    return float(known.mean()), float(total[known].sum() / total.sum())


@pytest.mark.parametrize(
    ("atlas", "least"), [("blood_pbmc_facs_human", 0.98), ("gut_ileum_colon_human", 0.97), ("skin_ctcl_human", 0.97)]
)
def test_human_cells_are_covered_by_symbols_and_by_ids(atlas, least):
    counts, ids, symbols = an_atlas(atlas)
    bare = read_vocabulary(vocabulary_file("whole_human"))
    repaired = read_vocabulary(vocabulary_file("whole_human"), gene_table())
    found = {
        "symbols": covered(bare, symbols, counts),
        "ids": covered(repaired, ids, counts),
        "both": covered(repaired, repaired.names_of(ids, symbols), counts),
    }
    print(atlas, {name: f"{genes:.1%} of genes, {share:.2%} of counts" for name, (genes, share) in found.items()})
    assert found["both"][1] >= least
    assert found["both"] >= found["symbols"]
    assert found["ids"][1] > 0.9


def test_mouse_cells_are_told_apart_by_the_case_of_their_symbols():
    counts, ids, symbols = an_atlas("bone_marrow_mouse")
    vocabulary = read_vocabulary(vocabulary_file("whole_human"), gene_table())
    _, share = covered(vocabulary, vocabulary.names_of(ids, symbols), counts)
    print(f"bone_marrow_mouse: {share:.2%} of counts")
    assert share < 0.1


def test_real_cells_are_binned_as_numpy_bins_them():
    counts, _, symbols = an_atlas("blood_pbmc_facs_human")
    vocabulary = read_vocabulary(vocabulary_file("whole_human"))
    found = tokenize_binned(counts[:200], symbols, vocabulary, Binning(51, 10_000, ties="highest"))
    rows = vocabulary.rows_of(symbols)
    known = np.flatnonzero(rows >= 0)
    ones = (np.ones(len(known)), (known, vocabulary.token_ids[rows[known]]))
    of_token = counts[:200].astype(float) @ sp.csr_array(
        ones, shape=(len(symbols), vocabulary.size)
    )  # alike are summed
    different = 0
    for i in range(200):
        row = of_token[[i]].toarray()[0]
        values = np.log1p(row / row.sum() * 1e4)[found.row(i)[1:]]
        theirs = np.digitize(values, np.quantile(values, np.linspace(0, 1, 50)))
        assert (values > 0).all()
        assert len(values) == (row > 0).sum()
        assert np.abs(found.row_values(i)[1:] - theirs).max() <= 1
        different += int((found.row_values(i)[1:] != theirs).sum())
    assert different < 0.005 * len(found.ids)


def test_a_random_model_of_the_published_size_reads_real_cells(tmp_path):
    """12 x 8 x 512 over 60,697 tokens: what the published whole-human checkpoint is, but for its weights."""
    folder = tmp_path / "like"
    folder.mkdir()
    sizes = {"embsize": 512, "d_hid": 512, "nheads": 8, "nlayers": 12, "max_seq_len": 1200}
    (folder / "args.json").write_text(json.dumps(ARGS | sizes))
    shutil.copy(vocabulary_file("whole_human"), folder / "vocab.json")
    SCGPT.random(tmp_path / "random", folder, {}, 0)
    expect = {"layers": 12, "heads": 8, "hidden": 512, "vocabulary": 60_697, "max_tokens": 1200}
    model = SCGPT.open(tmp_path / "random", {"gene_table": str(gene_table()), "expect": expect})
    counts, ids, symbols = an_atlas("blood_pbmc_facs_human")
    names = model.vocabulary.names_of(ids, symbols)
    tokens = model.tokenize(counts[:3], names)
    panel = model.vocabulary.panel_of_token(names[:2000])
    layers = tuple(range(1, 13))
    states = States(model.vocabulary.special_ids, model.vocabulary.cls)
    collector = AttentionCollector(panel, 2000, layers, np.zeros(3, int), 1, states=states)
    model.encode(tokens, collect=collector)
    assert collector.row_sum_error < 1e-5
    alone = AttentionCollector(panel, 2000, layers, np.zeros(1, int), 1, states=states)
    model.encode(model.tokenize(counts[[2]], names), collect=alone)
    assert alone.embeddings["cls"][0].tobytes() == collector.embeddings["cls"][2].tobytes()
    assert np.isfinite(collector.embeddings["cls"]).all()
