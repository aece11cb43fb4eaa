"""Thirty kills at random while everything runs: nothing is lost, doubled or half there, and the work is finished."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from scfm_assets.tables.platform import METRICS
from scfm_assets_tests.platforms import TINY, Home
from scfm_assets_tests.served import JOBS, START, Ui, free_port, opened_ui

pytestmark = pytest.mark.long

BY_HAND = {"scfm run": 12, "publisher": 2, "daemon": 2}
BY_DAEMON = {"run worker": 8, "publisher": 3, "daemon": 3}
"""What is killed, and how often, while `scfm run` works and while the daemon does."""
UNDONE = ("evaluation/metrics", "models/planted/attention", "models/random/edge_scores", "baselines/edge_scores")
"""Outputs that are forgotten when all work is done, so that there is more."""

PUBLISHER = """
import sys, time
import dagster as dg
from pathlib import Path
from scfm_assets.warehouse.lineage.projection import sync_lineage
from scfm_assets_tests.published import publish
home = Path(sys.argv[1])
while True:  # publish-for-ever
    with dg.DagsterInstance.get() as instance:
        sync_lineage(home, instance)
    publish(home)
"""

READER = """
import json, signal, sys, time
import duckdb

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
path, reads, failed, doubled = sys.argv[1], 0, [], 0
while not stopped:
    try:
        with duckdb.connect(path, read_only=True) as con:
            views = con.execute("select view_name from duckdb_views() where not internal").fetchall()
            if ("metrics",) in views:
                doubled += con.execute(sys.argv[2]).fetchall()[0][0]
            con.execute("select count(*) from lineage").fetchall()
        reads += 1
    except duckdb.Error as error:
        failed.append(str(error))
    time.sleep(0.05)
print(json.dumps({"reads": reads, "failed": failed, "doubled": doubled}))
"""

KEY = ", ".join(METRICS.key)
DOUBLED = f"select count(*) from (select 1 from metrics group by {KEY} having count(*) > 1)"


def command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def kind_of(process: int) -> str | None:
    """Say which kind of process this is, by its command and its parent's; None for any other."""
    own = command(process)
    if own.startswith("bash"):  # what starts the others again
        return None
    if "publish-for-ever" in own:
        return "publisher"
    if "dagster._daemon" in own:
        return "daemon"
    with suppress(OSError):
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        if "spawn_main" in own:
            return "run worker" if "api grpc" in command(parent) else "scfm run"
    return None


