"""Proofs about count matrices: are they raw integers, what are they if not, and what were they before log1p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from scfm_assets.errors import ScfmError

Kind = Literal["counts", "log1p", "log1p_part", "normalised", "signed", "other"]

LARGEST_COUNT = int(np.iinfo(np.int32).max)
CP10K = 10_000.0
MAX_DISTANCE = 0.15
"""How far from an integer a recovered count may lie before the recovery is refused."""
_CHUNK = 1 << 22
_SAMPLED_CELLS = 256
_EVEN_TOTALS = 0.01
"""Library sizes that differ by less than this share of their mean were made equal by normalisation."""


@dataclass(frozen=True)
class CountProof:
    """What a look at every stored value of a matrix found.

    Attributes
    ----------
    n_values
        Values that are not zero.
    n_not_finite, n_negative, n_fractional, n_too_large
        Values that cannot be counts. A value is counted once, under the first of these that fits.
    first
        Row, column and value of the first offender in reading order, None if there is none.
    """

    n_values: int
    n_not_finite: int
    n_negative: int
    n_fractional: int
    n_too_large: int
    first: tuple[int, int, float] | None

    @property
    def n_offenders(self) -> int:
        """Values that cannot be counts."""
        return self.n_not_finite + self.n_negative + self.n_fractional + self.n_too_large

    @property
    def ok(self) -> bool:
        """Whether the matrix holds raw counts, and at least one."""
        return self.n_offenders == 0 and self.n_values > 0

    def words(self, cells: Sequence[str], genes: Sequence[str]) -> str:
        """What the matrix holds, as the middle of a sentence: "holds 3 negative values (first: ...)"."""
        if self.n_values == 0:
            return "holds no value but zero"
        kinds = {
            "not finite": self.n_not_finite,
            "negative": self.n_negative,
            "non-integer": self.n_fractional,
            f"larger than {LARGEST_COUNT:,}": self.n_too_large,
        }
        parts = [f"{n:,} {kind}" for kind, n in kinds.items() if n]
        if self.first is None:
            return f"holds {self.n_values:,} integer values"
        row, column, value = self.first
        offenders = " and ".join(parts) + (" value" if self.n_offenders == 1 else " values")
        return f"holds {offenders} (first: {value:.6g} in cell {cells[row]}, gene {genes[column]})"


@dataclass(frozen=True)
class CountScale:
    """What the values of a matrix look like, judged from a sample of its cells.

    Attributes
    ----------
    kind
        ``counts``; ``log1p`` (cells have one library size once the logarithm is taken back); ``log1p_part`` (log1p of
        scaled counts, of which only a part of the genes is kept); ``normalised`` (one library size, no logarithm);
        ``signed`` (negative values: z-scores, residuals, corrected values); ``other``.
    words
        The same for people.
    recoverable
        Whether `recover_log1p_cp10k` is likely to bring the counts back.
    """

    kind: Kind
    words: str
    recoverable: bool = False


def shape_of(matrix: Any) -> tuple[int, int]:
    """Numbers of cells and genes."""
    n_cells, n_genes = matrix.shape
    return int(n_cells), int(n_genes)


def csr_of(matrix: Any) -> sparse.csr_matrix:
    """Any matrix of numbers, dense or sparse, as CSR with sorted indices; not a copy if it is that already."""
    if matrix.dtype == np.float16:  # scipy has no sparse matrices of it
        matrix = matrix.astype(np.float32)
    plain = sparse.csr_matrix(matrix)
    return plain if plain.has_sorted_indices else plain.sorted_indices()


def prove_counts(matrix: sparse.csr_matrix) -> CountProof:
    """Look at every stored value of a matrix, in chunks of bounded memory.

    Parameters
    ----------
    matrix
        Cells x genes, shape (n_cells, n_genes), any real or boolean type.
    """
    n_offenders = np.zeros(4, dtype=np.int64)
    first: int | None = None
    for start in range(0, len(matrix.data), _CHUNK):
        values = matrix.data[start : start + _CHUNK]
        infinite = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
        finite = np.where(infinite, values.dtype.type(0), values) if infinite.any() else values
        negative = finite < 0
        fractional = (finite != np.rint(finite)) & ~negative if finite.dtype.kind == "f" else np.zeros_like(negative)
        offending = np.stack([infinite, negative, fractional, (finite > LARGEST_COUNT) & ~fractional])
        n_offenders += offending.sum(axis=1)
        if first is None and offending.any():
            first = start + int(offending.any(axis=0).argmax())
    where = None if first is None else (*_position(matrix, first), float(matrix.data[first]))
    not_finite, negative, fractional, too_large = n_offenders.tolist()
    return CountProof(int(np.count_nonzero(matrix.data)), not_finite, negative, fractional, too_large, where)


def as_counts(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Copy a proven matrix into the one form of counts: CSR, int32, sorted indices, no stored zero.

    Parameters
    ----------
    matrix
        Cells x genes, for which `prove_counts` is ok.

    Raises
    ------
    ScfmError
        If values stored twice for one cell and gene sum to more than an int32 can hold.
    """
    values = matrix.data.astype(np.int32 if matrix.has_canonical_format else np.int64)
    counts = sparse.csr_matrix((values, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return _narrow(counts)


def scale_of(matrix: sparse.csr_matrix) -> CountScale:
    """Judge what the values of a matrix are, from at most 256 cells spread evenly over it.

    Parameters
    ----------
    matrix
        Cells x genes, shape (n_cells, n_genes).
    """
    n_cells, _ = shape_of(matrix)
    rows = np.unique(np.linspace(0, n_cells - 1, min(n_cells, _SAMPLED_CELLS)).astype(int))
    sample = sparse.csr_matrix(matrix[rows], dtype=np.float64)
    sample.eliminate_zeros()
    values = sample.data
    if not len(values) or not np.isfinite(values).all():
        return CountScale("other", "holds values that are not finite" if len(values) else "holds no value but zero")
    if values.min() < 0:
        return CountScale("signed", "looks like z-scores, residuals or corrected values (it holds negative values)")
    if np.array_equal(values, np.rint(values)):
        return CountScale("counts", "looks like counts")
    linear = sample.copy()
    linear.data = np.expm1(np.minimum(values, 50.0))
    whole_multiples = len(_far_from_integer(linear)) <= 0.01 * len(values)
    recoverable = whole_multiples and linear.sum(axis=1).max() <= CP10K * (1 + _EVEN_TOTALS)
    if total := _even_total(linear):
        return CountScale("log1p", f"looks like log1p of counts scaled to {total:,.0f} in each cell", recoverable)
    if total := _even_total(sample):
        return CountScale("normalised", f"looks like counts scaled to {total:,.0f} in each cell")
    if whole_multiples:
        return CountScale("log1p_part", "looks like log1p of scaled counts of a part of the genes", recoverable)
    return CountScale("other", "looks neither like counts nor like log1p of scaled counts")


def recover_log1p_cp10k(
    matrix: sparse.csr_matrix, *, place: str, cells: Sequence[str], genes: Sequence[str]
) -> sparse.csr_matrix:
    """Recover the counts under ``log1p(counts / cell total * 10,000)``, and prove each of them.

    Within a cell ``expm1(value)`` is ``count * 10,000 / total``, so that its smallest non-zero value stands for one
    count, and every other divided by it must lie within 0.15 of an integer (values are often rounded to three
    decimals). A cell may hold a part of its genes only: what is here may sum to less than 10,000, never to more.

    Parameters
    ----------
    matrix
        Cells x genes, shape (n_cells, n_genes).
    place
        Where the matrix comes from, for errors.
    cells, genes
        Names of rows and columns, for errors.

    Returns
    -------
    Counts, CSR int32 of the same shape.

    Raises
    ------
    ScfmError
        If a value is negative or not finite, if an entry is farther than 0.15 from an integer, or if a cell holds more
        than 10,000. Names the first such cell and gene, and the value.
    """
    scaled = sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    scaled.sum_duplicates()
    scaled.eliminate_zeros()
    remedy = "Name the place that holds raw counts, and leave `recover` out."
    impossible = ~((scaled.data > 0) & (scaled.data < np.log1p(CP10K) + 0.01))
    if impossible.any():
        row, column = _position(scaled, int(impossible.argmax()))
        problem = (
            f"log1p of counts scaled to 10,000 lies between 0 and {np.log1p(CP10K):.2f}, but {impossible.sum():,} "
            f"values do not (first: {scaled.data[impossible][0]:.6g} in cell {cells[row]}, gene {genes[column]})"
        )
        raise ScfmError(place, problem, remedy)
    scaled.data = np.expm1(scaled.data)
    totals = np.asarray(scaled.sum(axis=1)).ravel()
    too_much = totals > CP10K * (1 + _EVEN_TOTALS)
    if too_much.any():
        row = int(too_much.argmax())
        problem = f"counts scaled to 10,000 cannot sum to {totals[row]:,.0f}, as they do in cell {cells[row]}"
        raise ScfmError(place, problem, remedy)
    far = _far_from_integer(scaled)
    if len(far):
        row, column = _position(scaled, int(far[0]))
        value, multiple = float(np.log1p(scaled.data[far[0]])), float(_multiples(scaled)[far[0]])
        problem = (
            f"{len(far):,} of {scaled.nnz:,} values are, once log1p is taken back, no whole multiple (within "
            f"{MAX_DISTANCE}) of their cell's smallest (first: {value:.6g}, which would be {multiple:.3f} counts, "
            f"in cell {cells[row]}, gene {genes[column]})"
        )
        raise ScfmError(place, problem, remedy)
    scaled.data = np.rint(_multiples(scaled))
    return as_counts(scaled)


def merge_columns(counts: sparse.csr_matrix, group: np.ndarray) -> sparse.csr_matrix:
    """Sum the columns of each group.

    Parameters
    ----------
    counts
        CSR int32, shape (n_cells, n_genes).
    group
        Group of each column, shape (n_genes,), holding 0 .. n_groups - 1.

    Returns
    -------
    CSR int32, shape (n_cells, n_groups), sorted indices.
    """
    _, n_genes = shape_of(counts)
    members = sparse.csr_matrix((np.ones(n_genes, dtype=np.int64), (np.arange(n_genes), group)))
    merged = sparse.csr_matrix(counts @ members)
    merged.sort_indices()
    return _narrow(merged)


def _narrow(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Store the counts as int32."""
    largest = int(counts.data.max(initial=0))
    if largest > LARGEST_COUNT:
        place = "counts"
        raise ScfmError(place, f"one cell and gene sum to {largest:,}", f"A count is at most {LARGEST_COUNT:,}.")
    counts.data = counts.data.astype(np.int32, copy=False)
    return counts


def _position(matrix: sparse.csr_matrix, at: int) -> tuple[int, int]:
    """Row and column of the stored value number `at`."""
    return int(np.searchsorted(matrix.indptr, at, side="right")) - 1, int(matrix.indices[at])


def _multiples(positive: sparse.csr_matrix) -> np.ndarray:
    """Each stored value divided by the smallest of its row, shape (nnz,)."""
    n_cells, _ = shape_of(positive)
    row_of_value = np.repeat(np.arange(n_cells), np.diff(positive.indptr))
    smallest = np.full(n_cells, np.inf)
    np.minimum.at(smallest, row_of_value, positive.data)
    return positive.data / smallest[row_of_value]


def _far_from_integer(positive: sparse.csr_matrix) -> np.ndarray:
    """Positions of the stored values that are no whole multiple of the smallest of their row."""
    multiples = _multiples(positive)
    return np.flatnonzero(~(np.abs(multiples - np.rint(multiples)) <= MAX_DISTANCE))


def _even_total(matrix: sparse.csr_matrix) -> float | None:
    """The sum that all rows share, None if they differ; rows without values do not count."""
    totals: Any = np.asarray(matrix.sum(axis=1)).ravel()
    totals = totals[totals > 0]
    if len(totals) < 2 or np.ptp(totals) > _EVEN_TOTALS * totals.mean():
        return None
    return float(np.median(totals))
