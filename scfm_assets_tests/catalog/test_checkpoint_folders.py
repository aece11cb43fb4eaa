"""Folders that people drop: when one is all there, and when it is a model of the platform."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._utils.test.definitions import scoped_reconstruction_metadata

from scfm_assets import catalog as catalogs
from scfm_assets.catalog import COMPLETE, MODEL_FILE, SETTLE_SECONDS, unsettled
from scfm_assets.core.base.digest import digest_file
from scfm_assets.engine.console import Console
from scfm_assets.errors import ScfmError
from scfm_assets.inputs import checkpoints, file_digests, sources
from scfm_assets_tests.platforms import SMALLEST, TINY, Home, open_home

SAID: dict[str, Any] = {"options": {"generation": "v1"}, "layer": 3}


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTLE_SECONDS, "0")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as somebody trained it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch, open_home(folder, deepcopy(TINY)) as home:
        patch.setenv("SCFM_HOME", str(folder))
        return checkpoints.checkpoint_folder(home.catalog, "random")


@pytest.fixture
def watched(home: Home) -> Path:
    """The watched folder of a home, beside whose models the platform keeps its own controls."""
    folder = home.folder / "checkpoints"
    (folder / "planted-0123456789ab").mkdir(parents=True)
    return folder


def drop(checkpoint: Path, folder: Path, said: object = SAID) -> Path:
    shutil.copytree(checkpoint, folder)
    (folder / MODEL_FILE).write_text(said if isinstance(said, str) else yaml.safe_dump(said))
    return folder


# Models -------------------------------------------------------------------------------------------------------------


def test_a_dropped_folder_is_a_model_at_the_next_load(home: Home, watched: Path, checkpoint: Path) -> None:
    before = home.catalog
    folder = drop(checkpoint, watched / "mine", {**SAID, "options": {"generation": "v1", "tokens": "tokens.json"}})
    (folder / "token_dictionary.json").rename(folder / "tokens.json")
    (folder / "gene_median.json").rename(watched / "medians.json")
    (folder / MODEL_FILE).write_text(
        yaml.safe_dump({**SAID, "options": {"generation": "v1", "tokens": "tokens.json", "medians": "../medians.json"}})
    )
    after = home.catalog
    assert list(before.models) == ["planted", "random"]
    assert list(after.models) == ["planted", "random", "mine"]
    assert after.dropped == ("mine",)
    assert after.left_out == {}
    assert after.digest != before.digest
    assert after.models["mine"].checkpoint == folder
    assert checkpoints.open_model(after, "mine").fingerprint.layers == 4
    assert "models/mine/edge_scores" in home.platform.nodes


def test_the_current_catalog_sees_what_comes_and_goes(
    home: Home, watched: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCFM_CATALOG", str(home.folder / "catalog.yaml"))
    assert catalogs.current() is catalogs.current()
    drop(checkpoint, watched / "mine")
    assert catalogs.current().dropped == ("mine",)
    drop(checkpoint, watched / "other")
    assert catalogs.current().dropped == ("mine", "other")
    shutil.rmtree(watched / "mine")
    assert catalogs.current().dropped == ("other",)


def test_the_catalog_says_which_folder_is_watched(home: Home, tmp_path: Path, checkpoint: Path) -> None:
    home.write({**deepcopy(TINY), "checkpoints": "arrivals"})
    (tmp_path / "arrivals").mkdir()
    drop(checkpoint, tmp_path / "arrivals" / "mine")
    assert home.catalog.watched == tmp_path / "arrivals"
    assert home.catalog.dropped == ("mine",)


def _link_out(folder: Path) -> None:
    (folder / "gene_median.json").unlink()
    (folder / "gene_median.json").symlink_to("/etc/hosts")


REFUSED = {
    "planted": (SAID, lambda _: None, "there is a model 'planted' already"),
    "Random": (SAID, lambda _: None, "there is a model 'random' already"),
    "baselines": (SAID, lambda _: None, "stands for the baselines"),
    "two words": (SAID, lambda _: None, "cannot be a model's name"),
    "a'; drop table x": (SAID, lambda _: None, "cannot be a model's name"),
    "misspelt": ({**SAID, "layre": 3}, lambda _: None, "unknown key"),
    "empty": ("", lambda _: None, MODEL_FILE),
    "broken_yaml": ("options: {", lambda _: None, MODEL_FILE),
    "binary": ("\0\1", lambda _: None, MODEL_FILE),
    "a_control": ({"control": "planted"}, lambda _: None, "exactly one of"),
    "elsewhere": ({**SAID, "checkpoint": "/etc"}, lambda _: None, "Leave out `checkpoint`"),
    "unheard_of": ({"options": {"generation": "v3"}}, lambda _: None, "options.generation: 'v3' is not allowed"),
    "without_weights": (SAID, lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "half_weights": (SAID, lambda folder: os.truncate(folder / "model.safetensors", 9000), "no whole weights"),
    "half_tokens": (SAID, lambda folder: os.truncate(folder / "token_dictionary.json", 90), "not readable JSON"),
    "without_medians": (SAID, lambda folder: (folder / "gene_median.json").unlink(), "gene_median.json"),
    "link_out": (SAID, _link_out, "the link leaves"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_model_is_told_and_concerns_no_other(home: Home, watched: Path, checkpoint: Path, name: str) -> None:
    said, harm, told = REFUSED[name]
    harm(drop(checkpoint, watched / name, said))
    drop(checkpoint, watched / "sound")
    found = home.catalog
    assert found.dropped == ("sound",)
    assert list(found.left_out) == [name]
    assert told in found.left_out[name]


def test_a_folder_that_is_itself_a_link_out_is_refused(home: Home, watched: Path, checkpoint: Path) -> None:
    drop(checkpoint, home.folder / "elsewhere")
    (watched / "mine").symlink_to(home.folder / "elsewhere")
    assert "the link leaves" in home.catalog.left_out["mine"]
    (watched / "mine").unlink()
    drop(checkpoint, watched / "mine")
    (watched / "twin").symlink_to(watched / "mine")
    assert home.catalog.dropped == ("mine", "twin")


def test_hidden_folders_and_files_are_none_of_our_business(home: Home, watched: Path, checkpoint: Path) -> None:
    drop(checkpoint, watched / ".mine.partial")
    (watched / "notes.txt").write_text("look at these")
    shutil.copytree(checkpoint, watched / "without_a_word")
    found = home.catalog
    assert (found.dropped, found.left_out) == ((), {})


def test_a_new_folder_waits_until_it_has_settled(
    home: Home, watched: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    folder = drop(checkpoint, watched / "mine")
    assert "waiting until nothing has" in home.catalog.left_out["mine"]
    (folder / COMPLETE).touch()
    assert home.catalog.dropped == ("mine",)


def test_a_model_stays_one_while_its_weights_are_replaced(home: Home, watched: Path, checkpoint: Path) -> None:
    folder = drop(checkpoint, watched / "mine")
    assert home.catalog.dropped == ("mine",)
    os.truncate(folder / "model.safetensors", 9000)
    assert home.catalog.dropped == ("mine",)
    shutil.rmtree(folder)
    assert home.catalog.dropped == ()
    folder = drop(checkpoint, watched / "mine")
    os.truncate(folder / "model.safetensors", 9000)
    assert "no whole weights" in home.catalog.left_out["mine"]


def test_people_are_told_what_is_left_out(
    home: Home,
    watched: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from scfm_assets.defs import assemble

    drop(checkpoint, watched / "[red]two words")
    Console().introduce(home.catalog)
    assert "[red]two words is no model yet" in capsys.readouterr().out
    monkeypatch.setenv("SCFM_CATALOG", str(home.folder / "catalog.yaml"))
    monkeypatch.setattr(logging.getLogger("dagster"), "propagate", True)
    assemble.location()
    assert "cannot be a model's name" in caplog.text


def test_a_run_has_the_models_that_were_there_when_it_was_planned(
    home: Home, watched: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scfm_assets.defs import assemble

    monkeypatch.setenv("SCFM_CATALOG", str(home.folder / "catalog.yaml"))
    drop(checkpoint, watched / "mine")
    planned = assemble.location()
    drop(checkpoint, watched / "later")
    os.truncate(watched / "mine" / "model.safetensors", 9000)

    def models(found: Any) -> set[str]:
        keys = found.resolve_asset_graph().materializable_asset_keys
        return {key.path[1] for key in keys if key.path[0] == "models"}

    assert models(assemble.location()) == {"planted", "random", "mine", "later"}
    with scoped_reconstruction_metadata({assemble.DROPPED: json.dumps(["mine"])}):
        assert models(assemble.location()) == models(planned) == {"planted", "random", "mine"}


@pytest.mark.long
def test_a_dropped_model_runs_beside_the_others(home: Home, watched: Path, checkpoint: Path) -> None:
    small = deepcopy(SMALLEST)
    small["models"] = {}
    home.write(small)
    drop(checkpoint, watched / "mine")
    outcome = home.run(
        jobs=2,
        select='key:"evaluation/metrics" or key:"evaluation/universes" or key:"models/*" or key:"atlas/*"'
        ' or key:"baselines/*" or key:"networks/*"',
    )
    assert outcome.success, outcome.failed
    assert (home.store.root / "tables" / "metrics").is_dir()


# Settling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["soon", "-1", "nan", "1e9", "inf"])
def test_a_settle_time_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str) -> None:
    monkeypatch.setenv(SETTLE_SECONDS, asked)
    with pytest.raises(ScfmError, match="no number of seconds"):
        unsettled(tmp_path, [])


def test_files_elsewhere_have_to_settle_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokens.json").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    assert unsettled(tmp_path / "folder", []) is None
    assert "tokens.json changed" in str(unsettled(tmp_path / "folder", [tmp_path / "tokens.json"]))
    assert "is not there" in str(unsettled(tmp_path / "folder", [tmp_path / "none.json"]))


# Digests that many ask for ------------------------------------------------------------------------------------------


def _digest_all(home: str, files: list[Path], times: int) -> list[str]:
    os.environ["SCFM_HOME"] = home
    return [sources.file_digest(file) for _ in range(times) for file in files]


@pytest.mark.long
def test_many_processes_digest_the_same_files_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.bin" for i in range(20)]
    for i, file in enumerate(files):
        file.write_bytes(bytes([i]) * 1000)
    expected = [digest_file(file) for file in files]
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(_digest_all, [str(tmp_path)] * 4, [files] * 4, [10] * 4))
    assert found == [expected * 10] * 4
    remembered = list((tmp_path / "digests").iterdir())
    assert len(remembered) == len(files)
    assert {json.loads(file.read_text())["digest"] for file in remembered} == set(expected)


def test_a_file_that_keeps_its_date_is_digested_again_when_its_content_changes(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    for content in (b"one", b"two"):
        file.write_bytes(content)
        os.utime(file, (1, 1))
        assert sources.file_digest(file) == digest_file(file)


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"half")

    def slowly(path: Path) -> str:
        found = digest_file(path)
        path.write_bytes(b"whole")
        return found

    monkeypatch.setattr(file_digests, "digest_file", slowly)
    with pytest.raises(ScfmError, match="it changes while it is read"):
        sources.file_digest(file)
    monkeypatch.undo()
    monkeypatch.setenv("SCFM_HOME", str(tmp_path))
    assert sources.file_digest(file) == digest_file(file)


@pytest.mark.parametrize("left", ["", "{", "[]", '{"stamp": 3}'])
def test_a_memory_that_a_crash_left_broken_is_made_anew(tmp_path: Path, left: str) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"whole")
    first = sources.file_digest(file)
    (remembered,) = (tmp_path / "digests").iterdir()
    remembered.write_text(left)
    assert sources.file_digest(file) == first
    assert json.loads(remembered.read_text())["digest"] == first
