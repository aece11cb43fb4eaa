r"""Cells as genes with binned values: the encoding of scGPT, exact, without chance, and of each cell alone.

scGPT normalises a cell, takes logarithms, and gives each non-zero value the number of the quantiles of the cell's own
non-zero values at or below it. Both steps before are rising functions, so the bins follow from the order of the counts
alone and are worked out here in whole numbers. With :math:`n` non-zero values in ascending order and a value that fills
the places :math:`f..l` (from 0), the quantiles lie at the places :math:`k (n - 1) / (B - 2)`, :math:`k = 0..B-2`, for
:math:`B` bins (bin 0 is that of zeros), hence

.. math::
    \mathrm{upto} = \left\lfloor \frac{(B - 2)\, l}{n - 1} \right\rfloor + 1, \qquad
    \mathrm{below} = \left\lceil \frac{(B - 2)\, f}{n - 1} \right\rceil

of them are at most the value, and less than it. Floating-point quantiles differ from this by one where a quantile falls
on a value exactly and its rounding error falls to the wrong side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scfm_assets.core.tokens.bin_kernel import CONTENT, HIGHEST, compiled_bins, mixed
from scfm_assets.core.tokens.count_blocks import blocks_of
from scfm_assets.core.tokens.encode import Tokens, known_genes
from scfm_assets.core.tokens.rank_kernel import has_numba
from scfm_assets.core.tokens.ranking import check_columns, run_kernel, summed_by_gene

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens.count_blocks import RowBlock

PLACE = "counts to be binned"

FEWEST_BINS, MOST_BINS = 3, 2**16
"""One of zeros and, for the lowest and the highest quantile, two more; and more than any model has."""

Ties = Literal["middle", "highest"]
Beyond = Literal["highest", "content"]

TIES: tuple[Ties, ...] = ("middle", "highest")
BEYOND: tuple[Beyond, ...] = ("highest", "content")


@dataclass(frozen=True)
class Binning:
    """How the values of a cell become bins, and which genes stand for a cell that has too many.

    Parameters
    ----------
    n_bins
        Bins, that of zeros included.
    max_tokens
        Longest cell, ``<cls>`` included.
    ties
        A value that several quantiles equal belongs into any of their bins. scGPT draws one of them with a uniform
        random number u, ``ceil(below u + upto (1 - u))``; 'middle' puts u = 1/2, 'highest' u = 0, as the variant of
        scGPT's function that takes one side only.
    beyond
        Genes kept of a cell that has more than `max_tokens` holds, where scGPT draws some at random. 'highest': those
        with the highest counts, ties by ascending name. 'content': a sample whose seed is the cell's own content, so
        that it depends on nothing else. Bins are those of the whole cell either way, as in scGPT.
    cls_value
        Value beside ``<cls>``: what the model was trained with for padding.
    """

    n_bins: int
    max_tokens: int
    ties: Ties = "middle"
    beyond: Beyond = "highest"
    cls_value: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what bins nothing."""
        fits = FEWEST_BINS <= self.n_bins <= MOST_BINS and self.max_tokens >= 1
        if not fits or self.ties not in TIES or self.beyond not in BEYOND:
            message = f"no binning: {self}"
            raise ValueError(message)


@dataclass(frozen=True, eq=False)
class Genes:
    """How columns of counts become genes, in ascending order of their tokens.

    Attributes
    ----------
    of_column
        int32 of shape (n_columns,): number of the column's gene, -1 = unknown.
    tokens
        int32 of shape (n_genes,), ascending.
    ranks
        int32 of shape (n_genes,): place of the gene's name in ascending order.
    cls
        Token that begins a cell, None = none.
    """

    of_column: np.ndarray
    tokens: np.ndarray
    ranks: np.ndarray
    cls: int | None = None


def tokenize_binned(
    counts: sp.csr_matrix | sp.csr_array, names: Sequence[str], vocabulary: Vocabulary, binning: Binning
) -> Tokens:
    """Encode cells as genes with binned values; genes that the vocabulary does not know are left out before binning.

    ``<cls>`` stands first, the genes follow by ascending token. Columns of one gene are summed. The result does not
    depend on the order of rows, columns or sparse indices, on other cells, or on the chunks used.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    names
        One name per column, as the vocabulary asks for them.
    vocabulary
        Genes that the model knows.
    binning
        Number of bins, longest cell, and what happens to ties and to genes beyond.

    Raises
    ------
    ScfmError
        No gene of the counts is in the vocabulary, or counts are negative or not whole.
    """
    if counts.shape != (len(counts.indptr) - 1, len(names)):
        message = f"counts of shape {counts.shape}, cells x genes, but {len(names)} names"
        raise ValueError(message)
    genes = _genes(names, vocabulary)
    parts = [bin_block(block, genes, binning) for block in blocks_of(counts, PLACE)]
    offsets = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(lengths for _, _, lengths in parts)]))
    ids = np.concatenate([np.empty(0, np.int32), *(ids for ids, _, _ in parts)])
    return Tokens(ids, offsets, np.concatenate([np.empty(0, np.float32), *(values for _, values, _ in parts)]))


