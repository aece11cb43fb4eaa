"""Zarr stores, folders or zip files, opened without unpickling and without following links out of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scfm_assets.core.intake.files.stored import Library, StoredNode, attempt
from scfm_assets.errors import ScfmError

CODECS = frozenset(
    (
        *("bytes", "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2", "shuffle", "transpose", "sharding_indexed"),
        *("crc32c", "crc32", "adler32", "fletcher32", "vlen-utf8", "vlen-bytes", "vlen-array"),
        *("delta", "packbits", "bitround", "quantize", "fixedscaleoffset", "astype"),
    )
)
"""Codecs that can do nothing but decode; `pickle` runs what the file says."""
_LARGE = 64 * 2**20
_LARGEST_PIECE = 2**30
_PIECE = re.compile(r"(c[./])?\d+([./]\d+)*")
"""Where a piece lies below its array; other files, as those that a file manager leaves, are none."""
_BLOSC_HEADER = 16
"""Bytes before the data of a piece; the last four say how many the piece has in all."""


@contextmanager
def open_zarr(path: Path) -> Iterator[StoredNode]:
    """Open a zarr store, of format 2 or 3, for reading.

    Raises
    ------
    ScfmError
        If it is damaged, or holds links.
    """
    import zarr
    from zarr.storage import LocalStore, ZipStore

    place = str(path)
    if path.is_dir():
        refuse_links(path)
        store: Any = LocalStore(path, read_only=True)
    else:
        store = attempt(place, lambda: ZipStore(path, mode="r"))
    try:
        # The consolidated copy of the metadata may be older than the arrays.
        top = attempt(place, lambda: zarr.open_group(store, mode="r", use_consolidated=False))
        yield StoredNode(path, "", top, LIBRARY)
    finally:
        store.close()


def refuse_links(folder: Path) -> None:
    """Refuse a store whose files are links."""
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise ScfmError(str(file), "is a link to elsewhere, which is not followed", "Put the file itself there.")


def _child(folder: Any, name: str) -> Any:
    return folder[name] if name not in {"", ".", ".."} and name in folder else None


def _unsound(array: Any) -> str | None:
    strange = _codecs(array.metadata.to_dict()) - CODECS
    if strange:
        return f"is encoded by {', '.join(sorted(strange))}, which is not among what is decoded here"
    n_bytes = math.prod(array.shape) * array.dtype.itemsize
    piece = math.prod(array.chunks) * array.dtype.itemsize
    if piece > max(_LARGEST_PIECE, 2 * n_bytes):
        return f"claims pieces of {piece:,} bytes"
    cut = _cut_short(array)
    if cut is not None or n_bytes <= _LARGE or len(array.shape) != 1:
        return cut
    # Pieces that are all zero are not written: a column may lack some, not half of them.
    n_stored = array.nchunks_initialized
    return f"claims {array.nchunks:,} pieces and holds {n_stored:,}" if n_stored < array.nchunks / 2 else None


def _cut_short(array: Any) -> str | None:
    """Say which piece holds less than it claims: Blosc would read on, in whatever memory comes next.

    In a zip file, and in pieces of several, check sums tell.
    """
    from zarr.storage import LocalStore

    outermost = array.compressors[-1:]
    blosc = any(type(codec).__name__ in {"Blosc", "BloscCodec"} for codec in outermost)
    if not blosc or array.shards is not None or not isinstance(array.store, LocalStore):
        return None
    folder = array.store.root / array.path
    for file in folder.rglob("*"):
        if not _PIECE.fullmatch(file.relative_to(folder).as_posix()) or not file.is_file():
            continue
        with file.open("rb") as piece:
            header = piece.read(_BLOSC_HEADER)
        n_bytes = file.stat().st_size
        claimed = int.from_bytes(header[-4:], "little") if len(header) == _BLOSC_HEADER else _BLOSC_HEADER
        if n_bytes < claimed:
            return f"has {n_bytes:,} of the {claimed:,} bytes of its piece {file.relative_to(folder)}"
    return None


def _codecs(metadata: Any) -> set[str]:
    """Collect the names of all codecs, also those within others."""
    plain = json.loads(json.dumps(metadata, default=str))
    given = [plain.get(key) for key in ("filters", "compressor", "compressors", "codecs")]
    names: set[str] = set()
    pending = [each for each in given if each]
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending += each
        elif isinstance(each, dict):
            names.add(str(each.get("id") or each.get("name")).removeprefix("numcodecs."))
            inner = each.get("configuration") or {}
            pending += [inner[key] for key in ("codecs", "index_codecs") if inner.get(key)]
        else:
            names.add(str(each))
    return names


LIBRARY = Library(
    names=lambda folder: [*folder.group_keys(), *folder.array_keys()],
    child=_child,
    is_array=lambda item: hasattr(item, "shape"),
    unsound=_unsound,
)