def alive(home: Path) -> dict[str, list[int]]:
    """List the processes of a home by kind."""
    found: dict[str, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"SCFM_HOME={home}\0".encode() in (folder / "environ").read_bytes() + b"\0":
                found.setdefault(str(kind_of(int(folder.name))), []).append(int(folder.name))
    return found


@contextmanager
def kept_alive(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A process that a shell starts again whenever it is killed."""
    loop = ["bash", "-c", 'while true; do "$@"; sleep 0.2; done', "loop", *command]
    with subprocess.Popen(loop, env=environment, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def reading(warehouse: Path) -> Iterator[dict[str, Any]]:
    """Another process that reads the SQL file all the time; at the end it says how that went."""
    told: dict[str, Any] = {}
    command = [sys.executable, "-c", READER, str(warehouse), DOUBLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        try:
            yield told
        finally:
            reader.terminate()
            told |= json.loads(reader.communicate(timeout=60)[0])


def kill(home: Path, ui: Ui, kills: dict[str, int], chance: random.Random) -> None:
    """Kill processes at random until each kind has had its share, and see to it that there is work all the time."""
    killed: Counter[str] = Counter()
    end = time.monotonic() + 900
    while killed != kills and time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 4))
        if all(backfill["status"].startswith("COMPLETED") for backfill in ui.backfills()):
            shutil.rmtree(home / "store" / "manifests" / chance.choice(UNDONE), ignore_errors=True)
            ui.ask(JOBS, name="everything")
        there = alive(home)
        if wanted := [kind for kind in kills if there.get(kind) and killed[kind] < kills[kind]]:
            kind = chance.choice(wanted)
            with suppress(ProcessLookupError):
                os.kill(chance.choice(there[kind]), signal.SIGKILL)
                killed[kind] += 1
    print(f"\nkilled: {dict(killed)}")
    assert killed == kills


def test_thirty_kills_lose_nothing(tmp_path: Path, finished: Home) -> None:
    home, chance = tmp_path / "home", random.Random(7)
    home.mkdir()
    (home / "catalog.yaml").write_text(yaml.safe_dump(deepcopy(TINY), sort_keys=False))
    environment = {**os.environ, "SCFM_HOME": str(home), "SCFM_CATALOG": str(home / "catalog.yaml")}
    environment["DAGSTER_HOME"] = str(home / "dagster")
    scfm = [sys.executable, "-c", START]
    first = subprocess.run([*scfm, "run", "--select", "key:atlas/processed"], env=environment, check=False)
    assert first.returncode == 0
    run, publisher = [*scfm, "run", "--jobs", "2"], [sys.executable, "-c", PUBLISHER, str(home)]
    with reading(home / "scfm.duckdb") as read:
        with opened_ui(home, environment, free_port()) as ui, kept_alive(publisher, environment):
            with kept_alive(run, environment):
                kill(home, ui, BY_HAND, chance)
            kill(home, ui, BY_DAEMON, chance)
        last = subprocess.run([*scfm, "run"], env=environment, check=False, capture_output=True, text=True)
        assert last.returncode == 0, last.stdout + last.stderr
        again = subprocess.run([*scfm, "run"], env=environment, check=True, capture_output=True, text=True)
        assert "0 computed" in again.stdout, again.stdout
    print(f"{read['reads']} reads, {len(read['failed'])} failed")
    assert read["failed"] == []
    assert read["doubled"] == 0
    assert read["reads"] > 100

    same_rows(home, finished.folder)
    for file in (home / "store").rglob("[!.]*.parquet"):
        pq.read_table(file, partitioning=None)
    whole_lineage(home)


def same_rows(home: Path, undisturbed: Path) -> None:
    """The rows are those of a run that nobody disturbed."""
    from scfm_assets_tests.published import publish

    publish(undisturbed)
    with duckdb.connect() as con:
        for name, folder in (("ours", home), ("theirs", undisturbed)):
            con.execute(f"attach '{folder}/scfm.duckdb' as {name} (read_only)")
        for table in ("metrics", "scaling_curves", "cell_sets", "edge_scores"):
            counts = con.execute(f"select (select count(*) from ours.{table}), (select count(*) from theirs.{table})")
            ours, theirs = counts.fetchall()[0]
            assert ours == theirs > 0, table
        of_both = "from ours.metrics o join theirs.metrics t on " + " and ".join(
            f"o.{column} is not distinct from t.{column}" for column in METRICS.key
        )
        worst = "max(abs(o.value - t.value)), max(abs(o.lo - t.lo)), max(abs(o.hi - t.hi))"
        rows, *apart = con.execute(f"select count(*), {worst} {of_both}").fetchall()[0]
        assert rows == con.execute("select count(*) from theirs.metrics").fetchall()[0][0]
        assert max(apart) < 1e-6


def whole_lineage(home: Path) -> None:
    """Lineage holds every event of ours and nothing else, and every row of metrics has its one row there."""
    from scfm_assets_tests.published import sync_lineage

    wanted = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        with dg.DagsterInstance.get() as instance:
            sync_lineage(home, instance)
            records = instance.event_log_storage.get_event_records(wanted, limit=100_000, ascending=True)
            events = sorted(record.storage_id for record in records)
    with duckdb.connect(str(home / "scfm.duckdb"), read_only=True) as con:
        assert [i for (i,) in con.execute("select storage_id from lineage order by 1").fetchall()] == events
        joined = "select count(*), count(l.storage_id) from metrics m left join lineage l using (materialization)"
        rows, known = con.execute(joined).fetchall()[0]
        assert rows == known == con.execute("select count(*) from metrics").fetchall()[0][0]
