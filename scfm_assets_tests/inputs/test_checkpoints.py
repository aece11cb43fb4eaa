"""Checkpoints that the catalog names: what they are is known before anything is built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scfm_assets.core import simulate
from scfm_assets.families.controls import CONTROLS, ControlInputs
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import TINY, Home, open_home


def test_asking_versions_on_a_fresh_home_writes_nothing_and_simulates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("a question simulates")

    monkeypatch.setenv("SCFM_HOME", str(tmp_path / "asked"))
    for function in ("make_world", "simulate_counts", "network_table", "nonzero_medians"):
        monkeypatch.setattr(simulate, function, never)
    monkeypatch.setattr("scfm_assets.core.intake.process", never)
    with open_home(tmp_path / "home", TINY) as home:
        platform = home.platform
        for source in platform.sources.values():
            places = platform.grid.places(source.space)
            assert all(source.version(place) and source.files(place) for place in places)
        assert Place() in platform.grid.places(platform.sources["models/planted/checkpoint"].space)
    assert not (tmp_path / "asked").exists()


def test_loading_the_location_reads_the_catalog_and_no_more(tmp_path: Path) -> None:
    """No file appears in the home, and nothing is simulated: numpy's generators are not even made."""
    script = """
import numpy as np
def never(*_): raise SystemExit("something was drawn")
np.random.default_rng = never
import scfm_assets.definitions
"""
    environment = {"SCFM_HOME": str(tmp_path), "SCFM_CATALOG": "demo", "PYTHONPATH": ":".join(sys.path), "HOME": "/"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)
    assert list(tmp_path.iterdir()) == []


def test_a_controls_version_follows_its_seed_and_its_world(tmp_path: Path) -> None:
    def version(**changes: object) -> str:
        catalog = {**TINY, "models": {"random": {"control": "random", "layer": 3, **changes.get("model", {})}}}
        catalog["simulation"] = {**TINY["simulation"], **changes.get("world", {})}
        with open_home(tmp_path, catalog) as home:
            return checkpoints.checkpoint_version(home.catalog, "random")

    assert version() == version()
    assert len({version(), version(model={"seed": 8}), version(world={"n_genes": 130})}) == 3


def test_half_a_control_is_never_seen_and_the_quicker_of_two_processes_keeps_its_own(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a family writes: here one file after the other, while another process builds the same."""
    honest, folder = CONTROLS["random"], checkpoints.known_folder(home.catalog, "random")
    seen = []

    def slow(to: Path, inputs: ControlInputs) -> None:
        to.mkdir()
        (to / "config.json").write_text("{")
        seen.append(folder.exists())
        honest(folder, inputs)
        shutil.rmtree(to)
        honest(to, inputs)

    monkeypatch.setitem(CONTROLS, "random", slow)
    assert checkpoints.checkpoint_folder(home.catalog, "random") == folder
    assert seen == [False]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert checkpoints.open_model(home.catalog, "random").fingerprint.layers > 0


def test_a_control_is_built_by_a_run_and_its_files_stand_in_the_lineage(finished: Home) -> None:
    manifest = finished.store.manifest("models/planted/attention", Place("sim_one", 10))
    assert manifest is not None
    assert set(manifest.sources["models/planted/checkpoint"]) >= {"config.json", "model.safetensors"}
