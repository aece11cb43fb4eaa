"""Ranking the genes of cells: a compiled radix sort where numba is installed, numpy where it is not, one result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scfm_assets.core.tokens.rank_kernel import LARGEST_COUNT, NO_COLUMN, NO_COUNT, compiled, has_numba
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scfm_assets.core.tokens.count_blocks import RowBlock

_PLAIN_BYTES = 140
_COMPILED_BYTES = 20
"""Per stored count: the count and its column in other types, a token of this and of the last block."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """How columns of counts become ranked tokens.

    Attributes
    ----------
    gene_of_column
        int32 of shape (n_columns,): place of the column's gene in ascending order of canonical ids, -1 = unknown.
    medians
        float64 of shape (n_genes,), > 0.
    tokens
        int32 of shape (n_genes,).
    limit
        Genes that are kept of a cell, those ranked highest.
    cls, eos
        Token put first and last, None = none.
    """

    gene_of_column: np.ndarray
    medians: np.ndarray
    tokens: np.ndarray
    limit: int
    cls: int | None = None
    eos: int | None = None

    def __post_init__(self) -> None:
        """Hold what the compiled kernel relies on: it looks up without asking."""
        n_genes = len(self.medians)
        arrays = ((self.gene_of_column, np.int32), (self.medians, np.float64), (self.tokens, np.int32))
        fits = self.limit >= 0 and len(self.tokens) == n_genes and self.gene_of_column.max(initial=-1) < n_genes
        if not fits or any(array.dtype != dtype for array, dtype in arrays):
            message = f"an encoding of {n_genes} genes into at most {self.limit} tokens does not fit together"
            raise ValueError(message)

    @cached_property
    def merged(self) -> bool:
        """Whether columns are summed, because they stand for one gene."""
        known = self.gene_of_column[self.gene_of_column >= 0]
        return len(np.unique(known)) < len(known)

    @property
    def n_special(self) -> int:
        """Special tokens of every cell."""
        return (self.cls is not None) + (self.eos is not None)

    def most_tokens(self, n_counts: np.ndarray) -> int:
        """The most tokens that cells with so many stored counts can have together."""
        return int(np.minimum(n_counts, self.limit).sum()) + self.n_special * len(n_counts)


def bytes_per_count() -> int:
    """Bytes of memory that ranking takes for every stored count of a block, beside the block itself."""
    return _COMPILED_BYTES if has_numba() else _PLAIN_BYTES


def rank_block(block: RowBlock, encoding: Encoding, ids: np.ndarray) -> np.ndarray:
    """Rank the genes of each cell of a block by ``float32(float64(count) / float64(median))``, highest first.

    Counts of one gene are summed first; ties go by ascending `gene_of_column`.

    Parameters
    ----------
    block, encoding
        What is ranked, and how.
    ids
        int32 with room for `Encoding.most_tokens`: token ids are written to its beginning, one cell after the other.

    Returns
    -------
    Tokens per cell, int64 of shape (n_cells,).

    Raises
    ------
    ScfmError
        If counts are negative or not whole.
    """
    n_counts = np.diff(block.indptr)
    if (n_counts < 0).any() or block.indptr[-1] > min(len(block.data), len(block.indices)):
        message = f"row pointers of {block.place} fall, or lead beyond the counts"
        raise ValueError(message)
    if len(ids) < encoding.most_tokens(n_counts) or ids.dtype != np.int32:
        message = f"no room for the tokens of {block.place}"
        raise ValueError(message)
    if block.indices.dtype != np.int32:
        check_columns(block, len(encoding.gene_of_column))
    return (_rank_compiled if has_numba() else _rank_plain)(block, encoding, ids)


# numpy --------------------------------------------------------------------------------------------------------------


def summed_by_gene(block: RowBlock, gene_of_column: np.ndarray, n_genes: int) -> sp.csr_array:
    """Prove the counts of a block, and add the columns of one gene; those of none (-1) are left out.

    Returns
    -------
    int64 (n_rows, n_genes), genes sorted within rows: the order that a stable sort keeps for ties.
    """
    check_columns(block, len(gene_of_column))
    check_counts(block)
    n_rows = len(block.indptr) - 1
    row = np.repeat(np.arange(n_rows), np.diff(block.indptr))
    gene = gene_of_column[block.indices]
    keep = (gene >= 0) & (block.data > 0)
    entries = (block.data[keep].astype(np.int64), (row[keep], gene[keep]))
    summed = sp.coo_array(entries, shape=(n_rows, n_genes)).tocsr()
    summed.sum_duplicates()
    return summed


def _rank_plain(block: RowBlock, encoding: Encoding, ids: np.ndarray) -> np.ndarray:
    summed = summed_by_gene(block, encoding.gene_of_column, len(encoding.medians))
    n_cells = len(block.indptr) - 1
    n_genes = np.diff(summed.indptr).astype(np.int64)
    row = np.repeat(np.arange(n_cells), n_genes)
    with np.errstate(over="ignore", under="ignore"):
        key = (summed.data.astype(np.float64) / encoding.medians[summed.indices]).astype(np.float32)
    # The bits of positive floats order as the floats do, so one integer sorts by row and by falling key.
    composite = (row.astype(np.uint64) << np.uint64(32)) | (~key.view(np.uint32)).astype(np.uint64)
    ranked = encoding.tokens[summed.indices[np.argsort(composite, kind="stable")]]
    kept = np.arange(len(row)) - summed.indptr[row] < encoding.limit
    lengths = np.minimum(n_genes, encoding.limit) + encoding.n_special
    stop = np.cumsum(lengths)
    is_gene = np.ones(int(lengths.sum()), dtype=bool)
    for token, place in ((encoding.cls, stop - lengths), (encoding.eos, stop - 1)):
        if token is not None:
            ids[place] = token
            is_gene[place] = False
    ids[: len(is_gene)][is_gene] = ranked[kept]
    return lengths


# numba --------------------------------------------------------------------------------------------------------------


def _rank_compiled(block: RowBlock, encoding: Encoding, ids: np.ndarray) -> np.ndarray:
    lengths = np.empty(len(block.indptr) - 1, dtype=np.int64)
    cls, eos = (-1 if token is None else token for token in (encoding.cls, encoding.eos))
    genes = (encoding.gene_of_column, encoding.medians, encoding.tokens)
    run_kernel(compiled, block, *genes, encoding.limit, cls, eos, encoding.merged, ids, lengths)
    return lengths


def run_kernel(
    kernel: Callable[[str], Callable[..., int]], block: RowBlock, gene_of_column: np.ndarray, *arguments: object
) -> None:
    """Run a kernel, compiled for the type of a block's counts, over the block, and refuse what it refuses."""
    dtype = _kernel_dtype(block.data.dtype)
    arrays = ((block.data, dtype), (block.indices, np.int32), (block.indptr, np.int64))
    counts = (np.require(array, wanted, ["C", "A"]) for array, wanted in arrays)
    status = kernel(dtype.name)(*counts, gene_of_column, *arguments)
    if status == NO_COUNT:
        check_counts(block)
    if status == NO_COLUMN:
        check_columns(block, len(gene_of_column))


