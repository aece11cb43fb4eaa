"""`scfm ui` beside others, and around processes that die; what it serves is looked at in the browser's tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test

from scfm_assets.engine import runner, serve
from scfm_assets.engine.dagster_internals import SERVED_TAG
from scfm_assets.engine.lost_runs import HOST_TAG, give_up_lost_runs, this_host
from scfm_assets.engine.serve import Claim, Daemon
from scfm_assets_tests.platforms import Home


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def scfm_ui(home: Home, port: int) -> subprocess.CompletedProcess[str]:
    """Call `scfm ui` where it has to refuse."""
    environment = {
        **os.environ,
        "SCFM_HOME": str(home.folder),
        "SCFM_CATALOG": str(home.folder / "catalog.yaml"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "scfm_assets.cli", "ui", "--port", str(port)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


# Beside others ------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_refused_with_its_holder_and_another_port(home: Home, taken: int) -> None:
    told = scfm_ui(home, taken)
    assert told.returncode == 1
    assert f"127.0.0.1:{taken} cannot be used" in told.stderr
    assert f"scfm ui --port {taken + 1}" in told.stderr
    assert "Traceback" not in told.stderr
    if Path("/proc/net/tcp").exists():
        assert f"process {os.getpid()}" in told.stderr


def test_a_home_that_is_served_already_is_not_served_twice(home: Home, taken: int) -> None:
    dagster_home = runner.dagster_home(home.folder)
    with serve._claim(dagster_home, 4321):
        told = scfm_ui(home, taken)
    assert told.returncode == 1
    assert f"is open already for this home: http://127.0.0.1:4321, process {os.getpid()}" in told.stderr
    with serve._claim(dagster_home, 4321):
        pass  # free again


def test_a_daemon_that_outlives_its_ui_keeps_the_home(home: Home, taken: int) -> None:
    dagster_home = runner.dagster_home(home.folder)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with serve._claim(dagster_home, 4321) as claim:
        daemon = Daemon([sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ), claim, print)
        daemon.keep()
        claim.write(ui=gone.pid)
    assert daemon.process is not None
    try:
        told = scfm_ui(home, taken)
        assert f"its daemon is left: process {daemon.process.pid}" in told.stderr
    finally:
        daemon.process.kill()
        daemon.process.wait()
    with serve._claim(dagster_home, 4321):
        pass  # free again


# Processes that die -------------------------------------------------------------------------------------------------


def test_a_daemon_that_dies_is_started_again_after_ever_longer_pauses(tmp_path: Path) -> None:
    said: list[str] = []
    with (tmp_path / "lock").open("w+") as lock:
        daemon = Daemon([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), Claim(lock), said.append)
        pauses = []
        for _ in range(8):
            daemon.keep()
            process = daemon.process
            assert process is not None
            process.wait()
            daemon.keep()
            assert daemon.process is None
            pauses.append(daemon.due - time.monotonic())
            daemon.due = 0.0
        assert [round(pause) for pause in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]
        assert said[0] == "the daemon ended with status 3: starting it again in 1 s"
        daemon.command = [sys.executable, "-c", "import time; time.sleep(600)"]
        daemon.keep()
        assert daemon.process is not None
        daemon.begun -= 1000  # it has lived long
        daemon.process.kill()
        daemon.process.wait()
        daemon.keep()
        assert said[-1] == "the daemon ended with signal SIGKILL: starting it again in 1 s"


def a_run(instance: dg.DagsterInstance, process: int, tags: dict[str, str]) -> str:
    """Leave what a run leaves whose process has started and not ended."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name, message="started", pid=process
    )
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


def test_runs_without_a_process_are_given_up_and_others_are_not(home: Home) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours, served = {HOST_TAG: this_host()}, {SERVED_TAG: json.dumps({"host": "localhost", "socket": "/none"})}
    lost = [a_run(home.instance, gone.pid, ours), a_run(home.instance, gone.pid, served)]
    kept = [
        a_run(home.instance, os.getpid(), ours),
        a_run(home.instance, os.getpid(), served),
        a_run(home.instance, gone.pid, {HOST_TAG: "another"}),
        a_run(home.instance, gone.pid, {}),
    ]
    told = list(give_up_lost_runs(home.instance))
    assert sorted(line.split()[1] for line in told) == sorted(run[:8] for run in lost)
    status = {run.run_id: run.status for run in home.instance.get_runs()}
    assert {status[run] for run in lost} == {dg.DagsterRunStatus.FAILURE}
    assert {status[run] for run in kept} == {dg.DagsterRunStatus.STARTED}
    assert list(give_up_lost_runs(home.instance)) == []


def test_a_run_of_scfm_run_that_is_killed_is_given_up(home: Home) -> None:
    environment = {**os.environ, "SCFM_HOME": str(home.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "scfm_assets.cli", "run", "--catalog", str(home.folder / "catalog.yaml")]
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    with subprocess.Popen([*command, "--jobs", "1"], env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: home.instance.get_runs(started), 120)
        assert list(give_up_lost_runs(home.instance)) == []  # it is at work
        process.send_signal(signal.SIGKILL)
    left = home.instance.get_runs(started)
    assert len(list(give_up_lost_runs(home.instance))) == len(left)
    assert home.instance.get_runs(started) == []


# Settings -----------------------------------------------------------------------------------------------------------


def test_the_shipped_settings_are_those_that_a_users_machine_needs(tmp_path: Path) -> None:
    folder = runner.dagster_home(tmp_path)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_poll_interval_seconds <= 30
        assert (instance.run_retries_enabled, instance.run_retries_max_retries) == (True, 1)
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert 1 <= instance.run_coordinator.dequeue_interval_seconds <= 5
        pools = instance.get_concurrency_config().pool_config
        assert (pools.pool_granularity.value, pools.default_pool_limit) == ("run", 1)
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}}))
    runner.dagster_home(tmp_path)
    assert yaml.safe_load((folder / "dagster.yaml").read_text()) == {"telemetry": {"enabled": False}}
