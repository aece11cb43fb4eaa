"""A killed run goes on from where it was, with the same result to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.partitions import Place
from scfm_assets.resources import halfway
from scfm_assets.resources.halfway import HalfwayFile
from scfm_assets_tests.platforms import Home, open_home

ASSET = "models/planted/attention_increment"
PLACE = Place("sim_one", 40)

RUN = f"""
import sys, time
from pathlib import Path
from scfm_assets.core.attention import collector as attention_collector
from scfm_assets.resources import halfway
from scfm_assets_tests.platforms import open_home

halfway.EVERY = 0.0
halfway.SHARE = 1e9
attend = attention_collector.AttentionCollector.begin

def slowly(self, cell, ids):
    time.sleep(0.15)
    return attend(self, cell, ids)

attention_collector.AttentionCollector.begin = slowly
with open_home(Path(sys.argv[1])) as home:
    home.run(select='key:"{ASSET}"')
"""


def left_behind(folder: Path) -> list[Path]:
    return sorted((folder / "store" / "halfway").rglob("[!.]*.safetensors"))


@pytest.mark.long
def test_a_killed_increment_goes_on_from_where_it_was_to_the_bit(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rerun.store.manifest(ASSET, PLACE)
    manifest = rerun.store.root / rerun.store._manifest_file(ASSET, PLACE)
    manifest.unlink()
    folder = rerun.folder
    environment = {**os.environ, "SCFM_HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not left_behind(folder) and time.monotonic() < deadline:
            assert process.poll() is None, "the run ended before anything was left halfway"
            time.sleep(0.02)
        time.sleep(0.5)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (left,) = left_behind(folder)
    done = int(HalfwayFile(left).load()["cells_done"][0])
    assert 0 < done < 20, done

    passed: list[int] = []
    begin = AttentionCollector.begin

    def counted(collector: AttentionCollector, cell: int, ids: np.ndarray) -> np.ndarray | None:
        passed.append(cell)
        return begin(collector, cell, ids)

    monkeypatch.setattr(AttentionCollector, "begin", counted)
    with open_home(folder) as home:
        assert home.run(select=f'key:"{ASSET}"').success
        after = home.store.manifest(ASSET, PLACE)
    assert passed == list(range(done, 20))
    assert after.version == before.version
    assert left_behind(folder) == []


def test_nothing_is_saved_before_it_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(halfway.time, "monotonic", lambda: clock[0])
    file = HalfwayFile(tmp_path / "deep" / "abc.safetensors")
    made = []

    def arrays() -> dict[str, np.ndarray]:
        made.append(clock[0])
        return {"a": np.arange(3)}

    file.save(arrays)
    assert (made, file.load()) == ([], None)
    clock[0] += halfway.EVERY
    file.save(arrays)
    assert made == [130.0]
    assert file.load()["a"].tolist() == [0, 1, 2]
    clock[0] += halfway.EVERY - 1
    file.save(arrays)
    assert len(made) == 1


def test_other_inputs_never_go_on_from_it_and_finished_work_forgets_it(rerun: Home) -> None:
    one, other = (rerun.store.halfway(ASSET, PLACE, identity) for identity in ("one", "other"))
    one._next = other._next = 0.0
    one.save(lambda: {"a": np.ones(1)})
    assert one.load() is not None
    assert other.load() is None
    other.remove()
    assert one.load() is None
