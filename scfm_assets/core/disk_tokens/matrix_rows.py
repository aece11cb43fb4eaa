"""Reading the rows of a matrix on disk in blocks that fit a budget of memory.

Whatever a file claims is checked before it is used: a damaged file is an error that names it, never a wrong token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.intake.files.stored import DAMAGED, attempt, damaged
from scfm_assets.core.tokens import BUDGET, RowBlock
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.core.intake.files.stored import StoredNode

BLOCK_BYTES = 64 * 2**20
"""Counts read at a time if the budget allows: larger blocks gain nothing."""

CHUNKS_OF_BLOCK = 8
"""Chunks of the file that a block should span, so that few are read twice."""

MOST_ROWS = 1 << 16
"""Rows of a block, however empty they are."""

HDF5_CACHE = 2**20
"""Bytes of decoded chunks that HDF5 keeps for each dataset."""

_BYTES_PER_ROW = 64
_BYTES_PER_DENSE = 40
"""Per value of a dense block: where it is, if it is a count, in the forms that numpy and CSR have for it."""


@dataclass(frozen=True, eq=False)
class CountMatrix:
    """A matrix in an open file: `top` is the file, `node` the matrix, called by its place."""

    top: StoredNode
    node: StoredNode
    n_cells: int
    n_genes: int

    @property
    def place(self) -> str:
        """Where it is, for errors."""
        return self.node.place

    def gene_ids(self, column: str | None = None) -> list[str]:
        """Read the names of the columns: the index of var, or one of its columns."""
        from anndata.io import read_elem

        part = "raw/var" if self.node.key == "raw.X" else "var"
        place = f"{self.top.path}: {part}"
        var: Any = attempt(place, lambda: read_elem(self.top.raw[part]))
        if column is not None and column not in var.columns:
            problem = f"there is no column {column!r}"
            raise ScfmError(place, problem, f"It has: {', '.join(map(str, var.columns)) or 'none'}.")
        names = [str(name) for name in (var.index if column is None else var[column])]
        if len(names) != self.n_genes:
            raise ScfmError(place, f"{len(names):,} genes, but {self.node.key} has {self.n_genes:,} columns", DAMAGED)
        return names

    def read(self, array: Any, start: int, stop: int) -> np.ndarray:
        """Read values of a list or rows of a matrix."""
        return self.node.attempt(lambda: _sequentially(array, start, stop))

    def _too_large(self, what: str, needed: int, budget: int) -> ScfmError:
        problem = f"{what} {needed:,} bytes of memory, more than the budget of {budget:,}"
        return ScfmError(self.place, problem, f"Allow a budget of {needed:,} bytes or more.")


class CsrRows(CountMatrix):
    """A group of data, indices and indptr."""

    def blocks(self, budget: int = BUDGET, *, beside: int = 0) -> Iterator[RowBlock]:
        """See `CountRows`."""
        data, indices, indptr = (self._array(name) for name in ("data", "indices", "indptr"))
        needed = (self.n_cells + 1) * (8 + indptr.dtype.itemsize)
        if needed > budget:
            what = f"the index of its {self.n_cells:,} rows takes"
            raise self._too_large(what, needed, budget)
        pointers = self._pointers(indptr, data.shape[0], indices.shape[0])
        per_count = 2 * (data.dtype.itemsize + indices.dtype.itemsize) + beside
        # Two values for a chunk as it is and as it is compressed.
        fixed = needed + MOST_ROWS * _BYTES_PER_ROW + 2 * max(map(_chunk_bytes, (data, indices))) + 3 * HDF5_CACHE
        most = max((budget - fixed) // per_count, 0)
        span = max(BLOCK_BYTES // per_count, CHUNKS_OF_BLOCK * max(_chunk_length(data), _chunk_length(indices)))
        absent = _has_absent_chunks(indices)
        if _has_absent_chunks(data):
            raise damaged(self.node, "chunks of its data are missing")
        start = 0
        while start < self.n_cells:
            stop = int(np.searchsorted(pointers, pointers[start] + min(most, span), side="right")) - 1
            if stop == start and pointers[start + 1] - pointers[start] <= most:
                stop += 1
            if stop == start:
                n_counts = int(pointers[start + 1] - pointers[start])
                what = f"row {start:,} with its {n_counts:,} counts takes"
                raise self._too_large(what, fixed + n_counts * per_count, budget)
            stop = min(stop, start + MOST_ROWS)
            # Not bound to a name: it would stay in memory while the next one is read.
            yield self._block(data, indices, pointers[start : stop + 1], start, absent=absent)
            start = stop

    def _array(self, name: str) -> Any:
        array = self.node.attempt(lambda: self.node.raw[name])
        if getattr(array, "ndim", 0) != 1 or array.dtype.kind not in ("biuf" if name == "data" else "iu"):
            raise damaged(self.node, f"its {name} is no list of {'numbers' if name == 'data' else 'whole numbers'}")
        return array

    def _pointers(self, indptr: Any, n_data: int, n_indices: int) -> np.ndarray:
        (n_pointers,) = indptr.shape
        if n_pointers != self.n_cells + 1:
            problem = f"{self.n_cells:,} rows need an indptr of {self.n_cells + 1:,} values, not {n_pointers:,}"
            raise damaged(self.node, problem)
        pointers = self.read(indptr, 0, n_pointers).astype(np.int64)
        if pointers[0] != 0 or (np.diff(pointers) < 0).any():
            raise damaged(self.node, "its indptr does not begin at 0 or falls")
        if not pointers[-1] == n_data == n_indices:
            problem = f"its indptr ends at {pointers[-1]:,}, but it has {n_data:,} data and {n_indices:,} indices"
            raise damaged(self.node, problem)
        return pointers

    def _block(self, data: Any, indices: Any, pointers: np.ndarray, start: int, *, absent: bool) -> RowBlock:
        first, last = int(pointers[0]), int(pointers[-1])
        columns, relative = self.read(indices, first, last), pointers - first
        if len(columns) and (columns.min() < 0 or columns.max() >= self.n_genes):
            bad = int(((columns < 0) | (columns >= self.n_genes)).argmax())
            row = start + int(np.searchsorted(relative, bad, side="right")) - 1
            raise damaged(self.node, f"row {row:,} has a count in column {columns[bad]:,} of {self.n_genes:,}")
        if absent:
            zeros = np.searchsorted(relative, np.flatnonzero(columns == 0), side="right")
            if (np.diff(zeros) == 0).any():
                raise damaged(self.node, "chunks of its indices are missing")
        return RowBlock(self.place, start, self.read(data, first, last), columns, relative)


class DenseRows(CountMatrix):
    """A two-dimensional array."""

    def blocks(self, budget: int = BUDGET, *, beside: int = 0) -> Iterator[RowBlock]:
        """See `CountRows`."""
        array = self.node.raw
        per_row = self.n_genes * (2 * array.dtype.itemsize + _BYTES_PER_DENSE + beside) + _BYTES_PER_ROW
        fixed = 2 * _chunk_bytes(array) + HDF5_CACHE
        most = (budget - fixed) // per_row
        if self.n_cells and most < 1:
            raise self._too_large("a row takes", fixed + per_row, budget)
        of_chunk = _chunk_length(array)
        step = min(most, MOST_ROWS, max(BLOCK_BYTES // per_row, of_chunk))
        step -= step % of_chunk if step > of_chunk else 0
        for start in range(0, self.n_cells, max(step, 1)):
            yield self._block(start, min(start + step, self.n_cells))

    def _block(self, start: int, stop: int) -> RowBlock:
        counts = self.read(self.node.raw, start, stop)
        rows, columns = np.nonzero(counts)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=stop - start))]).astype(np.int64)
        return RowBlock(self.place, start, counts[rows, columns], columns.astype(np.int32), indptr)


def _sequentially(array: Any, start: int, stop: int) -> np.ndarray:
    """Read values of a list or rows of a matrix, with one chunk of the file decoded at a time."""
    if type(array).__module__.startswith("h5py"):
        return array[start:stop]
    import zarr

    with zarr.config.set({"async.concurrency": 1}):
        return np.asarray(array[start:stop])


def _chunk_length(array: Any) -> int:
    return int((array.chunks or (1,))[0])


def _chunk_bytes(array: Any) -> int:
    return int(np.prod(array.chunks)) * array.dtype.itemsize if array.chunks else 0


def _has_absent_chunks(array: Any) -> bool:
    """Whether chunks of a zarr array are not there, which reads as zeros. HDF5 has no like."""
    return hasattr(array, "nchunks_initialized") and array.nchunks_initialized < array.nchunks
