"""`scfm ui` in a process of its own, and questions to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

PATIENCE = 3
SECONDS_BETWEEN_LOOKS = 30
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from scfm_assets.cli import main; main()"
)
"""`scfm`, which hears Ctrl-C even if whoever runs the tests ignores it."""

BACKFILLS = """
{ partitionBackfillsOrError { ... on PartitionBackfills { results {
    id status numPartitions assetSelection { path } } } } }
"""
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
TICKS = """
{ sensorsOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "scfm_assets.definitions"}) { ... on Sensors { results {
        name sensorState { ticks(limit: 2) { tickId timestamp status } status } } } } }
"""
JOBS = """
mutation($name: String!) { launchRun(executionParams: { runConfigData: {}, selector: { pipelineName: $name,
    repositoryName: "__repository__", repositoryLocationName: "scfm_assets.definitions" } }) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""


@dataclass
class Ui:
    """`scfm ui` in a process group of its own."""

    home: Path
    address: str
    process: subprocess.Popen[bytes]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            answer = json.loads(reply.read())
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def backfills(self) -> list[dict[str, Any]]:
        return self.ask(BACKFILLS)["partitionBackfillsOrError"]["results"]

    def runs(self) -> list[dict[str, Any]]:
        return self.ask(RUNS)["runsOrError"]["results"]

    def tick(self, sensor: str) -> float:
        """When the last tick of a sensor that has ended began."""
        sensors = {found["name"]: found for found in self.ask(TICKS)["sensorsOrError"]["results"]}
        ticks = sensors[sensor]["sensorState"]["ticks"]
        return max((tick["timestamp"] for tick in ticks if tick["status"] != "STARTED"), default=0.0)

    def wait_for_ticks(self, n: int, *sensors: str) -> None:
        for _ in range(n):
            begun = {name: self.tick(name) for name in sensors}
            wait_until(lambda b=begun: all(self.tick(name) > b[name] for name in sensors), 4 * SECONDS_BETWEEN_LOOKS)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "scfm.duckdb"), read_only=True) as con:
            return con.execute(query).fetchall()


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Wait up to so many seconds, on a slow and busy machine three times as long."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not so after {seconds:g} s"
        time.sleep(1)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def opened_ui(home: Path, environment: Mapping[str, str], port: int) -> Iterator[Ui]:
    """Open `scfm ui`, and stop it and all that is left of it at the end."""
    log = home / "ui.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", START, "ui", "--port", str(port)],
            env=dict(environment),
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    opened = Ui(home, f"http://127.0.0.1:{port}", process)
    try:
        wait_until(lambda: answers(opened.address), 120)
        yield opened
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=40)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        print(log.read_text()[-6000:])
