"""Time and memory, measured so that two sides can be compared on a machine that does other things, too."""

from __future__ import annotations

import gc
import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scfm_assets_bench.settings import Tell

T = TypeVar("T")

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timed(Generic[T]):
    """Median seconds of one side, and what its last run gave."""

    cpu: float
    wall: float
    value: T


@contextmanager
def threads_limited_to(threads: int) -> Iterator[None]:
    """Let torch and every linear algebra library of this process use so many threads, for a while."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    np.linalg.norm(np.ones(2))  # loads the library that is to be limited
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def interleaved(
    sides: Mapping[str, Callable[[], object]], *, repeats: int, tell: Tell, what: str
) -> dict[str, Timed[object]]:
    """Run all sides in turn, again and again, and take the median of each.

    A slow minute of the machine then falls on all sides, and process CPU time does not count what others do. Who goes
    first changes from repeat to repeat.

    Parameters
    ----------
    sides
        Name to what is measured.
    repeats
        Times that each is run.
    tell, what
        Where progress is reported, and under which name.
    """
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    wall: dict[str, list[float]] = {name: [] for name in sides}
    values: dict[str, object] = {}
    names = list(sides)
    for repeat in range(repeats):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            tell(f"{what}: {name}, repeat {repeat + 1} of {repeats}")
            values.pop(name, None)
            started = time.process_time(), time.perf_counter()
            values[name] = sides[name]()
            cpu[name].append(time.process_time() - started[0])
            wall[name].append(time.perf_counter() - started[1])
    return {name: Timed(median(cpu[name]), median(wall[name]), values[name]) for name in names}


def once(side: Callable[[], T]) -> Timed[T]:
    """Run something a single time."""
    started = time.process_time(), time.perf_counter()
    value = side()
    return Timed(time.process_time() - started[0], time.perf_counter() - started[1], value)


def peak_above(work: Callable[[], object]) -> int:
    """Bytes by which the resident memory of this process rises above where it stands now, at most, during the work.

    Meant for a fresh process. Where the kernel cannot reset its high-water mark (anywhere but on Linux), only what
    rises above the highest mark so far is seen: a lower bound.
    """
    gc.collect()
    if _reset_peak():
        before = _status("VmRSS")
        work()
        return max(0, _status("VmHWM") - before)
    before = peak_so_far()
    work()
    return max(0, peak_so_far() - before)


def peak_so_far() -> int:
    """Bytes of the largest resident memory that this process ever had (since the last reset, where there was one)."""
    if STATUS.is_file():
        return _status("VmHWM")
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _reset_peak() -> bool:
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
