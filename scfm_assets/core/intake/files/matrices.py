"""Matrices in files, read as CSR, cells x genes: whatever way they are stored, the whole is in memory once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scfm_assets.core.intake.counts import csr_of
from scfm_assets.core.intake.files.memory import check_memory
from scfm_assets.core.intake.files.stored import NUMBERS, StoredNode

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 64 * 2**20
"""Bytes of a dense or column-wise matrix that are converted at a time."""
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
    words
        How it is stored, for people.
    read
        Gives it as CSR with sorted indices, in the type of its values.
    """

    place: str
    n_cells: int
    n_genes: int
    words: str
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
    read = (lambda: _dense_rows(node)) if by_cell else (lambda: _dense_columns(node))
    return StoredMatrix(place, n_cells, n_genes, f"dense {node.raw.dtype}", read)


def compressed(place: str, node: StoredNode, shape: tuple[int, int], *, by_cell: bool) -> StoredMatrix:
    """Describe a sparse matrix of `shape` cells x genes; `by_cell` if its pointers are those of cells."""
    dtype = node.need("data").vector("the values of a sparse matrix").raw.dtype
    words = f"{'CSR' if by_cell else 'CSC'} {dtype}"
    return StoredMatrix(place, *shape, words, lambda: _compressed(node, shape, by_cell=by_cell))


def _shape(node: StoredNode, given: Any) -> tuple[int, int]:
    numbers = np.asarray(given).ravel() if given is not None else np.array([])
    if len(numbers) != 2 or numbers.dtype.kind not in "iu" or (numbers < 0).any():
        problem = f"has no shape of a matrix ({given})"
        raise node.error(problem)
    return int(numbers[0]), int(numbers[1])


def _dense_rows(node: StoredNode) -> sparse.csr_matrix:
    n_rows, n_columns = node.shape
    step = max(BLOCK_BYTES // max(n_columns * node.raw.dtype.itemsize, 1), 1)
    return _stacked([csr_of(node.read(at, at + step)) for at in _starts(n_rows, step, node)], n_columns)


def _dense_columns(node: StoredNode) -> sparse.csr_matrix:
    """Read a genes x cells array by blocks of cells."""
    n_genes, n_cells = node.shape
    step = max(BLOCK_BYTES // max(n_genes * node.raw.dtype.itemsize, 1), 1)

    def block(at: int) -> sparse.csr_matrix:
        values = node.attempt(lambda: np.asarray(node.raw[:, at : at + step]))
        return csr_of(values.astype(values.dtype.newbyteorder("="), copy=False).T)

    return _stacked([block(at) for at in _starts(n_cells, step, node)], n_genes)


def _starts(n_rows: int, step: int, node: StoredNode) -> range:
    check_memory(node.place, min(n_rows, step) * (node.n_bytes // max(n_rows, 1)))
    return range(0, n_rows, step)


def _stacked(blocks: list[sparse.csr_matrix], n_columns: int) -> sparse.csr_matrix:
    return csr_of(sparse.vstack(blocks, format="csr") if blocks else np.zeros((0, n_columns), dtype=np.float32))


def _compressed(node: StoredNode, shape: tuple[int, int], *, by_cell: bool) -> sparse.csr_matrix:
    """Read a sparse matrix after a look at everything by which scipy would read beyond its arrays."""
    n_major, n_minor = shape if by_cell else shape[::-1]
    data = node.need("data").vector("the values of a sparse matrix")
    indices = node.need("indices").vector("the indices of a sparse matrix", "iu")
    pointers = node.need("indptr").vector("the pointers of a sparse matrix", "iu")
    if pointers.shape[0] != n_major + 1:
        problem = f"has {pointers.shape[0]:,} pointers for {n_major:,} {'cells' if by_cell else 'genes'}"
        raise pointers.error(problem)
    if data.shape != indices.shape:
        problem = f"has {data.shape[0]:,} values and {indices.shape[0]:,} indices"
        raise node.error(problem)
    n_values = data.shape[0]
    narrow = np.int32 if max(n_values, *shape) <= _LARGEST_INT32 else np.int64
    check_memory(node.place, n_values * (data.raw.dtype.itemsize + np.dtype(narrow).itemsize) * (1 if by_cell else 2))
    starts = pointers.read().astype(np.int64)
    if starts[0] != 0 or starts[-1] != n_values or (np.diff(starts) < 0).any():
        problem = f"does not rise from 0 to {n_values:,}, the number of values"
        raise pointers.error(problem)
    if by_cell:
        columns = _indices(indices, n_minor, narrow)
        matrix = sparse.csr_matrix((data.read(), columns, starts.astype(narrow)), shape=shape)
        return matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    return _turned(data, indices, starts, shape, narrow)


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
            raise node.error(problem)
        indices[at : at + step] = block
    return indices


def _turned(
    data: StoredNode, indices: StoredNode, starts: np.ndarray, shape: tuple[int, int], narrow: Any
) -> sparse.csr_matrix:
    """Turn a matrix that is stored by genes: count what each cell has, then put the blocks of genes in place."""
    n_cells, n_genes = shape
    cells = _indices(indices, n_cells, narrow)
    ends = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=n_cells))]).astype(np.int64)
    free = ends[:-1].copy()
    values, columns = np.empty(len(cells), dtype=data.read(0, 0).dtype), np.empty(len(cells), dtype=narrow)
    gene = 0
    while gene < n_genes:
        after = int(np.searchsorted(starts, starts[gene] + BLOCK_BYTES // 8, side="right")) - 1
        after = min(max(after, gene + 1), n_genes)
        low, high = int(starts[gene]), int(starts[after])
        order = np.argsort(cells[low:high], kind="stable")
        owners = cells[low:high][order]
        first = np.concatenate([[True], owners[1:] != owners[:-1]]) if len(owners) else np.array([], dtype=bool)
        run = np.flatnonzero(first)
        within = np.arange(len(owners)) - np.repeat(run, np.diff(np.append(run, len(owners))))
        target = free[owners] + within
        values[target] = data.read(low, high)[order]
        columns[target] = np.repeat(np.arange(gene, after), np.diff(starts[gene : after + 1]))[order]
        free += np.bincount(owners, minlength=n_cells)
        gene = after
    return sparse.csr_matrix((values, columns, ends.astype(narrow)), shape=shape)
