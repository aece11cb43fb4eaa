"""Long tests within a budget of minutes: those of what changed first, then a share of the others that rotates.

``python -m scfm_assets_tests.long_budget`` is what CI runs: ``CI_LONG_BUDGET`` minutes, 25 by default. A file is
started only if its usual seconds, at the pace of this machine, still fit; one that takes long is run in parts, each in
its turn. With ``--all`` every file is run, and the seconds of those that passed are written to ``long_seconds.json``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from math import ceil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = "scfm_assets_tests"
PACKAGES = {"scfm_assets": "", "scfm_assets_pretrain": "pretrain", "scfm_assets_bench": "bench"}
"""Package -> where its tests are below the tests' folder."""
SECONDS_FILE = ROOT / TESTS / "long_seconds.json"
MARK = re.compile(r"^(?:@|pytestmark = ).*\bmark\.long\b|\bpytest\.param\(.*\bmark\.long\b", re.MULTILINE)
MANY = re.compile(r"parametrize\(|params=")
"""A file whose tests have parameters can be run in parts."""
USUAL = 120.0
"""Seconds of a file that was never measured."""
PART = 500.0
"""Seconds of a part of a file that takes two of them or more; its tests share them by their parameters."""
WORKERS = 3
"""Files at a time: daemons wait more than they compute."""
GRACE = 600.0
"""Seconds after the budget at which what still runs is stopped."""
DOCS = ("docs/", "README.md", "CONTRIBUTING.md", "mkdocs.yml")
EVERYTHING = ("constraints.txt", "setup.cfg", "pyproject.toml", f"{TESTS}/conftest.py")
"""Files on which every test depends."""


# What changed ---------------------------------------------------------------------------------------------------------


def long_files() -> list[str]:
    """Test files that hold a long test."""
    files = sorted((ROOT / TESTS).rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if MARK.search(file.read_text(encoding="utf-8"))]


def changed_files() -> set[str] | None:
    """Files changed since the branch left main, on main in the last 24 commits; None where the history is too short."""
    head = _git("rev-parse", "HEAD")
    base = _git("merge-base", "HEAD", "origin/main") or _git("merge-base", "HEAD", "main")
    if not base or base == head:
        base = _git("rev-parse", "--verify", "--quiet", "HEAD~24")
    listed = _git("diff", "--name-only", base, "HEAD") if base else None
    return None if listed is None else set(listed.split("\n"))


def _git(*arguments: str) -> str | None:
    answer = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True)
    return answer.stdout.strip() if answer.returncode == 0 else None


def room_of(module: str) -> str:
    """The room of a module: ``core.curves``, ``engine``, ``scfm_assets_pretrain``; of a test, its whole name."""
    package, *parts = module.split(".")
    if package != "scfm_assets" or not parts:
        return module if package == TESTS else package
    return ".".join(parts[:2]) if parts[0] == "core" else parts[0]


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@cache
def imported_by(file: str) -> frozenset[str]:
    """Rooms, and modules of the tests, that a file imports."""
    source = (ROOT / file).read_text(encoding="utf-8")
    modules = set()
    for parent, names in re.findall(r"^ *from (scfm_assets[\w.]*) import ([\w, ]+)", source, re.MULTILINE):
        is_package = (ROOT / parent.replace(".", "/")).is_dir()
        modules |= {f"{parent}.{name.strip()}" for name in names.split(",")} if is_package else {parent}
    modules |= set(re.findall(r"^ *(?:from|import) (scfm_assets[\w.]+)", source, re.MULTILINE))
    return frozenset(room_of(module) for module in modules)


def touched_by(changed: Collection[str], tests: Iterable[str]) -> list[str]:
    """Test files that a change concerns.

    Those of a changed room and of the rooms that import it, those that import it themselves, those that changed, and
    those that import a changed module of the tests.
    """
    if any(file in EVERYTHING for file in changed):
        return list(tests)
    own = {file for file in changed if file.split("/")[0] in PACKAGES}
    rooms = {room_of(_module(file)) for file in own}
    above = {room_of(_module(file)) for file in _package_files() if imported_by(file) & rooms}
    helpers = {_module(file) for file in changed if file.startswith(f"{TESTS}/")}
    folders = tuple(_folder(room) for room in rooms | above)
    concerned = []
    for test in tests:
        in_docs = test.endswith("/test_docs.py") and any(file.startswith(DOCS) for file in changed)
        if test in changed or in_docs or test.startswith(folders) or imported_by(test) & (rooms | helpers):
            concerned.append(test)
    return concerned


