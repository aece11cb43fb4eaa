"""Counts in blocks of neighbouring rows: cut from memory, or read from wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import scipy.sparse as sp

BUDGET = 2 * 2**30
"""Bytes of memory that blocks of rows and what is made of them may take, unless another budget is given."""

CHUNK_ENTRIES = 1_000_000
"""Non-zero counts encoded at a time: bounds memory, never the result."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Counts of neighbouring rows, in the form of CSR.

    Attributes
    ----------
    place
        Where they come from, for errors.
    start
        First row.
    data, indices
        Counts and their columns, shape (n_counts,).
    indptr
        int64 of shape (n_rows + 1,), from 0: row i holds ``indptr[i]:indptr[i + 1]``.
    """

    place: str
    start: int
    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray


def blocks_of(counts: sp.csr_matrix | sp.csr_array, place: str) -> Iterator[RowBlock]:
    """Cut counts in memory into blocks of neighbouring rows."""
    indptr = np.asarray(counts.indptr, dtype=np.int64)
    start, n_rows = 0, len(indptr) - 1
    while start < n_rows:
        stop = max(start + 1, int(np.searchsorted(indptr, indptr[start] + CHUNK_ENTRIES, side="right")) - 1)
        pointers, entries = indptr[start : stop + 1], slice(indptr[start], indptr[stop])
        yield RowBlock(place, start, counts.data[entries], counts.indices[entries], pointers - pointers[0])
        start = stop


class CountRows(Protocol):
    """Counts, cells x genes, that are read in blocks of rows."""

    @property
    def place(self) -> str:
        """Where they are, for errors."""
        ...

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        ...

    @property
    def n_genes(self) -> int:
        """Number of columns."""
        ...

    def blocks(self, budget: int = BUDGET, *, beside: int = 0) -> Iterator[RowBlock]:
        """Read all rows in order.

        Parameters
        ----------
        budget
            Bytes of memory for the row index, two blocks and what is beside them.
        beside
            Bytes that the caller needs per stored count.

        Raises
        ------
        ScfmError
            If the file is damaged, or if a single row does not fit the budget.
        """
        ...
