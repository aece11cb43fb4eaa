"""Where pairs stand among each other: with that, any of them can be the positives without ranking anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.metrics.metrics import Bins


@dataclass(frozen=True, eq=False)
class PairRanks:
    """Where n pairs stand: all that is to be known of a ranking, whichever of them are the positives.

    Attributes
    ----------
    below, upto
        Pairs that score less, and at most as much, int64 (n,).
    """

    below: np.ndarray
    upto: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> PairRanks:
        """Sort finite scores (n,) once."""
        order = np.argsort(scores, kind="stable")
        ordered = scores[order]
        first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, np.int64)
        ends = np.append(first[1:], len(ordered)) if len(ordered) else first
        below, upto = np.empty((2, len(ordered)), np.int64)
        below[order], upto[order] = np.repeat(first, ends - first), np.repeat(ends, ends - first)
        return cls(below, upto)

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.below)

    def bins(self, chosen: np.ndarray) -> Bins:
        """Count the bins if the pairs at these places, (n_pos,), are the positives: those of `bins_of`."""
        below, first, count = np.unique(self.below[chosen], return_index=True, return_counts=True)
        positive, n_pos = count.astype(np.float64), int(count.sum())
        lower = np.cumsum(positive) - positive
        return Bins(positive, self.upto[chosen][first] - below - positive, below - lower, np.array(self.n - n_pos))

    def auroc(self, chosen: np.ndarray) -> np.ndarray:
        """AUROC if these places, (..., n_pos), are the positives: from the sum of their ranks (Mann and Whitney)."""
        n_pos = chosen.shape[-1]
        doubled = (self.below[chosen] + self.upto[chosen] + 1).sum(axis=-1)
        return (doubled - n_pos * (n_pos + 1)) / (2.0 * n_pos * (self.n - n_pos))

    def average_precision(self, chosen: np.ndarray) -> np.ndarray:
        """Average precision if these places, (..., n_pos), are the positives; ties as in `metrics`."""
        called = np.sort(self.n - self.below[chosen], axis=-1)
        n_pos = called.shape[-1]
        order = np.arange(1, n_pos + 1)
        # Of positives with one score all count as hits: the last of each run, carried to those before it.
        last = np.append(np.diff(called, axis=-1) > 0, np.ones((*called.shape[:-1], 1), bool), axis=-1)
        hits = np.where(last, order, n_pos + 1)
        hits = np.minimum.accumulate(hits[..., ::-1], axis=-1)[..., ::-1]
        return (hits / called).mean(axis=-1)

    def early_precision_ratio(self, chosen: np.ndarray) -> np.ndarray:
        """Precision of the n_pos best pairs over the base rate; ties at the cut count by expectation."""
        n_pos = chosen.shape[-1]
        above, called = self.n - self.upto[chosen], self.n - self.below[chosen]
        taken = np.clip((n_pos - above) / (called - above), 0, 1).sum(axis=-1)
        return taken / n_pos * self.n / n_pos


METRICS_OF_PLACES: dict[str, Callable[[PairRanks, np.ndarray], np.ndarray]] = {
    "auroc": PairRanks.auroc,
    "auprc": PairRanks.average_precision,
    "epr": PairRanks.early_precision_ratio,
}
"""Metrics of many choices of positives at once. The order by `auprc_ratio` is that by `auprc`: the base rate stays."""
