"""Ranking metrics from counts: how positives lie among negatives, with exact ties and weights.

Only the order of the negatives relative to the positives matters. With u_1 < ... < u_p the distinct scores of the
positives, a ranking is known by the positives at each u_j, the negatives tied with them and the negatives below them.
All metrics are sums over these bins, and so are their resamples (`scfm_assets.core.statistics.resampling`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scfm_assets.core.metrics.thresholds import codes_of

TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Bins:
    """Weights of pairs by where they lie among the positives; leading axes are rankings (resamples, TFs).

    Attributes
    ----------
    positive
        Positives at each distinct positive score, ascending, shape (..., p).
    tied
        Negatives at exactly that score, shape (..., p).
    below
        Negatives scored lower, shape (..., p).
    n_neg
        All negatives, shape (...).
    """

    positive: np.ndarray
    tied: np.ndarray
    below: np.ndarray
    n_neg: np.ndarray

    def __getitem__(self, rankings: int | slice) -> Bins:
        """Take rankings along the first axis."""
        return Bins(self.positive[rankings], self.tied[rankings], self.below[rankings], self.n_neg[rankings])

    def total(self) -> Bins:
        """Sum over the first axis."""
        return Bins(self.positive.sum(axis=0), self.tied.sum(axis=0), self.below.sum(axis=0), self.n_neg.sum(axis=0))

    def __add__(self, other: Bins) -> Bins:
        """Put the pairs of both into one ranking."""
        positive, tied, below = self.positive + other.positive, self.tied + other.tied, self.below + other.below
        return Bins(positive, tied, below, self.n_neg + other.n_neg)

    @cached_property
    def n_pos(self) -> np.ndarray:
        """All positives, shape (...)."""
        return self.positive.sum(axis=-1)

    @cached_property
    def hits(self) -> np.ndarray:
        """Positives scored at least as high, shape (..., p)."""
        # Sums of whole numbers are several times faster in integers: draws hold them.
        return np.asarray(self.n_pos[..., None] - np.cumsum(self.positive, axis=-1) + self.positive, np.float64)

    @cached_property
    def weight(self) -> np.ndarray:
        """`positive` in float64."""
        return np.asarray(self.positive, np.float64)

    @cached_property
    def called(self) -> np.ndarray:
        """Pairs scored at least as high, shape (..., p)."""
        return self.hits + (self.n_neg[..., None] - self.below)

    @cached_property
    def average_precision(self) -> np.ndarray:
        """See the metric, shape (...): two of them are made of it."""
        return _ratio(_dot(self.weight, self.hits / np.maximum(self.called, TINY)), self.n_pos)


def bins_of(scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray | None = None) -> Bins:
    """Count the bins of one ranking.

    Parameters
    ----------
    scores
        Score of each pair, finite, shape (n,); higher means more likely an edge.
    is_positive
        Whether the pair is an edge, boolean (n,).
    weights
        Weight of each pair, shape (n,); 1 for each where None.
    """
    thresholds = np.unique(scores[is_positive])
    codes, width = codes_of(scores, thresholds), 2 * len(thresholds) + 1
    positive_weights = None if weights is None else weights[is_positive]
    every = np.bincount(codes, weights, minlength=width).astype(np.float64)
    return as_bins(every, np.bincount(codes[is_positive], positive_weights, minlength=width).astype(np.float64))


def bins_of_clusters(scores: np.ndarray, n_pairs: np.ndarray, n_positive: np.ndarray) -> Bins:
    """Count the bins of one ranking whose pairs score what their TF, or their target, scores.

    Parameters
    ----------
    scores
        Score of each cluster, finite, shape (C,).
    n_pairs, n_positive
        Pairs of each cluster, and edges among them, shapes (C,).
    """
    thresholds = np.unique(scores[n_positive > 0])
    codes, width = codes_of(scores, thresholds), 2 * len(thresholds) + 1
    every, chosen = (np.bincount(codes, counts, minlength=width) for counts in (n_pairs, n_positive))
    return as_bins(every, chosen)


def as_bins(every: np.ndarray, chosen: np.ndarray) -> Bins:
    """Make bins of counted codes (..., 2 p + 1), see `codes_of`, of all pairs and of the positives among them."""
    negative = every - chosen
    lower = np.cumsum(negative, axis=-1)
    return Bins(chosen[..., 1::2], negative[..., 1::2], lower[..., 0:-1:2], lower[..., -1])


def auroc(bins: Bins) -> np.ndarray:
    """Share of (positive, negative) pairs in the right order, ties counting half: U / (n_pos n_neg)."""
    doubled = 2 * _dot(bins.weight, bins.below) + _dot(bins.weight, bins.tied)
    return _ratio(doubled, 2 * bins.n_pos * bins.n_neg)


def average_precision(bins: Bins) -> np.ndarray:
    """Sum of precision times gain in recall over the distinct scores, as scikit-learn defines average precision."""
    return bins.average_precision


def base_rate(bins: Bins) -> np.ndarray:
    """Share of positives: the average precision of a method that knows nothing."""
    return _ratio(bins.n_pos, bins.n_pos + bins.n_neg)


def average_precision_ratio(bins: Bins) -> np.ndarray:
    """Average precision over the base rate: 1 for a method that knows nothing, whatever the universe."""
    return _ratio(bins.average_precision, base_rate(bins))


def early_precision_ratio(bins: Bins) -> np.ndarray:
    """Precision among the n_pos best pairs over the base rate (BEELINE); ties at the cut count by expectation."""
    if bins.positive.shape[-1] == 0:
        return np.full(np.shape(bins.n_neg), np.nan)
    # The scores whose pairs are all among the n_pos best come last; the cut goes through the one before them, or above.
    n_inside = np.count_nonzero(bins.called <= bins.n_pos[..., None], axis=-1)
    cut = np.maximum(bins.positive.shape[-1] - 1 - n_inside, 0)[..., None]
    positive, tied, hits, called = (
        np.take_along_axis(part, cut, axis=-1)[..., 0] for part in (bins.weight, bins.tied, bins.hits, bins.called)
    )
    size = positive + tied
    taken = np.clip(bins.n_pos - (called - size), 0, size)
    expected_hits = hits - positive + positive * taken / np.maximum(size, TINY)
    return _ratio(_ratio(expected_hits, bins.n_pos), base_rate(bins))


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("...p,...p->...", left, right)


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
    over_base_rate: bool = False
    """Whether the largest value is 1 over the base rate, not 1; the smallest is 0."""

    @property
    def doc(self) -> str:
        """What it is, in one sentence."""
        return (self.function.__doc__ or "").split("\n")[0]


METRICS = (
    Metric("auroc", auroc, chance=0.5),
    Metric("auprc", average_precision, chance=None),
    Metric("auprc_ratio", average_precision_ratio, chance=1.0, over_base_rate=True),
    Metric("epr", early_precision_ratio, chance=1.0, over_base_rate=True),
)
CURVE_METRICS = ("auroc", "auprc")
"""Metrics that curves over the number of cells are fitted to; their errors are kept in parts."""


def largest_values(base_rate: float) -> np.ndarray:
    """Largest possible value of each metric of a ranking with this share of positives."""
    return np.array([1 / base_rate if metric.over_base_rate else 1.0 for metric in METRICS])


def values_of(bins: Bins) -> np.ndarray:
    """Compute all of `METRICS`, shape (n_metrics, ...)."""
    return np.stack([np.asarray(metric.function(bins)) for metric in METRICS])


def values_of_several(rankings: Sequence[Bins]) -> np.ndarray:
    """Compute all of `METRICS` of several rankings, shapes (p,) each, at once; (rankings, n_metrics)."""
    width = max((len(bins.positive) for bins in rankings), default=0)

    def beside(parts: list[np.ndarray]) -> np.ndarray:
        # Scores that no pair has, lower than all others, change nothing.
        both = np.zeros((len(parts), width), np.result_type(*parts))
        for row, part in zip(both, parts, strict=True):
            row[width - len(part) :] = part
        return both

    if not rankings:
        return np.empty((0, len(METRICS)))
    positive, tied, below = (
        beside([getattr(bins, name) for bins in rankings]) for name in ("positive", "tied", "below")
    )
    return values_of(Bins(positive, tied, below, np.array([bins.n_neg for bins in rankings]))).T
