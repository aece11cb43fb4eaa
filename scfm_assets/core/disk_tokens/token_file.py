"""Tokens on disk: written block by block, mapped back without reading them.

A safetensors file of ``offsets`` (int64) and ``ids`` (int32). The ids come last, because only the end tells how many
there are; the header is given room beforehand and written when all is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scfm_assets.core.base import replacing
from scfm_assets.core.tokens import Tokens
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DTYPES = {"offsets": ("I64", np.dtype("<i8")), "ids": ("I32", np.dtype("<i4"))}
_HEADER_BYTES = 512
_LENGTH_BYTES = 8


def write_tokens(path: Path, blocks: Iterable[Tokens], *, n_cells: int) -> None:
    """Write the tokens of an atlas without holding them all.

    The file is written under a hidden name and renamed when it is whole.

    Parameters
    ----------
    path
        Where to; its folder must exist. A file of that name is replaced.
    blocks
        Tokens of neighbouring cells, in order, from `scfm_assets.core.tokens.encode.tokenize_rows`.
    n_cells
        Cells of all blocks together.
    """
    with replacing(path) as hidden, hidden.open("xb") as file:
        _write(file, blocks, n_cells)


def open_tokens(path: Path) -> Tokens:
    """Map the tokens of a file into memory: only what is looked at is read.

    Parameters
    ----------
    path
        From `write_tokens`, or any safetensors file with ``ids`` and ``offsets``.

    Raises
    ------
    ScfmError
        If there is no such file, or if it does not hold tokens.
    """
    if not path.is_file():
        raise ScfmError(str(path), "there is no such file", "Write it with `write_tokens`.")
    try:
        header, begin = _read_header(path)
        ids, offsets = (_map(path, header[name], name, begin) for name in ("ids", "offsets"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"holds no tokens ({type(error).__name__}: {error})"
        raise ScfmError(str(path), problem, "It is damaged or another kind of file: write it again.") from error
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 0).any():
        problem = f"its offsets do not lead through its {len(ids):,} tokens"
        raise ScfmError(str(path), problem, "It is damaged: write it again.")
    return Tokens(ids, offsets)


def _write(file: BinaryIO, blocks: Iterable[Tokens], n_cells: int) -> None:
    begin = _LENGTH_BYTES + _HEADER_BYTES
    first_id = begin + (n_cells + 1) * 8
    cell = n_tokens = 0
    file.seek(begin)
    file.write(bytes(8))
    for block in blocks:
        if cell + block.n_cells > n_cells:
            break
        file.seek(begin + (cell + 1) * 8)
        file.write((block.offsets[1:] + n_tokens).astype("<i8").data)
        file.seek(first_id + n_tokens * 4)
        file.write(block.ids.astype("<i4", copy=False).data)
        cell, n_tokens = cell + block.n_cells, n_tokens + len(block.ids)
    else:
        if cell == n_cells:
            file.seek(0)
            file.write(_header(n_cells, n_tokens))
            return
    message = f"blocks of more or fewer than {n_cells} cells"
    raise ValueError(message)


def _header(n_cells: int, n_tokens: int) -> bytes:
    ends = [0, 8 * (n_cells + 1), 8 * (n_cells + 1) + 4 * n_tokens]
    parts = zip(("offsets", "ids"), (n_cells + 1, n_tokens), ends, ends[1:], strict=False)
    tensors = {
        name: {"dtype": _DTYPES[name][0], "shape": [length], "data_offsets": [start, stop]}
        for name, length, start, stop in parts
    }
    return _HEADER_BYTES.to_bytes(_LENGTH_BYTES, "little") + json.dumps(tensors).ljust(_HEADER_BYTES).encode()


def _read_header(path: Path) -> tuple[dict, int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > path.stat().st_size - _LENGTH_BYTES:
            message = "its header is longer than the file"
            raise ValueError(message)
        return json.loads(file.read(length)), _LENGTH_BYTES + length


def _map(path: Path, tensor: dict, name: str, begin: int) -> np.ndarray:
    code, dtype = _DTYPES[name]
    (length,), (start, stop) = tensor["shape"], tensor["data_offsets"]
    if tensor["dtype"] != code or length < 0 or start < 0 or stop - start != length * dtype.itemsize:
        message = f"{name} is described as {tensor}"
        raise ValueError(message)
    if begin + stop > path.stat().st_size:
        message = f"{name} ends beyond the file"
        raise ValueError(message)
    if not length:  # what is empty cannot be mapped
        return np.empty(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=begin + start, shape=(length,))
