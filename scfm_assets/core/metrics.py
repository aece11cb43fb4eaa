"""Ranking metrics from counts: how positives lie among negatives, with exact ties, weights and bootstraps.

Only the order of the negatives relative to the positives matters. With u_1 < ... < u_p the distinct scores of the
positives, every pair falls into one bin: a positive at u_j, a negative tied with u_j, or a negative between two of
them. All metrics are sums over these bins, and so are their bootstraps: drawing pairs with replacement is a multinomial
over the bins, drawing TFs with replacement is a weighted sum of the bins of each TF.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 500_000
"""Bins that are held at once while resampling: a few MB, so that they stay in the cache."""


@dataclass(frozen=True)
class Bins:
    """Weights of pairs by where they lie among the positives; leading axes are rankings (resamples, TFs).

    Attributes
    ----------
    positive
        Positives at each distinct positive score, ascending, shape (..., p).
    tied
        Negatives at exactly that score, shape (..., p).
    between
        Negatives below the first, between two, and above the last, shape (..., p + 1).
    """

    positive: np.ndarray
    tied: np.ndarray
    between: np.ndarray

    @property
    def width(self) -> int:
        """Number of bins, 3 p + 1."""
        return 3 * self.positive.shape[-1] + 1

    def joined(self) -> np.ndarray:
        """All bins side by side, shape (..., 3 p + 1)."""
        return np.concatenate([self.positive, self.tied, self.between], axis=-1)

    @classmethod
    def split(cls, joined: np.ndarray) -> Bins:
        """Undo `joined`."""
        p = joined.shape[-1] // 3
        return cls(joined[..., :p], joined[..., p : 2 * p], joined[..., 2 * p :])

    def total(self) -> Bins:
        """Sum over the first axis."""
        return Bins(self.positive.sum(axis=0), self.tied.sum(axis=0), self.between.sum(axis=0))

    def __add__(self, other: Bins) -> Bins:
        """Put the pairs of both into one ranking."""
        return Bins(self.positive + other.positive, self.tied + other.tied, self.between + other.between)

    def __sub__(self, other: Bins) -> Bins:
        """Take the pairs of `other` away."""
        return Bins(self.positive - other.positive, self.tied - other.tied, self.between - other.between)

    @cached_property
    def n_pos(self) -> np.ndarray:
        """Weight of all positives, shape (...)."""
        return self.positive.sum(axis=-1)

    @cached_property
    def n_neg(self) -> np.ndarray:
        """Weight of all negatives, shape (...)."""
        return self.tied.sum(axis=-1) + self.between.sum(axis=-1)

    @cached_property
    def below(self) -> np.ndarray:
        """Negatives scored lower than each positive score, shape (..., p)."""
        return np.cumsum(self.between[..., :-1] + self.tied, axis=-1) - self.tied

    @cached_property
    def hits(self) -> np.ndarray:
        """Positives scored at least as high, shape (..., p)."""
        return self.n_pos[..., None] - np.cumsum(self.positive, axis=-1) + self.positive

    @cached_property
    def called(self) -> np.ndarray:
        """Pairs scored at least as high, shape (..., p)."""
        return self.hits + self.n_neg[..., None] - self.below


def bins_of(scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray | None = None) -> Bins:
    """Count the bins of one ranking.

    Parameters
    ----------
    scores
        Score of each pair, shape (n,); higher means more likely an edge.
    is_positive
        Whether the pair is an edge, boolean (n,).
    weights
        Weight of each pair, shape (n,); 1 for each where None.
    """
    thresholds = np.unique(scores[is_positive])
    rows, keep = np.zeros(len(scores), np.int64), np.ones(len(scores), bool)
    codes = codes_of(scores, thresholds)
    every = count_codes(codes, rows, keep, shape=(1, len(thresholds)), weights=weights)
    chosen = count_codes(codes, rows, is_positive, shape=(1, len(thresholds)), weights=weights)
    return as_bins(every, chosen).total()


def codes_of(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Say where scores lie among ascending thresholds u: 2 j between u_{j-1} and u_j, 2 j + 1 at u_j (0-based j)."""
    if len(thresholds) == 0:
        return np.zeros(scores.shape, np.int64)
    place = np.searchsorted(thresholds, scores)
    return 2 * place + (thresholds[np.minimum(place, len(thresholds) - 1)] == scores)


