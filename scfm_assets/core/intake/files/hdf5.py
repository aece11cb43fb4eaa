"""HDF5 files, opened without following links out of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scfm_assets.core.intake.files.scouting import send_scout
from scfm_assets.core.intake.files.stored import ElsewhereError, Library, StoredNode, attempt

_SMALL = 2**20


@contextmanager
def open_hdf5(path: Path, cache_bytes: int | None = None) -> Iterator[StoredNode]:
    """Open an HDF5 file for reading; `cache_bytes` of decoded chunks are kept for each dataset, None: HDF5's default.

    Raises
    ------
    ScfmError
        If it is damaged.
    """
    import h5py

    send_scout(path)
    file = attempt(str(path), lambda: h5py.File(path, "r", rdcc_nbytes=cache_bytes))
    try:
        yield StoredNode(path, "", file, LIBRARY)
    finally:
        file.close()


def _names(folder: Any) -> list[str]:
    return [name if isinstance(name, str) else repr(name) for name in folder]


def _child(folder: Any, name: str) -> Any:
    import h5py

    if name in {"", "."} or name not in set(folder):
        return None
    if not isinstance(folder.get(name, getlink=True), h5py.HardLink):
        problem = f"{name!r} is a link to elsewhere"
        raise ElsewhereError(problem)
    item = folder[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        problem = f"{name!r} is neither folder nor array"
        raise TypeError(problem)
    return item


def _is_array(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Dataset)


def _unsound(array: Any) -> str | None:
    if array.shape is None:
        return "is an array without values"
    if array.is_virtual or array.external:
        return "keeps its values in another file, which is not followed"
    n_bytes = math.prod(array.shape) * array.dtype.itemsize
    if n_bytes <= _SMALL or len(array.shape) != 1:
        return None
    if array.chunks is None:
        stored = array.id.get_storage_size()
        return f"claims {n_bytes:,} bytes and holds {stored:,}" if stored < n_bytes else None
    n_chunks, n_stored = -(-array.shape[0] // array.chunks[0]), array.id.get_num_chunks()
    return f"claims {n_chunks:,} pieces and holds {n_stored:,}" if n_stored < n_chunks else None


LIBRARY = Library(names=_names, child=_child, is_array=_is_array, unsound=_unsound)
