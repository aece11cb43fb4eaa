"""Bootstraps of rankings from their bins: over pairs, and over TFs with all their pairs.

Drawing pairs with replacement is a multinomial over the bins; drawing TFs with replacement is a weighted sum of the
bins of each TF. Neither looks at a score again, and rankings of the same pairs by many methods share their draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from scfm_assets.core.metrics import METRICS, Bins, values_of
from scfm_assets.core.statistics.multinomial import Multinomial

AT_ONCE = 1 << 17
"""Bins that are held at once while resampling: few enough to stay in the cache. No result depends on it."""


class PairBootstrap:
    """Draws pairs with replacement from rankings with the same numbers of positives and negatives.

    How often each positive is drawn, in the order of the scores, and how many negatives, is decided once and shared by
    all rankings. Each ranking by itself sees draws of pairs with equal chances.

    Parameters
    ----------
    n_pos, n_neg
        Positives and negatives of the rankings, at least 1 each.
    resamples
        Number of draws.
    seed
        Decides them.
    """

    def __init__(self, n_pos: int, n_neg: int, *, resamples: int, seed: int) -> None:
        self.n_pos, self.n_neg, self.resamples = n_pos, n_neg, resamples
        self.seed = seed

    @cached_property
    def positives(self) -> np.ndarray:
        """How often each positive is drawn, ascending by score, shape (resamples, n_pos)."""
        totals, which = (np.random.default_rng([self.seed, purpose]) for purpose in (0, 1))
        n = self.n_pos + self.n_neg
        n_drawn = totals.binomial(n, self.n_pos / n, size=self.resamples)
        drawn = which.integers(self.n_pos, size=int(n_drawn.sum()), dtype=np.uint32).astype(np.int64)
        drawn += np.repeat(np.arange(self.resamples) * self.n_pos, n_drawn)
        counted = np.bincount(drawn, minlength=self.resamples * self.n_pos).astype(np.int32)
        return counted.reshape(self.resamples, self.n_pos)

    def draws(self, bins: Bins) -> Iterator[Bins]:
        """Draw from one ranking with whole counts, shapes (p,); some resamples at a time, in order."""
        held = np.flatnonzero(bins.positive)
        if len(held) < len(bins.positive):
            bins = Bins(bins.positive[held], bins.tied[held], bins.below[held], bins.n_neg)
        of_score = bins.positive.astype(np.int64)
        if (int(of_score.sum()), int(bins.n_neg)) != (self.n_pos, self.n_neg):
            message = f"made for {self.n_pos} positives and {self.n_neg} negatives, not {bins.n_pos} and {bins.n_neg}"
            raise ValueError(message)
        first = np.cumsum(of_score) - of_score
        tied = np.flatnonzero(bins.tied)
        # Negatives in ascending order: below u_1, tied with u_1, between u_1 and u_2, ...; those without any left out.
        counts = np.empty(2 * len(of_score) + 1, np.int64)
        counts[1::2] = bins.tied
        counts[0::2] = np.diff(np.append(bins.below, bins.n_neg), prepend=0) - np.append(0, bins.tied)
        filled = np.flatnonzero(counts)
        lower = np.searchsorted(filled, np.arange(1, len(counts), 2))
        at = np.searchsorted(filled, 2 * tied + 1)
        negatives = Multinomial(counts[filled], np.random.SeedSequence([self.seed, 2]))
        size = max(1, AT_ONCE // len(filled))
        for start in range(0, self.resamples, size):
            drawn = self.positives[start : start + size]
            totals = self.n_pos + self.n_neg - drawn.sum(axis=1)
            drawn = drawn if len(of_score) == self.n_pos else np.add.reduceat(drawn, first, axis=1)
            of_bin = negatives.draw(totals)
            summed = np.zeros((len(totals), len(filled) + 1), np.int64)
            np.cumsum(of_bin, axis=1, out=summed[:, 1:])
            at_score = np.broadcast_to(0.0, drawn.shape)
            if len(tied):
                at_score = np.zeros(drawn.shape)
                at_score[:, tied] = of_bin[:, at]
            yield Bins(drawn, at_score, summed.take(lower, axis=1).astype(np.float64), totals)

    def values(self, bins: Bins) -> np.ndarray:
        """Metrics of each draw, shape (n_metrics, resamples); NaN where it lacks positives or negatives."""
        return np.concatenate([values_of(drawn) for drawn in self.draws(bins)], axis=1)


def tf_bootstrap(bins_of_tf: Bins, weights: np.ndarray, background: Bins | None = None) -> np.ndarray:
    """Weigh TFs, each with all its pairs: pairs of one TF are not independent.

    Parameters
    ----------
    bins_of_tf
        Counts per TF, shapes (n_tfs, p).
    weights
        How often each TF counts, shape (resamples, n_tfs).
    background
        Counts of pairs whose first gene is no TF; they stand in every draw.

    Returns
    -------
    Metrics of each draw, shape (n_metrics, resamples); NaN where a draw holds no positive or no negative.
    """
    n_tfs, p = bins_of_tf.positive.shape
    tied = np.flatnonzero(bins_of_tf.tied.any(axis=0))
    most = (bins_of_tf.n_neg + bins_of_tf.n_pos).max()
    # Counts up to 2**24 are exact in float32, and its matrix product is twice as fast.
    exact = np.float32 if n_tfs * most < 2**24 else np.float64
    parts = (bins_of_tf.positive, bins_of_tf.below, bins_of_tf.tied[:, tied], bins_of_tf.n_neg[:, None])
    tables = [part.astype(exact) for part in parts]
    size = max(1, AT_ONCE // max(1, p))
    values = []
    for start in range(0, len(weights), size):
        chosen = weights[start : start + size].astype(exact)
        positive, below, ties, n_neg = (chosen @ table for table in tables)
        at_score = np.broadcast_to(0.0, positive.shape)
        if len(tied):
            at_score = np.zeros(positive.shape)
            at_score[:, tied] = ties
        bins = Bins(positive.astype(np.int64), at_score, below.astype(np.float64), n_neg[:, 0].astype(np.float64))
        values.append(values_of(bins if background is None else bins + background))
    return np.concatenate(values, axis=1) if values else np.empty((len(METRICS), 0))


def tf_jackknife(bins_of_tf: Bins, background: Bins | None = None) -> np.ndarray:
    """Leave each TF out in turn, with all its pairs.

    Parameters
    ----------
    bins_of_tf
        Whole counts per TF, shapes (n_tfs, p).
    background
        Counts of pairs whose first gene is no TF; they stay.

    Returns
    -------
    Metrics without each TF, shape (n_metrics, n_tfs); NaN where no positive or no negative is left.
    """
    n_tfs, p = bins_of_tf.positive.shape
    total = bins_of_tf.total()
    total = total if background is None else total + background
    size = max(1, AT_ONCE // max(1, p))
    values = []
    for start in range(0, n_tfs, size):
        left_out = bins_of_tf[start : start + size]
        tied, below, n_neg = (
            np.subtract(every, of_tf, dtype=np.float64)
            for every, of_tf in (
                (total.tied, left_out.tied),
                (total.below, left_out.below),
                (total.n_neg, left_out.n_neg),
            )
        )
        values.append(values_of(Bins((total.positive - left_out.positive).astype(np.int64), tied, below, n_neg)))
    return np.concatenate(values, axis=1) if values else np.empty((len(METRICS), 0))
