"""Tokens on disk, written block by block.

A safetensors file of ``offsets`` (int64) and ``ids`` (int32). The ids come last, because only the end tells how many
there are; the header is given room beforehand and written when all is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO

from scfm_assets.core.base import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scfm_assets.core.tokens import Tokens

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
    ids = 8 * (n_cells + 1)
    tensors = {
        "offsets": {"dtype": "I64", "shape": [n_cells + 1], "data_offsets": [0, ids]},
        "ids": {"dtype": "I32", "shape": [n_tokens], "data_offsets": [ids, ids + 4 * n_tokens]},
    }
    return _HEADER_BYTES.to_bytes(_LENGTH_BYTES, "little") + json.dumps(tensors).ljust(_HEADER_BYTES).encode()
