"""What all tests share: an environment of their own, and one small platform that is run once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest
from filelock import FileLock

from scfm_assets_tests.platforms import TINY, Home, open_home


@pytest.hookimpl(trylast=True)  # after those that are not asked for have left
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One file with the finished platform comes first, the others last: so that no process waits for it to be made.

    Of each, those of no folder come first: they are long, and no process shall be left alone with one in the end.
    """
    needs = {item.path: False for item in items}
    for item in items:
        needs[item.path] |= "finished" in getattr(item, "fixturenames", ())
    first = next((path for path, needed in needs.items() if needed), None)
    items.sort(key=lambda item: (item.path != first, needs[item.path], len(item.path.parts)))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep tests away from the developer's own home and catalog."""
    for name in ("SCFM_CATALOG", "SCFM_STORE", "SCFM_POSTGRES", "SCFM_KUBERNETES", "SCFM_ENGINE", "SCFM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCFM_HOME", str(tmp_path))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A fresh platform of the tiny catalog, nothing run yet."""
    monkeypatch.setenv("SCFM_HOME", str(tmp_path))
    with open_home(tmp_path, deepcopy(TINY)) as found:
        yield found


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Home]:
    """The tiny catalog, run to the end once by whichever process of the tests is first. Tests must not change it."""
    root = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        root = root.parent  # what the processes of xdist share
    folder, done = root / "finished", root / "finished.done"
    with FileLock(root / "finished.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with open_home(folder, deepcopy(TINY)) as home, pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCFM_HOME", str(folder))
                outcome = home.run()
            assert outcome.success, outcome
            done.touch()
    with open_home(folder) as home:
        yield home


@pytest.fixture
def rerun(finished: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A copy of the finished platform, to be changed and run again."""
    folder = tmp_path / "home"
    shutil.copytree(finished.folder, folder)
    monkeypatch.setenv("SCFM_HOME", str(folder))
    with open_home(folder) as found:
        yield found