def _kernel_dtype(dtype: np.dtype) -> np.dtype:
    """The one of four types that holds all counts of a type; a kernel is compiled when its type is first met."""
    if dtype.kind == "f":
        return np.dtype(np.float32 if dtype.itemsize <= 4 else np.float64)
    return np.dtype(np.int32 if np.can_cast(dtype, np.int32) else np.int64)


# What cannot be ranked ----------------------------------------------------------------------------------------------


def check_columns(block: RowBlock, n_columns: int) -> None:
    """Refuse columns that there are not."""
    if len(block.indices) and not (block.indices.min() >= 0 and block.indices.max() < n_columns):
        message = f"indices of {block.place} from {block.indices.min()} to {block.indices.max()}, {n_columns} columns"
        raise ValueError(message)


def check_counts(block: RowBlock) -> None:
    """Refuse values that are no counts.

    Raises
    ------
    ScfmError
        Names the first of them and its row.
    """
    data = block.data
    wrong = ~((data >= 0) & (data <= LARGEST_COUNT))
    if data.dtype.kind == "f":
        wrong |= data != np.rint(data)
    if not wrong.any():
        return
    bad = int(np.argmax(wrong))
    row = block.start + int(np.searchsorted(block.indptr, bad, side="right")) - 1
    problem = f"negative, fractional or too large values (first: {data[bad]} in row {row:,}; lowest: {data.min()})"
    raise ScfmError(block.place, problem, "The encoding needs raw counts: whole numbers, none below zero.")
