"""Cells as ranked gene tokens: the rank-value encoding of Geneformer, with a defined order of ties."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import digest_arrays
from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens.count_blocks import BUDGET, blocks_of
from scfm_assets.core.tokens.ranking import Encoding, bytes_per_count, rank_block
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import scipy.sparse as sp

    from scfm_assets.core.tokens.count_blocks import CountRows

__all__ = ["Tokens", "Vocabulary", "build_vocabulary", "rank_encode", "tokenize", "tokenize_rows"]

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
    return _encode(counts, _known_columns(gene_ids, vocabulary, max_tokens, special=special, place=PLACE))


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
    encoding = _known_columns(gene_ids, vocabulary, max_tokens, special=special, place=rows.place)
    return _stream(rows, encoding, budget, progress)


def rank_encode(
    counts: sp.csr_matrix | sp.csr_array,
    token_of_column: np.ndarray,
    median_of_column: np.ndarray,
    rank_of_column: np.ndarray,
    *,
    max_tokens: int,
    cls: int | None = None,
    eos: int | None = None,
) -> Tokens:
    """Rank the genes of each cell by count / median, highest first.

    The key is ``float32(float64(count) / float64(median))``; ties go by ascending rank of the gene's canonical id.
    The cell's total is the same factor for all its genes and is left out. Columns of one token are summed first.
    The result does not depend on the order of rows, columns or sparse indices, nor on the chunks used.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    token_of_column
        int32 of shape (n_genes,), -1 = not in the vocabulary.
    median_of_column
        float64 of shape (n_genes,), > 0, the same for all columns of a token.
    rank_of_column
        int of shape (n_genes,): place of the column's canonical gene id in ascending order, the same for all columns
        of a token and for no others.
    max_tokens
        Longest cell, special tokens included; the lowest ranks are cut.
    cls, eos
        Token put first and last, None = none.
    """
    columns = (token_of_column, median_of_column, rank_of_column)
    return _encode(counts, _encoding(*columns, max_tokens=max_tokens, cls=cls, eos=eos))


def _known_columns(
    gene_ids: Sequence[str], vocabulary: Vocabulary, max_tokens: int, *, special: bool, place: str
) -> Encoding:
    rows = vocabulary.rows_of(gene_ids)
    if not (rows >= 0).any():
        ours, theirs = (", ".join(map(repr, list(ids)[:3])) for ids in (gene_ids, vocabulary.gene_ids.tolist()))
        problem = (
            f"none of the {len(gene_ids):,} gene ids (such as {ours}) is among the {len(vocabulary.gene_ids):,} "
            f"genes of the model's vocabulary (such as {theirs})"
        )
        remedy = (
            "Name the var column with such ids (gene_id), or a table that leads from your ids to them (gene_table)."
        )
        raise ScfmError(place, problem, remedy)
    return _encoding(
        np.where(rows >= 0, vocabulary.token_ids[rows], -1),
        np.where(rows >= 0, vocabulary.medians[rows], 1.0),
        rows,
        max_tokens=max_tokens,
        cls=vocabulary.cls if special else None,
        eos=vocabulary.eos if special else None,
    )


def _encoding(
    token_of_column: np.ndarray,
    median_of_column: np.ndarray,
    rank_of_column: np.ndarray,
    *,
    max_tokens: int,
    cls: int | None,
    eos: int | None,
) -> Encoding:
    known = np.flatnonzero(token_of_column >= 0)
    _, first, gene = np.unique(rank_of_column[known], return_index=True, return_inverse=True)
    gene_of_column = np.full(len(token_of_column), -1, dtype=np.int32)
    gene_of_column[known] = gene
    tokens, medians = token_of_column[known][first], median_of_column[known][first]
    limit = max_tokens - (cls is not None) - (eos is not None)
    return Encoding(gene_of_column, medians.astype(np.float64), tokens.astype(np.int32), limit, cls, eos)


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
