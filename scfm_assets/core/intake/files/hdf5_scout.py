"""Goes through an HDF5 file before others do, in a process that may be killed; a script of its own, see `hdf5`.

One flipped bit can send the HDF5 library into a loop without end, or crash it, and the process with it. The scout asks
for everything by which that can happen: links, attributes, texts of variable length and the indices of pieces. For each
path on its standard input it answers with one line; whoever waits in vain knows enough.
"""

from __future__ import annotations

import json
import select
import sys
import warnings
from contextlib import suppress
from typing import Any

IDLE_SECONDS = 60
_NOT_READ = frozenset(("obsm", "varm", "obsp", "varp", "row_graphs", "col_graphs"))
_BLOCK = 100_000


def scout(path: str) -> None:
    """Ask an HDF5 file for all that intake asks it for, but for numbers."""
    import h5py

    seen: set[Any] = set()
    with h5py.File(path, "r") as file:
        pending: list[tuple[Any, int]] = [(file, 0)]
        while pending:
            found, depth = pending.pop()
            try:
                if found.id in seen:  # two handles of one object are equal
                    continue
                seen.add(found.id)
                pending += [(child, depth + 1) for child in _ask(found, depth)]
            except Exception:  # noqa: BLE001, S112 - whoever reads the file meets this again, and says it
                continue


def _ask(found: Any, depth: int) -> list[Any]:
    import h5py

    for name in found.attrs:
        try:
            found.attrs[name]
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    if isinstance(found, h5py.Group):
        return _children(found, depth)
    if found.shape is None or found.is_virtual or found.external:
        return []
    if len(found.shape) != 1:
        return []
    there = found.id.get_num_chunks() * found.chunks[0] if found.chunks else found.id.get_storage_size()
    wanted = found.shape[0] if found.chunks else found.shape[0] * found.dtype.itemsize
    if found.dtype.hasobject and there >= wanted:
        for start in range(0, found.shape[0], _BLOCK):
            found[start : start + _BLOCK]
    return []


def _children(group: Any, depth: int) -> list[Any]:
    import h5py

    children = []
    for name in group:
        unread = (depth == 0 and name in _NOT_READ) or (group.name == "/uns" and not _taken_of_uns(name))
        if unread or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        try:
            children.append(group[name])
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    return children


def _taken_of_uns(name: str) -> bool:
    return name == "scfm" or name.endswith("_categories")


def main() -> None:
    """Answer paths until none has come for a while."""
    warnings.simplefilter("ignore")
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        with suppress(Exception):  # as above
            scout(json.loads(line))
        sys.stdout.write("seen\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
