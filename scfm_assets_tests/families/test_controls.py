from __future__ import annotations

import json

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from safetensors.numpy import load_file
from scipy import sparse

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.core.simulate import (
    PlantedSpec,
    WorldSpec,
    make_world,
    network_table,
    nonzero_medians,
    simulate_counts,
)
from scfm_assets.core.simulate.planting import grid_auroc
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES, control_folder
from scfm_assets.families.controls import CONTROLS, ControlInputs, RandomSpec, build_random
from scfm_assets.families.planted import build_planted, ceiling

TISSUE, N_CELLS, FEW = "sim_liver", 360, 25
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def world():
    return make_world(WorldSpec(seed=7))


@pytest.fixture(scope="module")
def atlas(world):
    return simulate_counts(world, TISSUE, N_CELLS)


@pytest.fixture(scope="module")
def inputs(world, atlas):
    return {
        "network": network_table(world),
        "genes": world.genes,
        "medians": dict.fromkeys(world.genes, 1.0) | nonzero_medians(atlas.counts, world.genes),
    }


@pytest.fixture(scope="module")
def planted(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "checkpoint"
    build_planted(folder, **inputs)
    return folder


@pytest.fixture(scope="module")
def panel(atlas):
    detection = atlas.counts.getnnz(0) / N_CELLS
    return [atlas.gene_ids[g] for g in np.argsort(-detection, kind="stable")[:200]]


@pytest.fixture(scope="module")
def own_network(inputs):
    table = inputs["network"]
    return table.filter(pc.or_kleene(pc.is_null(table["tissue"]), pc.equal(table["tissue"], TISSUE)))


@pytest.fixture(scope="module")
def truth(own_network, panel):
    """Edges, TFs of the panel x panel, and the panel index of each TF."""
    index = {gene: i for i, gene in enumerate(panel)}
    edges = np.zeros((len(panel), len(panel)), bool)
    for tf, target in zip(own_network["tf"].to_pylist(), own_network["target"].to_pylist(), strict=True):
        if tf in index and target in index:
            edges[index[tf], index[target]] = True
    rows = np.array(sorted({index[tf] for tf in own_network["tf"].to_pylist() if tf in index}))
    return edges[rows], rows


def aurocs(folder, atlas, panel, truth):
    """AUROC on TFs x panel by (n_cells, layer, method, direction)."""
    model = FAMILIES["geneformer"].open(folder, {"generation": "v1"})
    layers = range(1, model.fingerprint.layers + 1)
    block = (np.arange(N_CELLS) >= FEW).astype(int)
    collector = AttentionCollector(model.vocabulary.panel_of_token(panel), len(panel), layers, block, 2)
    model.encode(model.tokenize(atlas.counts, atlas.gene_ids), collect=collector)
    first, second = collector.blocks
    edges, rows = truth
    found = {}
    for n, sums in ((FEW, first), (N_CELLS, first + second)):
        for method in ("plain", "lifted"):
            for layer, matrix in zip(sums.layers, getattr(sums, method), strict=True):
                score = np.divide(matrix, sums.pairs, out=np.zeros_like(matrix), where=sums.pairs > 0)
                found[n, layer, method, "tf_queries"] = grid_auroc(score[rows], edges, rows)
                found[n, layer, method, "tf_keys"] = grid_auroc(score.T[rows], edges, rows)
    return found


@pytest.fixture(scope="module")
def measured(planted, atlas, panel, truth):
    return aurocs(planted, atlas, panel, truth)


@pytest.mark.parametrize("method", ["plain", "lifted"])
def test_the_planted_layer_rises_with_cells_to_its_ceiling(measured, planted, atlas, panel, own_network, method):
    detection = dict(zip(atlas.gene_ids, atlas.counts.getnnz(0) / N_CELLS, strict=True))
    top = ceiling(planted, network=own_network, panel=panel, detection=detection)
    few, many = (measured[n, PlantedSpec().planted_layer, method, "tf_queries"] for n in (FEW, N_CELLS))
    assert 0.88 < top < 0.98
    assert abs(top - many) < 0.03
    assert few < many - 0.05


def test_every_other_planted_layer_and_the_other_direction_score_about_half(measured):
    others = {k: v for k, v in measured.items() if k[1] != PlantedSpec().planted_layer or k[3] == "tf_keys"}
    assert len(others) == 2 * (4 * 2 * 2 - 2)
    assert all(0.40 < value < 0.60 for value in others.values()), others


def test_every_layer_of_the_random_control_scores_about_half(planted, tmp_path, atlas, panel, truth):
    build_random(tmp_path / "random", like=planted)
    found = aurocs(tmp_path / "random", atlas, panel, truth)
    assert all(0.40 < value < 0.60 for value in found.values()), found


def test_attention_of_the_random_control_is_not_even(planted, tmp_path):
    from transformers import AutoModelForMaskedLM

    build_random(tmp_path / "random", like=planted)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "random", attn_implementation="eager").eval()
    with torch.no_grad():
        maps = model(torch.arange(2, 102)[None], output_attentions=True).attentions
    assert len(maps) == 4
    for layer in maps:
        assert (layer * 100).log().std(-1).mean() > 0.8


