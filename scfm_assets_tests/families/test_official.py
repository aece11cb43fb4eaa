"""Checkpoints inside the official repository: dictionaries found beside them, generations told apart, sizes held."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets.families.geneformer import digest_inputs, open_checkpoint, read_vocabulary
from scfm_assets.families.official import DICTIONARIES, DICTIONARY_FILES, NAMES, OFFICIAL, find_dictionaries

SPECIAL = {"v1": ["<pad>", "<mask>"], "v2": ["<pad>", "<mask>", "<cls>", "<eos>"]}
SIZE = {"v1": 25426, "v2": 20275}


def genes_of(generation: str) -> list[str]:
    return [f"ENSG{i:011d}" for i in range(SIZE[generation] - len(SPECIAL[generation]))]


def write_dictionaries(root: Path, *names: str) -> None:
    """Write the dictionaries of a corpus as the repository keeps them, in their full size."""
    for known in DICTIONARIES:
        if known.name in names and "_gc" in known.tokens:
            genes = genes_of(known.generation)
            tokens = {name: i for i, name in enumerate([*SPECIAL[known.generation], *genes])}
            folder = root / known.folder
            folder.mkdir(parents=True, exist_ok=True)
            (folder / known.tokens).write_bytes(pickle.dumps(tokens))
            (folder / known.medians).write_bytes(pickle.dumps(dict.fromkeys(genes, float(known.name[:-1]))))
            (folder / str(known.mapping)).write_bytes(pickle.dumps({"ENSGOLD": genes[0]}))


def write_weights(folder: Path, generation: str, *, layers: int = 6, heads: int = 4, hidden: int = 256) -> Path:
    config = BertConfig(
        vocab_size=SIZE[generation],
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=8,
        max_position_embeddings=2048 if generation == "v1" else 4096,
        hidden_act="relu",
    )
    with torch.random.fork_rng():
        BertForMaskedLM(config).half().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as it is today: dictionaries of both generations, a model of the first and a tiny one of the second."""
    root = tmp_path_factory.mktemp("Geneformer")
    write_dictionaries(root, "30M", "104M")
    write_weights(root / "Geneformer-V1-10M", "v1")
    write_weights(root / "small_v2", "v2", layers=1, heads=1, hidden=8)
    return root


def test_a_checkpoint_in_a_clone_finds_its_own_dictionaries(clone):
    model = open_checkpoint(clone / "Geneformer-V1-10M", {})
    assert (model.generation.name, model.fingerprint.max_tokens, model.fingerprint.vocabulary) == ("v1", 2048, 25426)
    assert set(model.vocabulary.medians) == {30.0}
    assert model.vocabulary.rows_of(["ENSGOLD"]).tolist() == [0]
    names = [path.name for path in digest_inputs(clone / "Geneformer-V1-10M", {})]
    assert names == [
        *("config.json", "model.safetensors", "token_dictionary_gc30M.pkl", "gene_median_dictionary_gc30M.pkl"),
        "ensembl_mapping_dict_gc30M.pkl",
    ]
    second = open_checkpoint(clone / "small_v2", {})
    assert (second.generation.name, second.fingerprint.max_tokens) == ("v2", 4096)
    assert set(second.vocabulary.medians) == {104.0}


def test_the_root_and_a_deeper_folder_are_checkpoints_too(clone, tmp_path):
    write_dictionaries(tmp_path, "104M")
    for file in (clone / "small_v2").iterdir():
        shutil.copy(file, tmp_path)
    assert open_checkpoint(tmp_path, {}).generation.name == "v2"
    deep = shutil.copytree(clone / "small_v2", tmp_path / "fine_tuned_models" / "mine")
    assert open_checkpoint(deep, {}).generation.name == "v2"
    deeper = shutil.copytree(clone / "small_v2", tmp_path / "fine_tuned_models" / "mine" / "run" / "end")
    with pytest.raises(ScfmError, match="a token dictionary cannot be found") as caught:
        open_checkpoint(deeper, {})
    assert "options.tokens" in str(caught.value.remedy)


def test_dictionaries_may_lie_beside_the_weights(clone, tmp_path):
    folder = shutil.copytree(clone / "small_v2", tmp_path / "flat")
    for file in (clone / "geneformer").glob("*.pkl"):
        shutil.copy(file, folder)
    assert set(open_checkpoint(folder, {}).vocabulary.medians) == {104.0}


def test_the_oldest_clones_have_no_mapping(tmp_path):
    folder = write_weights(tmp_path / "geneformer-6L-30M", "v1", layers=1, heads=1, hidden=8)
    (tmp_path / "geneformer").mkdir()
    tokens = {name: i for i, name in enumerate([*SPECIAL["v1"], *genes_of("v1")])}
    (tmp_path / "geneformer" / "token_dictionary.pkl").write_bytes(pickle.dumps(tokens))
    (tmp_path / "geneformer" / "gene_median_dictionary.pkl").write_bytes(
        pickle.dumps(dict.fromkeys(genes_of("v1"), 1.0))
    )
    model = open_checkpoint(folder, {})
    assert (model.generation.name, dict(model.vocabulary.aliases)) == ("v1", {})


