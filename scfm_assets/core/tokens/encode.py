"""Cells as ranked gene tokens: the rank-value encoding of Geneformer, with a defined order of ties."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import digest_arrays
from scfm_assets.core.tokens.count_blocks import BUDGET, blocks_of
from scfm_assets.core.tokens.ranking import Encoding, bytes_per_count, rank_block
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens.count_blocks import CountRows

PLACE = "counts to be tokenized"


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of many cells, one after the other.

    Parameters
    ----------
    ids
        int32 of shape (n_tokens,), most expressed gene of a cell first.
    offsets
        int64 of shape (n_cells + 1,); cell i holds ``ids[offsets[i]:offsets[i + 1]]``.
    values
        float32 of shape (n_tokens,): what stands beside each token, such as its expression bin; None where order says
        it all.
    """

    ids: np.ndarray
    offsets: np.ndarray
    values: np.ndarray | None = None

    @property
    def n_cells(self) -> int:
        """Number of cells, those without any token included."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per cell, int64 of shape (n_cells,), special tokens included."""
        return np.diff(self.offsets)

    def row(self, i: int) -> np.ndarray:
        """Token ids of cell i, special tokens included."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    def row_values(self, i: int) -> np.ndarray | None:
        """Values beside the tokens of cell i, None if tokens have none."""
        return None if self.values is None else self.values[self.offsets[i] : self.offsets[i + 1]]

    def take(self, rows: Sequence[int] | np.ndarray) -> Tokens:
        """Pick the cells of these rows, in this order."""
        chosen = [int(i) for i in rows]
        values = [beside for i in chosen if (beside := self.row_values(i)) is not None]
        return Tokens.of([self.row(i) for i in chosen], values if self.values is not None else None)

    @classmethod
    def of(cls, cells: Sequence[np.ndarray], values: Sequence[np.ndarray] | None = None) -> Tokens:
        """Join cells given one array each, with one array of values each where there are values."""
        lengths = np.array([len(cell) for cell in cells], dtype=np.int64)
        ids = np.concatenate([np.empty(0, np.int32), *cells]).astype(np.int32)
        beside = None if values is None else np.concatenate([np.empty(0, np.float32), *values]).astype(np.float32)
        if beside is not None and len(beside) != len(ids):
            message = f"{len(beside)} values beside {len(ids)} tokens"
            raise ValueError(message)
        return cls(ids, _offsets(lengths), beside)

    @cached_property
    def digest(self) -> str:
        """Digest of the content."""
        return digest_arrays(self.ids, self.offsets, *([] if self.values is None else [self.values]))


def tokenize(
    counts: sp.csr_matrix | sp.csr_array,
    gene_ids: Sequence[str],
    vocabulary: Vocabulary,
    *,
    max_tokens: int,
    special: bool,
) -> Tokens:
    """Encode cells with a model's vocabulary; genes it does not know are left out.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    gene_ids
        One id per column.
    max_tokens
        Longest cell, special tokens included; the lowest ranks are cut.
    special
        Put ``<cls>`` first and ``<eos>`` last.

    Raises
    ------
    ScfmError
        No gene of the counts is in the vocabulary, or counts are negative or not whole.
    """
    if counts.shape != (len(counts.indptr) - 1, len(gene_ids)):
        message = f"counts of shape {counts.shape}, cells x genes, but {len(gene_ids)} gene ids"
        raise ValueError(message)
    return _encode(counts, _encoding(gene_ids, vocabulary, max_tokens, special=special, place=PLACE))


def tokenize_rows(
    rows: CountRows,
    gene_ids: Sequence[str],
    vocabulary: Vocabulary,
    *,
    max_tokens: int,
    special: bool,
    budget: int = BUDGET,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Tokens]:
    """Encode the cells of an atlas that may be larger than memory, as `tokenize` would.

    Parameters
    ----------
    rows
        Raw counts, cells x genes, from `scfm_assets.core.disk_tokens.count_rows.open_counts`.
    gene_ids, vocabulary, max_tokens, special
        As for `tokenize`.
    budget
        Bytes of memory for counts, their row index and tokens at any time, beside the interpreter and its packages.
    progress
        Called with (cells done, cells in all) after each block of cells.

    Returns
    -------
    Tokens of one block of neighbouring cells after the other, all cells in their order. Keep what you need of a block
    before you ask for the next one; `scfm_assets.core.disk_tokens.token_file.write_tokens` puts them on disk.

    Raises
    ------
    ScfmError
        As `tokenize`; if the file is damaged; if a single cell does not fit the budget.
    """
    if rows.n_genes != len(gene_ids):
        message = f"{rows.place} has {rows.n_genes} columns, but there are {len(gene_ids)} gene ids"
        raise ValueError(message)
    encoding = _encoding(gene_ids, vocabulary, max_tokens, special=special, place=rows.place)
    return _stream(rows, encoding, budget, progress)


def known_genes(
    names: Sequence[str], vocabulary: Vocabulary, place: str, *, what: str, remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """Find the genes of columns in a vocabulary.

    Parameters
    ----------
    names
        One name per column.
    vocabulary
        Genes that the model knows.
    place, what, remedy
        Named in the error: where the columns are, what their names are, and what to do.

    Returns
    -------
    Rows of the genes in the vocabulary, ascending, and the place of each column's gene among them, -1 = unknown.

    Raises
    ------
    ScfmError
        If the vocabulary has none of them.
    """
    rows = vocabulary.rows_of(names)
    known = rows >= 0
    if not known.any():
        ours, theirs = (", ".join(map(repr, list(some)[:3])) for some in (names, vocabulary.gene_ids.tolist()))
        problem = (
            f"none of the {len(names):,} {what} (such as {ours}) is among the {len(vocabulary.gene_ids):,} "
            f"genes of the model's vocabulary (such as {theirs})"
        )
        raise ScfmError(place, problem, remedy)
    gene_of_column = np.full(len(rows), -1, dtype=np.int32)
    present, gene_of_column[known] = np.unique(rows[known], return_inverse=True)
    return present, gene_of_column


def _encoding(
    gene_ids: Sequence[str], vocabulary: Vocabulary, max_tokens: int, *, special: bool, place: str
) -> Encoding:
    """Rank by ``float32(float64(count) / float64(median))``, ties by ascending canonical id.

    The cell's total is the same factor for all its genes and is left out. Columns of one token are summed first.
    The result does not depend on the order of rows, columns or sparse indices, nor on the chunks used.
    """
    remedy = "Name the var column with such ids (gene_id), or a table that leads from your ids to them (gene_table)."
    present, gene_of_column = known_genes(gene_ids, vocabulary, place, what="gene ids", remedy=remedy)
    cls, eos = (vocabulary.cls, vocabulary.eos) if special else (None, None)
    limit = max_tokens - (cls is not None) - (eos is not None)
    return Encoding(gene_of_column, vocabulary.medians[present], vocabulary.token_ids[present], limit, cls, eos)


def _encode(counts: sp.csr_matrix | sp.csr_array, encoding: Encoding) -> Tokens:
    indptr = np.asarray(counts.indptr, dtype=np.int64)
    ids = np.empty(encoding.most_tokens(np.diff(indptr)), dtype=np.int32)
    lengths = np.empty(len(indptr) - 1, dtype=np.int64)
    at = 0
    for block in blocks_of(counts, PLACE):
        block_lengths = rank_block(block, encoding, ids[at:])
        lengths[block.start : block.start + len(block_lengths)] = block_lengths
        at += int(block_lengths.sum())
    ids.resize(at, refcheck=False)
    return Tokens(ids, _offsets(lengths))


def _stream(
    rows: CountRows, encoding: Encoding, budget: int, progress: Callable[[int, int], None] | None
) -> Iterator[Tokens]:
    for block in rows.blocks(budget, beside=bytes_per_count()):
        ids = np.empty(encoding.most_tokens(np.diff(block.indptr)), dtype=np.int32)
        lengths = rank_block(block, encoding, ids)
        yield Tokens(ids[: lengths.sum()], _offsets(lengths))
        if progress is not None:
            progress(block.start + len(lengths), rows.n_cells)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