def test_controls_load_into_transformers_with_no_tensor_missing_or_left_over(planted):
    from transformers import AutoModelForMaskedLM, BertForMaskedLM

    model, about = AutoModelForMaskedLM.from_pretrained(planted, output_loading_info=True)
    assert type(model) is BertForMaskedLM
    assert not any(about.values()), about


def test_a_control_has_the_same_bytes_every_time_and_leaves_global_random_numbers_alone(planted, inputs, tmp_path):
    before = torch.random.get_rng_state()
    build_planted(tmp_path / "planted", **inputs)
    build_random(tmp_path / "random", like=planted)
    build_random(tmp_path / "again", like=tmp_path / "planted")
    build_random(tmp_path / "other", like=planted, spec=RandomSpec(seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for file in planted.iterdir():
        assert (tmp_path / "planted" / file.name).read_bytes() == file.read_bytes()
    weights = {f: (tmp_path / f / "model.safetensors").read_bytes() for f in ("random", "again", "other")}
    assert weights["random"] == weights["again"] != weights["other"]


def test_more_genes_in_the_vocabulary_change_neither_the_planted_genes_nor_the_ceiling(
    planted, inputs, tmp_path, panel, own_network
):
    extra = [f"REAL{i}" for i in range(50)]
    medians = inputs["medians"] | dict.fromkeys(extra, 2.0)
    build_planted(tmp_path / "more", **inputs | {"genes": [*inputs["genes"], *extra], "medians": medians})
    small, large = (load_file(folder / "model.safetensors") for folder in (planted, tmp_path / "more"))
    assert np.array_equal(large[WORDS][: len(small[WORDS])], small[WORDS])
    detection = dict.fromkeys(inputs["genes"], 0.3)
    tops = [
        ceiling(f, network=own_network, panel=[*panel, *extra], detection=detection)
        for f in (planted, tmp_path / "more")
    ]
    assert abs(tops[0] - tops[1]) < 0.02
    tops = [ceiling(f, network=own_network, panel=panel, detection=detection) for f in (planted, tmp_path / "more")]
    assert tops[0] == pytest.approx(tops[1], abs=1e-9)


def test_the_folder_says_how_the_control_was_made(planted, inputs):
    about = json.loads((planted / "control.json").read_text())
    pairs = set(zip(*(inputs["network"][c].to_pylist() for c in ("tf", "target")), strict=True))
    assert about["control"] == "planted"
    assert about["planted_layer"] == about["spec"]["planted_layer"] == 3
    assert about["n_edges"] == len(pairs)
    assert about["scfm_version"]


def test_only_a_planted_control_has_a_ceiling(planted, tmp_path, own_network, panel):
    build_random(tmp_path / "random", like=planted)
    for folder in (tmp_path / "random", tmp_path):
        with pytest.raises(ScfmError, match="not a planted control"):
            ceiling(folder, network=own_network, panel=panel, detection={})


def test_a_failure_leaves_no_half_folder_and_what_was_there_stays(planted, tmp_path, monkeypatch):
    build_random(tmp_path / "old", like=planted)
    before = (tmp_path / "old" / "model.safetensors").read_bytes()

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control_folder, "save_file", full_disk)
    for name in ("old", "new"):
        with pytest.raises(OSError, match="No space"):
            build_random(tmp_path / name, like=planted, spec=RandomSpec(seed=1))
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "model.safetensors").read_bytes() == before


