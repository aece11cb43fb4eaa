"""A trained model, the published dictionaries and real cells. Set SCFM_DATA to the folder of the development data."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch
from transformers import BertModel

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.core.attention.passes import stream
from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens.encode import Tokens, tokenize
from scfm_assets.families import FAMILIES
from scfm_assets.families.dictionaries import read_mapping, read_medians, read_tokens

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("SCFM_DATA" not in os.environ, reason="set SCFM_DATA to the folder of the development data"),
]

DATA = Path(os.environ.get("SCFM_DATA", "."))
CHECKPOINT = DATA / "models/mini_geneformer_v1/step-01881"
N_PANEL = 1000


@pytest.fixture(scope="module")
def blood() -> tuple[sp.csr_array, list[str]]:
    import anndata

    atlas = anndata.read_h5ad(DATA / "atlases/blood_pbmc_facs_human.h5ad")
    return sp.csr_array(atlas.X), atlas.var["ensembl_id"].astype(str).tolist()


@pytest.fixture(scope="module")
def model():
    options = {"tokens": DATA / "vocab/geneformer_v1_30M_tokens_medians.parquet", "generation": "v1"}
    return FAMILIES["geneformer"].open(CHECKPOINT, options)


def vocabulary_of(name: str) -> Vocabulary:
    both = DATA / f"vocab/geneformer_{name}_tokens_medians.parquet"
    mapping = DATA / f"vocab/geneformer_{name}_ensembl_mapping.parquet"
    return build_vocabulary(read_tokens(both), read_medians(both), read_mapping(mapping))


def test_the_trained_model_is_what_its_folder_says(model):
    found = model.fingerprint
    assert (found.layers, found.heads, found.hidden, found.vocabulary, found.max_tokens) == (4, 4, 128, 25426, 2048)
    assert found.dtype == "float16"


@pytest.mark.parametrize("source", ["blood", "genecorpus"])
def test_attention_of_the_trained_model_equals_transformers_own_maps(model, blood, source):
    counts, genes = blood
    if source == "blood":
        tokens = model.tokenize(counts[::400], genes)
    else:
        table = pq.read_table(DATA / "reference_outputs/genecorpus_tokens_300.parquet")
        cells = table.column(next(n for n in table.column_names if "id" in n)).slice(0, 40).to_pylist()
        tokens = Tokens.of([np.array(cell, dtype=np.int32) for cell in sorted(cells, key=len)[::20]])
    detected = np.asarray((counts > 0).sum(0)).ravel()
    panel = [genes[i] for i in np.argsort(-detected, kind="stable") if genes[i]][:N_PANEL]
    panel_of_token = model.vocabulary.panel_of_token(panel)
    layers = (1, 2, 3, 4)
    collector = AttentionCollector(panel_of_token, N_PANEL, layers, np.arange(tokens.n_cells) % 2, 2)
    model.encode(tokens, collect=collector)
    sums = collector.blocks[0] + collector.blocks[1]

    config = copy.deepcopy(model.encoder.config)
    config._attn_implementation = "eager"
    eager = BertModel(config, add_pooling_layer=False).eval()
    eager.load_state_dict(model.encoder.state_dict())
    expected, pairs = np.zeros((4, N_PANEL, N_PANEL)), np.zeros((N_PANEL, N_PANEL), dtype=int)
    for cell in range(tokens.n_cells):
        ids = tokens.row(cell)
        at = np.flatnonzero(panel_of_token[ids] >= 0)
        where = np.ix_(panel_of_token[ids][at], panel_of_token[ids][at])
        with torch.no_grad():
            maps = eager(torch.from_numpy(ids.astype(np.int64))[None], output_attentions=True).attentions
        pairs[where] += 1
        for layer in range(4):
            expected[layer][where] += maps[layer][0].double().mean(0).numpy()[np.ix_(at, at)]
    np.testing.assert_array_equal(sums.pairs, pairs)
    assert pairs.sum() > 100_000
    np.testing.assert_allclose(sums.plain[:, pairs > 0], expected[:, pairs > 0], rtol=2e-5)
    assert collector.row_sum_error < 1e-5


@pytest.mark.parametrize(("name", "size", "special"), [("v1_30M", 25426, False), ("v2_104M", 20275, True)])
def test_published_dictionaries_encode_real_cells_as_a_plain_reference_does(blood, name, size, special):
    counts, genes = blood
    vocabulary = vocabulary_of(name)
    assert vocabulary.size == vocabulary.n_tokens == size
    few = counts[::97]
    found = tokenize(few, genes, vocabulary, max_tokens=700, special=special)
    tokens = read_tokens(DATA / f"vocab/geneformer_{name}_tokens_medians.parquet")
    medians = read_medians(DATA / f"vocab/geneformer_{name}_tokens_medians.parquet")
    mapping = read_mapping(DATA / f"vocab/geneformer_{name}_ensembl_mapping.parquet")
    for i in range(few.shape[0]):
        total: dict[str, int] = {}
        for column in few[[i]].indices:
            gene = mapping.get(genes[column].upper(), genes[column])
            if gene in medians:
                total[gene] = total.get(gene, 0) + int(few[i, column])
        ranked = sorted(total, key=lambda gene: (-np.float32(total[gene] / medians[gene]), gene))
        expected = [tokens[gene] for gene in ranked[: 698 if special else 700]]
        assert found.row(i).tolist() == ([2, *expected, 3] if special else expected)


def test_stream_takes_the_published_first_generation_architecture(blood):
    """Random weights, full size: six layers, 2048 positions."""
    import json

    from transformers import BertConfig

    from scfm_assets.core.attention.passes import register

    raw = json.loads((DATA / "models/geneformer_v1_6L_30M_config.json").read_text())
    raw.pop("position_embedding_type", None)
    config = BertConfig(**raw)
    config._attn_implementation = register()
    vocabulary = vocabulary_of("v1_30M")
    counts, genes = blood
    tokens = tokenize(counts[:3], genes, vocabulary, max_tokens=2048, special=False)
    panel_of_token = vocabulary.panel_of_token(genes[:N_PANEL])
    collector = AttentionCollector(panel_of_token, N_PANEL, range(1, 7), np.zeros(3, dtype=int), 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BertModel(config, add_pooling_layer=False)
    stream(encoder, tokens, collector)
    assert collector.forwarded == 3
    seen = collector.blocks[0].pairs > 0
    # Random weights attend nearly evenly: about 1/L each, lift 1.
    assert 0.8 < float((collector.blocks[0].lifted[0][seen] / collector.blocks[0].pairs[seen]).mean()) < 1.2
