"""Content digests: what a thing holds decides its version, not its name, date or file format."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

LENGTH = 20
"""Hex digits kept of a SHA-256: 80 bits, far beyond chance collision, short enough to read."""


def digest_arrays(*parts: np.ndarray | str | bytes | int | float | None) -> str:
    """Digest arrays and scalars by dtype, shape and values, independent of memory order.

    Parameters
    ----------
    parts
        Arrays (object arrays are hashed as text), strings, bytes or numbers, in order.
    """
    seen = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array = part.astype(str) if part.dtype.kind == "O" else part
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            seen.update(f"{little.dtype.str}{little.shape}".encode())
            seen.update(np.ascontiguousarray(little).tobytes())
        elif isinstance(part, bytes):
            seen.update(b"bytes" + len(part).to_bytes(8, "little") + part)
        else:
            text = repr(part).encode()
            seen.update(b"text" + len(text).to_bytes(8, "little") + text)
    return seen.hexdigest()[:LENGTH]


def digest_table(table: pa.Table) -> str:
    """Digest a table by column names, types and values: the same after any rewrite of its file.

    Chunking, dictionary encoding and file metadata do not count.
    """
    import pyarrow as pa

    seen = hashlib.sha256(f"{table.num_rows}".encode())
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        array = column.combine_chunks()
        seen.update(f"{name}:{array.type}".encode())
        if pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            seen.update(np.packbits(valid).tobytes())
            filled = array.cast(pa.int8()).fill_null(0) if pa.types.is_boolean(array.type) else array.fill_null(0)
            seen.update(np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).tobytes())
        else:
            for value in array.to_pylist():
                text = b"\0" if value is None else b"\1" + str(value).encode()
                seen.update(len(text).to_bytes(4, "little") + text)
    return seen.hexdigest()[:LENGTH]


def digest_json(value: Mapping[str, Any] | list[Any] | str | float | None) -> str:
    """Digest a JSON value with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:LENGTH]


def digest_file(path: Path) -> str:
    """Digest the bytes of one file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:LENGTH]


def digest_folder(path: Path) -> str:
    """Digest a folder: relative names and bytes of every visible file, sorted."""
    seen = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
        seen.update(file.relative_to(path).as_posix().encode() + b"\0" + digest_file(file).encode())
    return seen.hexdigest()[:LENGTH]


def seed_from(*parts: np.ndarray | str | bytes | int | float | None) -> int:
    """A 63-bit seed that depends on content alone."""
    return int(digest_arrays(*parts)[:16], 16) >> 1
