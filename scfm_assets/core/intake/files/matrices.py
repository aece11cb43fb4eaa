"""Matrices in files, read as CSR, cells x genes: whatever way they are stored, the whole is in memory once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from scfm_assets.core.intake.counts import csr_of
from scfm_assets.core.intake.files.memory import check_memory
from scfm_assets.core.intake.files.stored import NUMBERS, StoredNode, damaged, native

BLOCK_BYTES = 64 * 2**20
"""Bytes of a dense matrix, or of indices, that are converted at a time."""
_SPARSE = {"csr_matrix": "csr", "csc_matrix": "csc", "csr": "csr", "csc": "csc"}
_LARGEST_INT32 = np.iinfo(np.int32).max


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix of numbers in a file.

    Attributes
    ----------
    place
        ``X``, ``layers/<name>`` or ``raw.X``.
    n_cells, n_genes
        Its shape.
    read
        Gives it as CSR with sorted indices, in the type of its values.
    """

    place: str
    n_cells: int
    n_genes: int
    read: Callable[[], sparse.csr_matrix]


def matrix_at(place: str, node: StoredNode | None) -> StoredMatrix | None:
    """Describe what lies at a place of an AnnData; None if it is no matrix of numbers."""
    if node is None:
        return None
    if node.is_array:
        return dense(place, node) if len(node.shape) == 2 and node.kind in NUMBERS else None
    form = _SPARSE.get(node.word("encoding-type") or node.word("h5sparse_format"))
    if form is None or (data := node.get("data")) is None or data.kind not in NUMBERS:
        return None
    given = node.attribute("shape") if node.attribute("shape") is not None else node.attribute("h5sparse_shape")
    return compressed(place, node, _shape(node, given), by_cell=form == "csr")


def dense(place: str, node: StoredNode, *, by_cell: bool = True) -> StoredMatrix:
    """Describe a dense matrix; `by_cell` if its rows are cells."""
    node.check()
    n_cells, n_genes = node.shape if by_cell else node.shape[::-1]
    return StoredMatrix(place, n_cells, n_genes, lambda: _dense(node, by_cell=by_cell))


def compressed(place: str, node: StoredNode, shape: tuple[int, int], *, by_cell: bool) -> StoredMatrix:
    """Describe a sparse matrix of `shape` cells x genes; `by_cell` if its pointers are those of cells."""
    node.need("data").vector("the values of a sparse matrix")
    return StoredMatrix(place, *shape, lambda: _compressed(node, shape, by_cell=by_cell))


def _shape(node: StoredNode, given: Any) -> tuple[int, int]:
    numbers = np.asarray(given).ravel() if given is not None else np.array([])
    if len(numbers) != 2 or numbers.dtype.kind not in "iu" or (numbers < 0).any():
        raise damaged(node, f"has no shape of a matrix ({given})")
    return int(numbers[0]), int(numbers[1])


def _dense(node: StoredNode, *, by_cell: bool) -> sparse.csr_matrix:
    """Read a dense matrix by blocks of cells."""
    n_cells, n_genes = node.shape if by_cell else node.shape[::-1]
    step = max(BLOCK_BYTES // max(n_genes * node.raw.dtype.itemsize, 1), 1)
    check_memory(node.place, min(n_cells, step) * (node.n_bytes // max(n_cells, 1)))

    def block(at: int) -> np.ndarray:
        cells = slice(at, at + step)
        return native(np.asarray(node.raw[cells])) if by_cell else native(np.asarray(node.raw[:, cells])).T

    blocks = [csr_of(node.attempt(lambda at=at: block(at))) for at in range(0, n_cells, step)]
    return csr_of(sparse.vstack(blocks, format="csr") if blocks else np.zeros((0, n_genes), dtype=np.float32))


def _compressed(node: StoredNode, shape: tuple[int, int], *, by_cell: bool) -> sparse.csr_matrix:
    """Read a sparse matrix after a look at everything by which scipy would read beyond its arrays."""
    n_major, n_minor = shape if by_cell else shape[::-1]
    data = node.need("data").vector("the values of a sparse matrix")
    indices = node.need("indices").vector("the indices of a sparse matrix", "iu")
    pointers = node.need("indptr").vector("the pointers of a sparse matrix", "iu")
    if pointers.shape[0] != n_major + 1:
        raise damaged(pointers, f"has {pointers.shape[0]:,} pointers for {n_major:,} {'cells' if by_cell else 'genes'}")
    if data.shape != indices.shape:
        raise damaged(node, f"has {data.shape[0]:,} values and {indices.shape[0]:,} indices")
    n_values = data.shape[0]
    narrow = np.int32 if max(n_values, *shape) <= _LARGEST_INT32 else np.int64
    check_memory(node.place, n_values * (data.raw.dtype.itemsize + np.dtype(narrow).itemsize) * (1 if by_cell else 2))
    starts = pointers.read().astype(np.int64)
    if starts[0] != 0 or starts[-1] != n_values or (np.diff(starts) < 0).any():
        raise damaged(pointers, f"does not rise from 0 to {n_values:,}, the number of values")
    form = sparse.csr_matrix if by_cell else sparse.csc_matrix
    minor = _indices(indices, n_minor, narrow)
    return csr_of(form((data.read(), minor, starts.astype(narrow)), shape=shape))


def _indices(node: StoredNode, n_minor: int, narrow: Any) -> np.ndarray:
    """Read indices block by block, proven to lie within the matrix."""
    indices = np.empty(node.shape[0], dtype=narrow)
    step = BLOCK_BYTES // 8
    for at in range(0, len(indices), step):
        block = node.read(at, min(at + step, len(indices)))
        wrong = (block < 0) | (block >= n_minor)
        if wrong.any():
            first = int(wrong.argmax())
            problem = f"points outside the matrix ({block[first]} at {at + first:,}, where {n_minor:,} end it)"
            raise damaged(node, problem)
        indices[at : at + step] = block
    return indices