@cache
def _package_files() -> tuple[str, ...]:
    return tuple(str(file.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def _folder(room: str) -> str:
    return f"{TESTS}/{PACKAGES.get(room) or room.replace('.', '/')}/"


def order(tests: Iterable[str], changed: Collection[str] | None, commit: str) -> dict[str, str]:
    """Test file -> why it is run, in the order in which they are started; another one for every commit."""
    shuffled = sorted(tests, key=lambda test: sha256(f"{commit} {test}".encode()).hexdigest())
    if changed is None:
        return dict.fromkeys(shuffled, "no history to compare with")
    concerned = set(touched_by(changed, {file_of(test) for test in shuffled}))
    first = {test: "changed" for test in shuffled if file_of(test) in concerned}
    return first | {test: "its turn" for test in shuffled if test not in first}


def in_parts(seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each file -> of each file or, where it takes long, of each of its parts: ``test_worlds.py 2/6``."""
    parts = {}
    for test, whole in seconds.items():
        n = ceil(whole / PART) if whole >= 2 * PART and MANY.search((ROOT / test).read_text(encoding="utf-8")) else 1
        parts |= {f"{test} {i}/{n}" if n > 1 else test: whole / n for i in range(1, n + 1)}
    return parts


def file_of(test: str) -> str:
    """The file of a part, or the file itself."""
    return test.partition(" ")[0]


# Running within the budget --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    status: str
    """passed, failed, or stopped: the time for all was over."""
    seconds: float
    output: str = ""


@dataclass
class Session:
    """Files run so far, and what time is left."""

    budget: float
    usual: Mapping[str, float]
    run: Callable[[str, float], Outcome]
    """(file, seconds after which it is stopped) -> what became of it; `stopped` where it was."""
    clock: Callable[[], float] = time.monotonic
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._begun, self._lock = self.clock(), threading.Lock()

    def pace(self) -> float:
        """How much slower this machine is than the measured one, by the files that passed; 1 before any did."""
        passed = [(test, o.seconds) for test, o in self.outcomes.items() if o.status == "passed" and test in self.usual]
        expected = sum(self.usual[test] for test, _ in passed)
        return max(1.0, sum(seconds for _, seconds in passed) / expected) if expected else 1.0

    def attempt(self, test: str) -> None:
        """Run a file if it fits."""
        with self._lock:
            elapsed, needed = self.clock() - self._begun, self.usual.get(test, USUAL) * self.pace()
            if elapsed + needed > self.budget:
                self.left_out.append(test)
                return
        longest, end = 300 + 3 * needed, self.budget + GRACE - elapsed
        outcome = self.run(test, min(longest, end))
        if outcome.status == "stopped" and longest <= end:
            outcome = Outcome("failed", outcome.seconds, f"{outcome.output}\nstopped after {longest:.0f} s: it hangs")
        with self._lock:
            self.outcomes[test] = outcome
        if outcome.status == "failed":
            print(outcome.output, flush=True)
        print(f"{outcome.status:8} {outcome.seconds:6.0f} s  {test}", flush=True)

    def all(self, tests: Iterable[str]) -> None:
        """Run what fits, a few at a time."""
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(self.attempt, tests))


def run_file(test: str, longest: float) -> Outcome:
    """Run the long tests of a file, or a part of them, in a process of their own; what it started is ended with it."""
    file, _, part = test.partition(" ")
    of_part = ("-p", f"{TESTS}.parts", "--part", part) if part else ()
    command = (sys.executable, "-m", "pytest", "-q", "-m", "long", *of_part, file)
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=longest)
            none_in_part = bool(part) and process.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
            status = "passed" if process.returncode == 0 or none_in_part else "failed"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            status = "stopped"
    return Outcome(status, time.monotonic() - begun, output)


def measured() -> dict[str, float]:
    """Test file -> its usual seconds."""
    return json.loads(SECONDS_FILE.read_text(encoding="utf-8"))["seconds"]


def main(arguments: list[str]) -> int:
    """Run the long tests; the exit code."""
    everything = "--all" in arguments
    budget = float("inf") if everything else 60 * float(os.environ.get("CI_LONG_BUDGET") or 25)
    of_files = {test: measured().get(test, USUAL) for test in long_files()}
    usual = of_files if everything else in_parts(of_files)
    chosen = order(usual, changed_files(), _git("rev-parse", "HEAD") or "")
    print(f"long tests: {'all' if everything else f'{budget / 60:.0f} minutes'}, in this order")
    for test, reason in chosen.items():
        print(f"  {usual[test]:5.0f} s  {test}  ({reason})")
    session = Session(budget, usual, run_file)
    begun = time.monotonic()
    session.all(chosen)
    stopped = [test for test, outcome in session.outcomes.items() if outcome.status == "stopped"]
    failed = [test for test, outcome in session.outcomes.items() if outcome.status == "failed"]
    passed = len(session.outcomes) - len(failed) - len(stopped)
    print(f"long tests: {passed} of {len(chosen)} passed in {time.monotonic() - begun:.0f} s")
    for title, tests in (("failed", failed), ("stopped, no time", stopped), ("left out, no time", session.left_out)):
        print(*(f"  {title}: {test}" for test in tests), sep="\n", end="\n" if tests else "")
    if everything:
        seconds = {test: round(o.seconds) for test, o in session.outcomes.items() if o.status == "passed"}
        note = "Seconds of each file of long tests, three at a time on two cores; `make test-long` writes them."
        known = {test: usual[test] for test in measured() if test in usual} | seconds
        text = json.dumps({"note": note, "seconds": dict(sorted(known.items()))}, indent=1)
        SECONDS_FILE.write_text(text + "\n", encoding="utf-8")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
