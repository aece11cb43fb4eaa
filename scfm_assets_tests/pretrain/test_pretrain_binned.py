"""`scfm pretrain --tokens-as binned`: the same command, another objective, a folder of another family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from scfm_assets import catalog as catalogs
from scfm_assets.catalog import COMPLETE, SETTLE_SECONDS
from scfm_assets.inputs.checkpoints import open_model
from scfm_assets_pretrain import training as pretrain_training
from scfm_assets_tests.pretrain.test_pretrain import QUICK, SMALL, a_world, same_bits, scfm, training

BINNED = (*QUICK, "--tokens-as=binned")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_world(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was trained to the end. Tests must not change it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        a_world(folder, patch)
        found = scfm("small", *BINNED)
    assert found.exit_code == 0, found.output
    assert "for the gene mean" in " ".join(found.output.split())
    return folder / "checkpoints" / "small"


def test_the_platform_takes_the_folder_for_an_scgpt_model_at_once(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCFM_HOME", str(trained.parents[1]))
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    catalog = catalogs.load("tiny")
    assert catalog.dropped == ("small",)
    assert catalog.left_out == {}
    found = open_model(catalog, "small").fingerprint
    assert (found.family, found.layers, found.heads, found.hidden, found.max_tokens) == ("scgpt", 1, 2, 16, 100)


def test_a_revision_says_what_was_learnt_and_how_well(trained: Path) -> None:
    record = training(trained)
    assert record["tokens_as"] == "binned"
    assert record["unit"] == "squared bins"
    assert list(record["baselines"]) == ["gene_mean", "mean"]
    assert "perplexity" not in record
    assert record["recipe"]["masked"] == 0.4
    assert record["recipe"]["intermediate"] == 16  # as wide as the hidden states
    said = yaml.safe_load((trained / "model.yaml").read_text())
    assert said["family"] == "scgpt"
    assert said["about"]["gene_mean_loss"] == round(record["baselines"]["gene_mean"], 4)
    assert (trained / "training.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (trained / "revisions").iterdir()) == ["step-000012", "step-000024"]
    assert json.loads((trained / "args.json").read_text())["mask_value"] == -1


def test_the_same_seed_gives_the_same_weights_to_the_bit_stopped_in_between_or_not(
    world: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = pretrain_training.folders.publish

    def fail_at_the_end(revision: Path, folder: Path) -> None:
        if revision.name == "step-000024":
            message = "stopped"
            raise RuntimeError(message)
        publish(revision, folder)

    with monkeypatch.context() as patch:
        patch.setattr(pretrain_training.folders, "publish", fail_at_the_end)
        with pytest.raises(RuntimeError, match="stopped"):
            scfm("stopped", *BINNED)
    stopped = world / "checkpoints" / "stopped"
    assert [path.name for path in (stopped / ".training").glob("checkpoint-*")] == ["checkpoint-18"]
    assert scfm("stopped", *BINNED, "--resume").exit_code == 0
    assert same_bits(stopped, trained)
    losses = [[(point["step"], point["held_out"]) for point in training(at)["losses"]] for at in (stopped, trained)]
    assert losses[0] == losses[1]
    assert scfm("other", *BINNED, "--seed=1").exit_code == 0
    assert not same_bits(world / "checkpoints" / "other", trained)


def test_a_training_of_the_other_objective_is_another_one(world: Path) -> None:
    assert scfm("one", *BINNED).exit_code == 0
    found = scfm("one", *QUICK)
    assert found.exit_code == 1
    assert "holds another training" in found.output
    assert "another objective" in found.output


@pytest.mark.parametrize("way", ["file", "model"])
def test_a_vocabulary_is_taken_over_from_a_file_or_a_model(world: Path, trained: Path, way: str) -> None:
    given = [f"--vocab={trained / 'vocab.json'}"]
    if way == "model":
        older = world / "checkpoints" / "older"
        older.mkdir(parents=True)
        for path in trained.iterdir():
            if path.is_file():
                (older / path.name).write_bytes(path.read_bytes())
        (older / COMPLETE).touch()
        given = ["--vocabulary-of=older"]
    found = scfm("newer", *BINNED, *given)
    assert found.exit_code == 0, found.output
    newer = world / "checkpoints" / "newer"
    assert json.loads((newer / "vocab.json").read_text()) == json.loads((trained / "vocab.json").read_text())
    assert same_bits(newer, trained)  # it is the one that is made of these atlases


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dropout=0.1",), "--dropout: 0.1, but the encoder of binned tokens has none"),
        (("--tokens=/nowhere/tokens.json",), "--tokens: is no dictionary of binned tokens"),
        (("--vocab=/nowhere/vocab.json",), "vocab.json"),
        (("--vocab=/nowhere/vocab.json", "--vocabulary-of=planted"), "given beside --vocabulary-of"),
        (("--vocabulary-of=planted",), "model 'planted' is of the family geneformer"),
    ],
)
def test_what_cannot_be_trained_is_told_in_words(world: Path, arguments: tuple[str, ...], said: str) -> None:
    found = scfm("new", *BINNED, *arguments)
    assert found.exit_code == 1
    assert said in " ".join(found.output.split())


def test_a_vocab_json_is_of_no_use_to_ranks(world: Path) -> None:
    found = scfm("new", *QUICK, "--vocab=/nowhere/vocab.json")
    assert found.exit_code == 1
    assert "--vocab: is no dictionary of rank tokens" in " ".join(found.output.split())


def test_symbols_of_another_kind_are_refused_by_tissue(world: Path, tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.json"
    vocab.write_text(json.dumps({"TP53": 0, "MYC": 1}))
    found = scfm("new", *SMALL, "--tokens-as=binned", f"--vocab={vocab}")
    assert found.exit_code == 1
    assert "atlas 'sim_one': none of its 120 genes" in " ".join(found.output.split())