def count_codes(
    codes: np.ndarray,
    rows: np.ndarray,
    keep: np.ndarray,
    *,
    shape: tuple[int, int],
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Count codes per row: shape (n_rows, 2 p + 1) for `shape` (n_rows, p), of the entries that are kept."""
    n_rows, width = shape[0], 2 * shape[1] + 1
    flat = (rows * width + codes)[keep]
    kept = None if weights is None else weights[keep]
    return np.bincount(flat, kept, minlength=n_rows * width).astype(np.float64).reshape(n_rows, width)


def codes_of_sorted(ascending: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count codes of sorted scores (n,) without looking at each: shape (2 p + 1,)."""
    ends = np.empty(2 * len(thresholds) + 2, np.int64)
    ends[0], ends[-1] = 0, len(ascending)
    ends[1:-1:2] = np.searchsorted(ascending, thresholds, side="left")
    ends[2:-1:2] = np.searchsorted(ascending, thresholds, side="right")
    return np.diff(ends).astype(np.float64)


def as_bins(every: np.ndarray, chosen: np.ndarray) -> Bins:
    """Make bins of counted codes (..., 2 p + 1) of all pairs and of the positives among them."""
    positive = chosen[..., 1::2]
    return Bins(positive, every[..., 1::2] - positive, every[..., 0::2])


def auroc(bins: Bins) -> np.ndarray:
    """Share of (positive, negative) pairs in the right order, ties counting half: U / (n_pos n_neg)."""
    doubled = (bins.positive * (2 * bins.below + bins.tied)).sum(axis=-1)
    return _ratio(doubled, 2 * bins.n_pos * bins.n_neg)


def average_precision(bins: Bins) -> np.ndarray:
    """Sum of precision times gain in recall over the distinct scores, as scikit-learn defines average precision."""
    precision = bins.hits / np.maximum(bins.called, np.finfo(float).tiny)
    return _ratio((bins.positive * precision).sum(axis=-1), bins.n_pos)


def base_rate(bins: Bins) -> np.ndarray:
    """Share of positives: the average precision of a method that knows nothing."""
    return _ratio(bins.n_pos, bins.n_pos + bins.n_neg)


def average_precision_ratio(bins: Bins) -> np.ndarray:
    """Average precision over the base rate: 1 for a method that knows nothing, whatever the universe."""
    return _ratio(average_precision(bins), base_rate(bins))


def early_precision_ratio(bins: Bins) -> np.ndarray:
    """Precision among the n_pos best pairs over the base rate (BEELINE); ties at the cut count by expectation."""
    size = bins.positive + bins.tied
    taken = np.clip(bins.n_pos[..., None] - (bins.called - size), 0, size)
    hits = (bins.positive * taken / np.maximum(size, np.finfo(float).tiny)).sum(axis=-1)
    return _ratio(_ratio(hits, bins.n_pos), base_rate(bins))


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by: no positives or no negatives."""
    return np.divide(over, under, out=np.full(np.shape(under), np.nan), where=np.asarray(under) > 0)


@dataclass(frozen=True)
class Metric:
    """One number that says how well a ranking finds the positives: bins -> value, over leading axes."""

    name: str
    function: Callable[[Bins], np.ndarray]
    chance: float | None
    """What a method that knows nothing expects; None where that is the base rate."""

    @property
    def doc(self) -> str:
        """What it is, in one sentence."""
        return (self.function.__doc__ or "").split("\n")[0]


METRICS = (
    Metric("auroc", auroc, chance=0.5),
    Metric("auprc", average_precision, chance=None),
    Metric("auprc_ratio", average_precision_ratio, chance=1.0),
    Metric("epr", early_precision_ratio, chance=1.0),
)


def values_of(bins: Bins) -> np.ndarray:
    """Compute all of `METRICS`, shape (n_metrics, ...)."""
    return np.stack([np.asarray(metric.function(bins)) for metric in METRICS])


def pair_bootstrap(bins: Bins, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw pairs with replacement, as a multinomial over the bins, which is the same distribution.

    Parameters
    ----------
    bins
        Counts of one ranking with positives and negatives, shapes (p,), (p,), (p + 1,).
    resamples
        Number of draws.
    rng
        Decides the draws.

    Returns
    -------
    Metrics of each draw, shape (n_metrics, resamples); NaN where a draw holds no positive or no negative.
    """
    joined = bins.joined()
    filled = np.flatnonzero(joined)
    n, shares = int(joined.sum()), joined[filled] / joined.sum()

    def draw(count: int) -> np.ndarray:
        drawn = np.zeros((count, bins.width))
        drawn[:, filled] = rng.multinomial(n, shares, size=count)
        return drawn

    return np.concatenate([values_of(Bins.split(draw(count))) for count in _chunks(resamples, bins.width)], axis=1)


def tf_bootstrap(
    bins_of_tf: Bins, background: Bins | None = None, *, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw TFs with replacement, each with all its pairs: pairs of one TF are not independent.

    Parameters
    ----------
    bins_of_tf
        Counts per TF, shapes (n_tfs, p), (n_tfs, p), (n_tfs, p + 1).
    background
        Counts of pairs whose first gene is no TF; they stand in every draw.
    resamples, rng
        As in `pair_bootstrap`.

    Returns
    -------
    As `pair_bootstrap`.
    """
    joined = bins_of_tf.joined()
    n_tfs = len(joined)
    # Counts up to 2**24 are exact in float32, and its matrix product is twice as fast.
    exact = np.float32 if n_tfs * joined.sum(axis=1).max() < 2**24 else np.float64
    table = joined.astype(exact)
    fixed = 0 if background is None else background.joined()

    def draw(count: int) -> np.ndarray:
        weights = rng.multinomial(n_tfs, np.full(n_tfs, 1 / n_tfs), size=count).astype(exact)
        return (weights @ table).astype(np.float64) + fixed

    return np.concatenate(
        [values_of(Bins.split(draw(count))) for count in _chunks(resamples, bins_of_tf.width)], axis=1
    )


def _chunks(resamples: int, width: int) -> Iterator[int]:
    size = max(1, CHUNK // width)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def percentile_interval(draws: np.ndarray, *, level: float) -> tuple[float, float, int]:
    """Give the percentile interval of resampled values (resamples,), and how many of them were defined.

    Returns
    -------
    Lower and upper limit, NaN if no draw was defined, and the number of defined draws.
    """
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0:
        return float("nan"), float("nan"), 0
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(defined)
