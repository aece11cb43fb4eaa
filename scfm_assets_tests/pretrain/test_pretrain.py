"""`scfm pretrain`: small trainings on the simulated atlases, stopped, taken up again, watched and opened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from scipy import sparse
from transformers import BertModel

from scfm_assets import catalog as catalogs
from scfm_assets.catalog import COMPLETE, SETTLE_SECONDS, dropped_models, unsettled
from scfm_assets.cli.commands import main
from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets.core.base.digest import digest_file
from scfm_assets.families import FAMILIES
from scfm_assets.inputs import sources
from scfm_assets_pretrain.folder import publish
from scfm_assets_tests.platforms import TINY

SMALL = ("--layers=1", "--hidden=16", "--heads=2", "--max-tokens=100", "--batch-tokens=800", "--threads=1")
QUICK = (*SMALL, "--steps=24", "--evaluations=4", "--revisions=2", "--learning-rate=0.01")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the catalog of two simulated tissues."""
    return a_world(tmp_path, monkeypatch)


def a_world(folder: Path, monkeypatch: pytest.MonkeyPatch, **simulation: Any) -> Path:
    monkeypatch.setenv("SCFM_HOME", str(folder))
    monkeypatch.setenv("SCFM_CATALOG", "tiny")
    monkeypatch.setenv(SETTLE_SECONDS, "3600")  # nothing settles: what is taken was marked as complete
    (folder / "catalogs").mkdir(parents=True)
    (folder / "catalogs" / "tiny.yaml").write_text(
        yaml.safe_dump({**TINY, "simulation": {**TINY["simulation"], **simulation}}, sort_keys=False)
    )
    return folder


def scfm(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["pretrain", *arguments], catch_exceptions=False)


def same_bits(one: Path, other: Path) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def training(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "training.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was trained to the end. Tests must not change it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        a_world(folder, patch)
        found = scfm("small", *SMALL, "--steps=60", "--evaluations=3")
    assert found.exit_code == 0, found.output
    return folder / "checkpoints" / "small"


# What comes out -----------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_loss_of_held_out_cells_falls_below_the_unigram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world(tmp_path, monkeypatch, n_genes=400, n_tfs=30, n_cells=1500, seed=0)
    shape = ("--layers=2", "--hidden=64", "--max-tokens=256", "--batch-tokens=2048", "--learning-rate=0.003")
    assert scfm("model", *shape, "--steps=240", "--evaluations=3", "--threads=1").exit_code == 0
    record = training(world / "checkpoints" / "model")
    losses = [point["held_out"] for point in record["losses"]]
    assert losses == sorted(losses, reverse=True)
    assert record["held_out_loss"] < record["baselines"]["unigram"] - 0.05


def test_every_evaluation_leaves_a_point(trained: Path) -> None:
    record = training(trained)
    assert record["finished"]
    assert [point["step"] for point in record["losses"]] == [15, 20, 30, 40, 45, 60]
    assert record["losses"][-1]["held_out"] == record["held_out_loss"]
    assert record["perplexity"] == pytest.approx(np.exp(record["held_out_loss"]))
    tokens = [point["tokens"] for point in record["losses"]]
    assert tokens == sorted(tokens)
    assert tokens[-1] <= 60 * 800
    assert record["simulated"]


def test_a_revision_says_what_it_was_made_of(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCFM_HOME", str(trained.parents[1]))
    catalog = catalogs.load("tiny", dropped=())
    record = training(trained)
    assert record["weights"] == digest_file(trained / "model.safetensors")
    for tissue, about in record["atlases"].items():
        assert about["digest"] == sources.atlas_version(catalog, tissue)
        assert about["training"] + about["held_out"] == about["cells"] == 110
    said = yaml.safe_load((trained / "model.yaml").read_text())
    assert said["about"]["step"] == 60
    assert said["about"]["atlas_sim_one"] == record["atlases"]["sim_one"]["digest"]
    assert (trained / "training.png").read_bytes().startswith(b"\x89PNG")


def test_the_folder_opens_as_geneformer_with_the_hidden_states_of_bert(trained: Path) -> None:
    model = FAMILIES["geneformer"].open(trained, {"generation": "v1"})
    genes = model.vocabulary.gene_ids.tolist()
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (5, len(genes))))
    tokens = model.tokenize(counts, genes)
    panel_of_token = model.vocabulary.panel_of_token(genes)
    collector = AttentionCollector(panel_of_token, len(genes), (1,), np.zeros(5, dtype=int), 1, states=States())
    model.encode(tokens, collect=collector)
    bert = BertModel.from_pretrained(trained, add_pooling_layer=False).eval()
    for cell in range(tokens.n_cells):
        ids = torch.from_numpy(tokens.row(cell).astype(np.int64))[None]
        with torch.no_grad():
            expected = bert(ids).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(collector.embeddings["mean"][cell].ravel(), expected, atol=1e-5)


