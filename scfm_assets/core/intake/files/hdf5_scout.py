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
            node, depth = pending.pop()
            try:
                if node.id in seen:  # two handles of one object are equal
                    continue
                seen.add(node.id)
                pending += [(child, depth + 1) for child in _ask(node, depth)]
            except Exception:  # noqa: BLE001, S112 - whoever reads the file meets this again, and says it
                continue


def _ask(node: Any, depth: int) -> list[Any]:
    import h5py

    for name in node.attrs:
        try:
            node.attrs[name]
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    if isinstance(node, h5py.Group):
        return _children(node, depth)
    if node.shape is None or node.is_virtual or node.external or len(node.shape) != 1:
        return []
    stored = node.id.get_num_chunks() * node.chunks[0] if node.chunks else node.id.get_storage_size()
    needed = node.shape[0] if node.chunks else node.shape[0] * node.dtype.itemsize
    if node.dtype.hasobject and stored >= needed:
        for start in range(0, node.shape[0], _BLOCK):
            node[start : start + _BLOCK]
    return []


def _children(group: Any, depth: int) -> list[Any]:
    import h5py

    children = []
    for name in group:
        taken_of_uns = name == "scfm" or name.endswith("_categories")
        unread = (depth == 0 and name in _NOT_READ) or (group.name == "/uns" and not taken_of_uns)
        if unread or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        try:
            children.append(group[name])
        except Exception:  # noqa: BLE001, S112 - as above
            continue
    return children


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
