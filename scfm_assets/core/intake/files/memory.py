"""How much memory there is, asked before a file's claims are believed."""

from __future__ import annotations

from pathlib import Path

from scfm_assets.errors import ScfmError

_GROUP = Path("/sys/fs/cgroup")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def available() -> int | None:
    """Bytes of memory that this process may still take, None where the system does not say."""
    known = [n for n in (_of_machine(), _of_group()) if n is not None]
    return min(known) if known else None


def check_memory(place: str, n_bytes: int) -> None:
    """Refuse what does not fit into memory.

    Raises
    ------
    ScfmError
        If it needs more than there is.
    """
    free = available() if n_bytes > 2**20 else None
    if free is not None and n_bytes > free:
        problem = f"claims {size(n_bytes)} of memory, and {size(free)} are free"
        remedy = "If that is its true size, take it in on a larger machine, or a part of its cells; else it is damaged."
        raise ScfmError(place, problem, remedy)


def size(n_bytes: float) -> str:
    """A number of bytes in words."""
    unit = 0
    while n_bytes >= 1024 and unit < len(_UNITS) - 1:
        n_bytes, unit = n_bytes / 1024, unit + 1
    return f"{n_bytes:,.0f} {_UNITS[unit]}" if unit < 3 else f"{n_bytes:,.1f} {_UNITS[unit]}"


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _of_group() -> int | None:
    """Bytes that the limits of a container leave, None where there are none."""
    try:
        most, used = ((_GROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return max(int(most) - int(used), 0) if most.isdecimal() and used.isdecimal() else None