def test_a_control_is_replaced_if_it_changed_and_left_alone_if_not(planted, tmp_path):
    folder = tmp_path / "random"
    build_random(folder, like=planted)
    inode = folder.stat().st_ino
    build_random(folder, like=planted)
    assert folder.stat().st_ino == inode
    build_random(folder, like=planted, spec=RandomSpec(seed=1))
    assert folder.stat().st_ino != inode
    assert json.loads((folder / "control.json").read_text())["spec"]["seed"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["random"]


def test_random_weights_for_a_foreign_architecture_load_with_foreign_dictionaries(tmp_path):
    config = {
        "model_type": "bert",
        "vocab_size": 12,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "torch_dtype": "float16",
    }
    config |= {"num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    build_random(tmp_path / "random", like=tmp_path / "config.json")
    assert not (tmp_path / "random" / "token_dictionary.json").exists()
    tokens, medians = tmp_path / "tokens.json", tmp_path / "medians.json"
    genes = [f"ENSG{i}" for i in range(10)]
    tokens.write_text(json.dumps({"<pad>": 0, "<mask>": 1} | {gene: 2 + i for i, gene in enumerate(genes)}))
    medians.write_text(json.dumps(dict.fromkeys(genes, 1.5)))
    options = {"generation": "v1", "tokens": str(tokens), "medians": str(medians)}
    model = FAMILIES["geneformer"].open(tmp_path / "random", options)
    assert (model.fingerprint.layers, model.fingerprint.hidden, model.fingerprint.max_tokens) == (2, 32, 64)
    assert model.tokenize(sparse.csr_matrix(np.eye(10, dtype=np.int32)), genes).n_cells == 10


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_of_the_registry_is_built_from_the_same_inputs(name, inputs, tmp_path):
    CONTROLS[name](tmp_path / name, ControlInputs(**inputs, seed=4))
    model = FAMILIES["geneformer"].open(tmp_path / name, {"generation": "v1"})
    assert model.fingerprint.layers == PlantedSpec().layers
    assert len(model.vocabulary.gene_ids) == len(inputs["genes"])
    assert json.loads((tmp_path / name / "control.json").read_text())["spec"]["seed"] == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"genes": []}, "0 genes"),
        ({"genes": ["A", "A"]}, "1 of them repeated"),
        ({"genes": ["A", "B"]}, "not in the vocabulary"),
        ({"medians": {}}, "no positive median"),
    ],
)
def test_inputs_that_do_not_belong_together_are_refused_and_nothing_is_written(inputs, tmp_path, change, said):
    with pytest.raises(ScfmError, match=said):
        build_planted(tmp_path / "planted", **inputs | change)
    with pytest.raises(ScfmError, match=said):
        build_planted(tmp_path / "planted", **inputs | change)
    assert not list(tmp_path.iterdir())


def test_without_a_network_there_is_nothing_to_plant(inputs, tmp_path):
    with pytest.raises(ScfmError, match="no network to plant"):
        CONTROLS["planted"](tmp_path / "planted", ControlInputs(**inputs | {"network": None}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model_type": "gpt2"}', '{"model_type": "bert", "vocab_size": 9}', None]
)
def test_what_is_no_bert_configuration_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ScfmError, match=r"config\.json"):
        build_random(tmp_path / "random", like=tmp_path / "config.json")
    assert not (tmp_path / "random").exists()
