"""`scfm ui`: Dagster's webserver and daemon, kept running until somebody stops them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scfm_assets.engine.dagster_internals import DAEMON
from scfm_assets.engine.lost_runs import give_up_lost_runs, is_alive
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dagster import DagsterInstance

LOCATION = ("-m", "scfm_assets.definitions")
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK = 0.5
LOOK_FOR_LOST_RUNS = 30.0
LONGEST_PAUSE = 60.0
HEALTHY = 300.0
"""A daemon that ran for so many seconds is started again at once."""
PATIENCE = 30.0
"""Seconds in which processes may stop by themselves."""

SETTINGS = {"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600"}
"""Environment of both: the first digest of a large checkpoint takes its time."""


def serve(
    home: Path,
    instance: DagsterInstance,
    port: int,
    tell: Callable[[str], None],
    *,
    variables: Mapping[str, str],
) -> int:
    """Run webserver and daemon until the webserver ends or a signal comes; return the exit status.

    Parameters
    ----------
    home
        Folder of Dagster's records. It has one daemon at a time.
    instance
        The same, opened.
    port
        Of the webserver, on 127.0.0.1.
    tell
        Called with what a person should know.
    variables
        Environment of webserver and daemon.

    Raises
    ------
    ScfmError
        If the platform is open already, or the port is in use.
    """
    with _claim(home, port) as claim:
        _check_port(port)
        environment = {**SETTINGS, **variables, "DAGSTER_HOME": str(home)}
        tell(f"Dagster UI on http://127.0.0.1:{port} (Ctrl-C stops it); its records are in {home}")
        webserver = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *LOCATION]
        daemon = Daemon([sys.executable, *DAEMON, *LOCATION], environment, claim, tell)
        for received in STOPS:
            signal.signal(received, _stop)
        front: subprocess.Popen[bytes] | None = None
        try:
            front = subprocess.Popen(webserver, env=environment)
            looked = float("-inf")
            while front.poll() is None:
                daemon.keep()
                if time.monotonic() - looked > LOOK_FOR_LOST_RUNS:
                    looked = time.monotonic()
                    for message in give_up_lost_runs(instance):
                        tell(message)
                time.sleep(TICK)
        except KeyboardInterrupt:
            tell("stopping")
        finally:
            for received in STOPS:
                signal.signal(received, signal.SIG_IGN)
            _end([process for process in (front, daemon.process) if process is not None])
    return 0 if front is None or front.returncode in (0, -signal.SIGINT, -signal.SIGTERM) else front.returncode


@dataclass
class Daemon:
    """Dagster's daemon, started again when it dies: at once after a long life, else after ever longer pauses."""

    command: list[str]
    environment: dict[str, str]
    claim: Claim
    tell: Callable[[str], None]
    process: subprocess.Popen[Any] | None = None
    begun: float = 0.0
    deaths: int = 0
    due: float = field(default_factory=time.monotonic)

    def keep(self) -> None:
        """Start it if it is not running and its pause is over."""
        now = time.monotonic()
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.deaths = 1 if now - self.begun > HEALTHY else self.deaths + 1
            pause = min(2.0 ** (self.deaths - 1), LONGEST_PAUSE)
            self.tell(f"the daemon ended with {_status(self.process.returncode)}: starting it again in {pause:g} s")
            self.process, self.due = None, now + pause
        if now >= self.due:
            # It keeps the claim, too: should this process be killed, nobody starts a second daemon beside it.
            keeps = [self.claim.lock.fileno()]
            self.process = subprocess.Popen(self.command, env=self.environment, pass_fds=keeps)
            self.begun = now
            self.claim.write(daemon=self.process.pid)


def _status(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _end(processes: list[subprocess.Popen[Any]]) -> None:
    """Ask processes to stop, and make them after some time."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(timeout=max(end - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# Who else is there ------------------------------------------------------------------------------------------------


@dataclass
class Claim:
    """What says that a home is served, and by whom."""

    lock: IO[str]
    words: dict[str, int] = field(default_factory=dict)

    def write(self, **words: int) -> None:
        """Leave a word for others who want to serve the home."""
        self.words |= words
        self.lock.seek(0)
        self.lock.truncate()
        self.lock.write(json.dumps(self.words))
        self.lock.flush()


@contextmanager
def _claim(home: Path, port: int) -> Iterator[Claim]:
    """Be the only one that serves a home; the system lets go of the claim when its holders die."""
    with (home / ".ui.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise _taken(lock.read()) from error
        claim = Claim(lock)
        claim.write(ui=os.getpid(), port=port)
        yield claim


def _taken(words: str) -> ScfmError:
    try:
        other = json.loads(words)
    except ValueError:
        return ScfmError("scfm ui", "is being opened elsewhere", "Try again in a second.")
    if is_alive(other["ui"]):
        problem = f"is open already for this home: http://127.0.0.1:{other['port']}, process {other['ui']}"
        return ScfmError("scfm ui", problem, "Use that one, or stop it: a home has one daemon.")
    problem = f"was killed, and its daemon is left: process {other.get('daemon')}"
    return ScfmError("scfm ui", problem, f"kill {other.get('daemon')}")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            problem = f"127.0.0.1:{port} cannot be used ({(error.strerror or str(error)).lower()}{_held_by(port)})"
            raise ScfmError("--port", problem, f"Stop that, or take another: scfm ui --port {port + 1}") from error


def _held_by(port: int) -> str:
    """Name the process that listens on a port, where /proc tells."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:  # 0A: it listens
                    sockets.add(f"socket:[{words[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) in sockets:
                process = link.parts[2]
                command = Path("/proc", process, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f": process {process}, {command.strip()[:80]}"
    return ""
