"""Sending a scout ahead into an HDF5 file: a process that may hang or crash where this one must not."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from threading import Lock

from scfm_assets.core.intake.files.stored import DAMAGED
from scfm_assets.errors import ScfmError

SECONDS = 15.0
"""What a scout may take, and a second more for each `BYTES_PER_SECOND` of the file."""
BYTES_PER_SECOND = 5_000_000

_scouts: dict[int, subprocess.Popen[str]] = {}
_seen: dict[tuple[str, int, int, int], str | None] = {}
_one_at_a_time = Lock()
_REMEMBERED = 256


def send_scout(path: Path) -> None:
    """Make sure that the HDF5 library comes to an end of a file; asking again of the same file costs nothing.

    Raises
    ------
    ScfmError
        If it does not.
    """
    stat = path.stat()
    stamp = (str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    with _one_at_a_time:
        if stamp not in _seen:
            answer = _ask(path, SECONDS + stat.st_size / BYTES_PER_SECOND)
            while len(_seen) >= _REMEMBERED:
                del _seen[next(iter(_seen))]
            _seen[stamp] = answer
        answer = _seen[stamp]
    if answer is not None:
        raise ScfmError(str(path), f"the HDF5 library {answer}", DAMAGED)


def _ask(path: Path, seconds: float) -> str | None:
    """What became of the scout, None if it came back."""
    for _ in range(2):  # one that has been idle for long may leave just now
        scout = _scout()
        if scout.stdin is None or scout.stdout is None:
            return None
        try:
            scout.stdin.write(json.dumps(str(path.absolute())) + "\n")
            scout.stdin.flush()
        except BrokenPipeError:
            _dismiss()
            continue
        came = select.select([scout.stdout], [], [], seconds)[0]
        if not came:
            _dismiss()
            return f"does not come to an end of it (in {seconds:,.0f} seconds)"
        if scout.stdout.readline():
            return None
        code = scout.wait()
        _dismiss()
        if code != 0:
            return f"crashes on it (signal {-code})" if code < 0 else "fails on it"
    return None


def _scout() -> subprocess.Popen[str]:
    """The scout of this process; a fork has none of its own yet."""
    known = _scouts.get(os.getpid())
    if known is None or known.poll() is not None:
        _dismiss()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-P", str(Path(__file__).with_name("hdf5_scout.py"))]
        known = _scouts[os.getpid()] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
    return known


def _dismiss() -> None:
    known = _scouts.pop(os.getpid(), None)
    if known is not None:
        known.kill()
        known.communicate()