def test_where_two_corpora_fit_the_name_or_the_option_decides(clone, tmp_path):
    write_dictionaries(tmp_path, "95M", "104M")
    folder = shutil.copytree(clone / "small_v2", tmp_path / "mine")
    with pytest.raises(ScfmError, match="dictionaries of 104M and 95M lie beside it") as caught:
        open_checkpoint(folder, {})
    assert "`dictionaries`" in str(caught.value.remedy)
    for name in ("95M", "104M"):
        assert set(open_checkpoint(folder, {"dictionaries": name}).vocabulary.medians) == {float(name[:-1])}
    found = find_dictionaries(tmp_path / "gf-20L-95M-i4096", None, None)
    assert found is not None
    assert found["tokens"].name == "token_dictionary_gc95M.pkl"
    with pytest.raises(ScfmError, match="the 30M dictionaries cannot be found"):
        open_checkpoint(folder, {"dictionaries": "30M"})


def test_named_dictionaries_win(clone, tmp_path):
    medians = tmp_path / "medians.json"
    medians.write_text(json.dumps(dict.fromkeys(genes_of("v1"), 7.0)))
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"OTHER": genes_of("v1")[1]}))
    options = {"medians": str(medians), "ensembl_mapping": str(mapping)}
    vocabulary = read_vocabulary(clone / "Geneformer-V1-10M", options)
    assert set(vocabulary.medians) == {7.0}
    assert dict(vocabulary.aliases) == {"OTHER": genes_of("v1")[1]}
    tokens = clone / "geneformer" / "gene_dictionaries_30m" / "token_dictionary_gc30M.pkl"
    alone = read_vocabulary(clone / "small_v2", {"tokens": str(tokens), "medians": str(medians)})
    assert (alone.size, dict(alone.aliases)) == (25426, {})


def test_dictionaries_of_one_generation_and_a_model_of_the_other_are_refused_with_which_is_which(clone):
    with pytest.raises(ScfmError) as caught:
        open_checkpoint(clone / "small_v2", {"dictionaries": "30M"})
    told = " ".join(str(caught.value).split())
    assert "token_dictionary_gc30M.pkl: 25426 tokens with ids up to 25425 (generation v1: 2048 tokens a cell" in told
    assert "has 20275 token embeddings (generation v2: 4096" in told
    with pytest.raises(ScfmError) as caught:
        open_checkpoint(clone / "Geneformer-V1-10M", {"dictionaries": "104M"})
    told = " ".join(str(caught.value).split())
    assert "token_dictionary_gc104M.pkl: 20275 tokens with ids up to 20274 (generation v2" in told
    assert "has 25426 token embeddings (generation v1" in told
    with pytest.raises(ScfmError, match="generation 'v2' needs both"):
        open_checkpoint(clone / "Geneformer-V1-10M", {"generation": "v2"})
    with pytest.raises(ScfmError, match="generation 'v1' needs neither"):
        open_checkpoint(clone / "small_v2", {"generation": "v1", "dictionaries": "104M"})


def test_a_published_name_promises_the_published_model(clone):
    folder = shutil.copytree(clone / "small_v2", clone / "Geneformer-V2-104M")
    with pytest.raises(ScfmError) as caught:
        open_checkpoint(folder, {})
    told = " ".join(str(caught.value).split())
    assert "which has layers 12, found 1; heads 12, found 1; hidden 768, found 8" in told
    assert "Rename the folder, or declare under `expect` what is in it." in told
    assert open_checkpoint(folder, {"expect": {"layers": 1}}).fingerprint.layers == 1


def test_the_published_checkpoints_are_consistent_with_their_dictionaries():
    generations = {known.name: known.generation for known in DICTIONARIES}
    assert NAMES == ("104M", "95M", "30M")
    assert len(DICTIONARY_FILES) == len(set(DICTIONARY_FILES)) == 11
    for known in OFFICIAL.values():
        assert known.vocabulary == SIZE[generations[known.dictionaries]]
        assert known.max_tokens == (2048 if generations[known.dictionaries] == "v1" else 4096)
        assert known.hidden % known.heads == 0


@pytest.mark.parametrize("name", [None, "104M"])
def test_a_random_control_of_an_official_folder_brings_its_dictionaries_along(clone, tmp_path, name):
    like = clone / "small_v2"
    options = {"expect": {}} | ({"dictionaries": name} if name else {})
    FAMILIES["geneformer"].random(tmp_path / "random", like, options, 3)
    found, theirs = (FAMILIES["geneformer"].vocabulary(folder, options) for folder in (tmp_path / "random", like))
    assert found.digest == theirs.digest