def _genes(names: Sequence[str], vocabulary: Vocabulary) -> Genes:
    remedy = "Name the var column with symbols, or a gene_table that leads to them."
    present, gene = known_genes(names, vocabulary, PLACE, what="genes", remedy=remedy)
    by_token = np.argsort(vocabulary.token_ids[present], kind="stable")
    of_column = np.where(gene >= 0, np.argsort(by_token)[gene], -1).astype(np.int32)
    return Genes(of_column, vocabulary.token_ids[present][by_token], by_token.astype(np.int32), vocabulary.cls)


Encoded = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Token ids and values of neighbouring cells, and how many of them each cell has."""


def bin_block(block: RowBlock, genes: Genes, binning: Binning) -> Encoded:
    """Encode the cells of a block: compiled where numba is installed, else by numpy, with the same result.

    Raises
    ------
    ScfmError
        If counts are negative or not whole.
    """
    return (_bin_compiled if has_numba() else _bin_plain)(block, genes, binning)


# numpy --------------------------------------------------------------------------------------------------------------


def _bin_plain(block: RowBlock, genes: Genes, binning: Binning) -> Encoded:
    summed = summed_by_gene(block, genes.of_column, len(genes.tokens))
    n_cells = len(block.indptr) - 1
    n_genes = np.diff(summed.indptr).astype(np.int64)
    row, gene = np.repeat(np.arange(n_cells), n_genes), summed.indices
    count: np.ndarray = summed.data
    values = _bins(row, count, n_genes, binning)

    kept = np.ones(len(row), bool)
    limit = binning.max_tokens - (genes.cls is not None)
    too_many = np.flatnonzero((n_genes > limit)[row])
    if len(too_many):
        some, tokens = row[too_many], genes.tokens[gene[too_many]]
        if binning.beyond == "content":
            content = mixed(tokens.astype(np.uint64), count[too_many].astype(np.uint64))
            seeds = np.zeros(n_cells, np.uint64)
            np.add.at(seeds, some, content)
            keys = (gene[too_many], mixed(tokens.astype(np.uint64), seeds[some]))
        else:
            keys = (genes.ranks[gene[too_many]], -count[too_many])
        order = np.lexsort((*keys, some))
        longer = np.where(n_genes > limit, n_genes, 0)
        before = np.cumsum(longer) - longer
        kept[too_many[order]] = np.arange(len(order)) - before[some[order]] < limit

    lengths = np.minimum(n_genes, limit) + int(genes.cls is not None)
    ids, beside = np.empty(lengths.sum(), np.int32), np.empty(lengths.sum(), np.float32)
    is_gene = np.ones(len(ids), bool)
    if genes.cls is not None:
        first = np.cumsum(np.append(0, lengths))[:-1]
        ids[first], beside[first], is_gene[first] = genes.cls, binning.cls_value, False
    ids[is_gene], beside[is_gene] = genes.tokens[gene[kept]], values[kept]
    return ids, beside, lengths


def _bins(row: np.ndarray, count: np.ndarray, n_genes: np.ndarray, binning: Binning) -> np.ndarray:
    """The bin of each count among those of its row; rows ascend."""
    order = np.lexsort((count, row))
    place = np.arange(len(row)) - (np.cumsum(n_genes) - n_genes)[row]
    ascending = count[order]
    is_new = np.ones(len(row), bool)
    is_new[1:] = (ascending[1:] != ascending[:-1]) | (row[1:] != row[:-1])
    starts = np.flatnonzero(is_new)
    times = np.diff(np.append(starts, len(row)))
    first = np.repeat(place[starts], times)
    last = np.repeat(place[starts] + times - 1, times)
    n, edges = n_genes[row], binning.n_bins - 2
    steps = np.maximum(n - 1, 1)
    upto = np.where(n == 1, edges, edges * last // steps) + 1
    below = (edges * first + steps - 1) // steps
    bins = np.empty(len(row), np.int64)
    bins[order] = upto if binning.ties == "highest" else (upto + below + 1) // 2
    return bins


# numba --------------------------------------------------------------------------------------------------------------


def _bin_compiled(block: RowBlock, genes: Genes, binning: Binning) -> Encoded:
    if block.indices.dtype != np.int32:
        check_columns(block, len(genes.of_column))
    n_counts, special = np.diff(block.indptr), int(genes.cls is not None)
    room = int(np.minimum(n_counts, binning.max_tokens - special).sum()) + special * len(n_counts)
    ids, values = np.empty(room, np.int32), np.empty(room, np.float32)
    lengths = np.empty(len(n_counts), np.int64)
    cls, beyond = -1 if genes.cls is None else genes.cls, CONTENT if binning.beyond == "content" else HIGHEST
    kept = (binning.max_tokens - special, cls, binning.n_bins, binning.ties == "highest", beyond, binning.cls_value)
    run_kernel(compiled_bins, block, genes.of_column, genes.tokens, genes.ranks, *kept, ids, values, lengths)
    return ids[: lengths.sum()], values[: lengths.sum()], lengths