def test_each_revision_is_a_whole_folder_of_its_own(trained: Path) -> None:
    steps = sorted((trained / "revisions").iterdir())
    assert [step.name for step in steps] == ["step-000015", "step-000030", "step-000045", "step-000060"]
    for folder in steps:
        assert FAMILIES["geneformer"].open(folder, {"generation": "v1"}).fingerprint.layers == 1
        assert training(folder)["step"] == int(folder.name.removeprefix("step-"))
    assert same_bits(steps[-1], trained)
    assert not same_bits(steps[0], trained)
    names = {path.name for path in trained.iterdir() if path.name != "revisions"}
    assert names == {path.name for path in steps[-1].iterdir()}  # nothing else, no state of the training


def test_the_platform_takes_the_folder_for_a_model_at_once(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCFM_HOME", str(trained.parents[1]))
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    catalog = catalogs.load("tiny")
    assert catalog.dropped == ("small",)
    assert catalog.left_out == {}
    assert catalog.models["small"].expect.max_tokens == 100


# While it is replaced -----------------------------------------------------------------------------------------------


def test_a_watcher_never_takes_a_folder_while_a_revision_is_put_there(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every single change of a file, what the watcher would take is one revision or the other."""
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    first, last = (trained / "revisions" / f"step-{step:06d}" for step in (15, 60))
    folder = tmp_path / "watched" / "small"
    folder.mkdir(parents=True)
    taken: list[str | None] = []

    def look() -> None:
        found = dropped_models(
            folder.parent, lambda at, _: [at / "model.safetensors"], taken=(), marks=tmp_path / "marks"
        )
        ready = unsettled(folder, [folder / "model.safetensors"]) is None if found.models else False
        taken.append(digest_file(folder / "model.safetensors") if ready else None)

    replace, unlink = Path.replace, Path.unlink
    monkeypatch.setattr(Path, "replace", lambda self, to: (replace(self, to), look())[0])
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: (unlink(self, missing_ok), look())[0])
    publish(first, folder)
    publish(last, folder)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert len(taken) > 8
    assert set(taken) == {None}
    look()
    assert taken[-1] == digest_file(last / "model.safetensors")
    before = (folder / COMPLETE).stat().st_mtime_ns
    publish(last, folder)
    assert (folder / COMPLETE).stat().st_mtime_ns == before  # nothing to do, nothing touched


# The same again -----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_does_not(world: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        assert scfm(name, *QUICK, f"--seed={seed}", "--dropout=0.1").exit_code == 0
    folder = world / "checkpoints"
    assert same_bits(folder / "one", folder / "two")
    assert not same_bits(folder / "one", folder / "three")


def test_revisions_and_evaluations_do_not_change_the_weights(world: Path) -> None:
    assert scfm("one", *QUICK, "--dropout=0.1").exit_code == 0
    assert scfm("two", *QUICK, "--dropout=0.1", "--save-at=1,7", "--evaluations=9").exit_code == 0
    assert same_bits(world / "checkpoints/one", world / "checkpoints/two")
    revisions = sorted(path.name for path in (world / "checkpoints/two/revisions").iterdir())
    assert revisions == ["step-000001", "step-000007", "step-000024"]


@pytest.mark.long
def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(world: Path) -> None:
    command = [sys.executable, "-m", "scfm_assets.cli", "pretrain", "killed", *SMALL, "--tissues=sim_one"]
    command += ["--steps=200", "--evaluations=20", "--revisions=4", "--dropout=0.1"]
    folder = world / "checkpoints" / "killed"
    kills = 0
    for states in (2, 12):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ) as process:
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                reached = [int(p.name.removeprefix("checkpoint-")) for p in folder.glob(".training/checkpoint-*")]
                if reached and max(reached) >= 10 * states:
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.002)
            process.wait(60)
            kills += process.returncode == -signal.SIGKILL
    assert kills == 2
    assert not training(folder)["finished"] if (folder / "training.json").exists() else True
    assert scfm("killed", *command[5:], "--resume").exit_code == 0
    assert scfm("undisturbed", *command[5:]).exit_code == 0
    other = world / "checkpoints" / "undisturbed"
    assert same_bits(folder, other)
    for step in (50, 100, 150, 200):
        assert same_bits(folder / f"revisions/step-{step:06d}", other / f"revisions/step-{step:06d}")
    one, two = ([(p["step"], p["held_out"]) for p in training(at)["losses"]] for at in (folder, other))
    assert one == two
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [COMPLETE]


# What is there already ----------------------------------------------------------------------------------------------


def test_a_finished_training_is_left_alone_unless_it_shall_be_fresh(world: Path) -> None:
    assert scfm("one", *QUICK).exit_code == 0
    before = (world / "checkpoints/one/model.safetensors").stat().st_mtime_ns
    again = scfm("one", *QUICK)
    assert again.exit_code == 0
    assert "is finished: 24 steps" in again.output
    assert (world / "checkpoints/one/model.safetensors").stat().st_mtime_ns == before
    other = scfm("one", *QUICK, "--seed=1")
    assert other.exit_code == 1
    assert "holds another training: seed 0, now 1" in other.output
    fresh = scfm("one", *QUICK, "--seed=1", "--fresh")
    assert fresh.exit_code == 0
    assert training(world / "checkpoints/one")["recipe"]["seed"] == 1


def test_a_model_from_elsewhere_is_never_written_over(world: Path, trained: Path) -> None:
    foreign = world / "checkpoints" / "foreign"
    shutil.copytree(trained, foreign)
    (foreign / "training.json").unlink()
    for options in ((), ("--fresh",)):
        found = scfm("foreign", *QUICK, *options)
        assert found.exit_code == 1
        assert "holds a model that was not trained here" in found.output
    assert same_bits(foreign, trained)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "--resume"), "there is no training to go on with"),
        (("new", "--tissues=lung"), "'lung' is no atlas of the catalog tiny"),
        (("9lives",), "'9lives' cannot be a model's name"),
        (("planted",), "the catalog tiny declares a model 'planted'"),
        (("new", "--save-at=5,x"), "'5,x' is no list of steps"),
        (("new", "--save-at=30"), "step 30 of 24"),
        (("new", "--layer=2"), "2 of 1 layers"),
        (("new", "--tokens=/nowhere/tokens.json"), "tokens.json: there is no such file"),
        (("new", "--medians=/nowhere/medians.json"), "given without --tokens"),
        (("new", "--vocabulary-of=absent"), "'absent' is no model of the catalog tiny"),
    ],
)
def test_what_cannot_be_trained_is_told_in_words(world: Path, arguments: tuple[str, ...], said: str) -> None:
    found = scfm(*arguments[:1], *QUICK, *arguments[1:])
    assert found.exit_code == 1
    assert said in " ".join(found.output.split())
    assert not (world / "checkpoints" / "new" / "model.yaml").exists()


def test_a_vocabulary_that_shares_no_gene_is_refused_by_tissue(world: Path, tmp_path: Path) -> None:
    tokens, medians = tmp_path / "tokens.json", tmp_path / "medians.json"
    tokens.write_text(json.dumps({"<pad>": 0, "<mask>": 1, "ENSG00000000003": 2}))
    medians.write_text(json.dumps({"ENSG00000000003": 1.0}))
    found = scfm("new", *QUICK, f"--tokens={tokens}", f"--medians={medians}")
    assert found.exit_code == 1
    assert "atlas 'sim_one': none of its 120 genes" in " ".join(found.output.split())


def test_dictionaries_are_taken_over_from_a_model_of_the_catalog(world: Path, trained: Path) -> None:
    shutil.copytree(trained, world / "checkpoints" / "older")
    (world / "checkpoints" / "older" / COMPLETE).touch()
    assert scfm("newer", *QUICK, "--vocabulary-of=older").exit_code == 0
    for name in ("token_dictionary.json", "gene_median.json"):
        one, other = (json.loads((at / name).read_text()) for at in (trained, world / "checkpoints/newer"))
        assert one == other


def test_without_accelerate_it_says_what_to_install(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    found = scfm("new", *QUICK)
    assert found.exit_code == 1
    assert 'pip install "scfm_assets[pretrain]"' in found.output


def test_two_processes_do_not_train_one_model(world: Path) -> None:
    import fcntl

    work = world / "checkpoints" / "one" / ".training"
    work.mkdir(parents=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = scfm("one", *QUICK)
    assert found.exit_code == 1
    assert "another process is training this model" in found.output
