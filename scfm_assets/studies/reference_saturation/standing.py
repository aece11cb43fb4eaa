"""Where edges stand in a ranking: with that, any of them can be labelled without ranking anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scfm_assets.core.metrics import Bins


@dataclass(frozen=True, eq=False)
class Standing:
    """Where P edges stand among n pairs: all that is to be known of a ranking, whichever of the edges are labelled.

    Attributes
    ----------
    scores
        Of the edges, shape (P,).
    below, upto
        Pairs that score less, and at most as much, int64 (P,).
    n
        Pairs.
    """

    scores: np.ndarray
    below: np.ndarray
    upto: np.ndarray
    n: int

    @classmethod
    def of(cls, scores: np.ndarray, is_edge: np.ndarray) -> Standing:
        """Sort the scores (n,) of all pairs once."""
        ordered, own = np.sort(scores), scores[is_edge]
        return cls(own, np.searchsorted(ordered, own), np.searchsorted(ordered, own, side="right"), len(scores))

    def bins(self, labelled: np.ndarray) -> Bins:
        """Count the bins of some edges, boolean (P,), among all other pairs: those of `bins_of`."""
        _, first, count = np.unique(self.scores[labelled], return_index=True, return_counts=True)
        below, upto = self.below[labelled][first], self.upto[labelled][first]
        positive, n_pos = count.astype(np.float64), int(count.sum())
        lower = np.cumsum(positive) - positive
        return Bins(positive, upto - below - positive, below - lower, np.array(self.n - n_pos))
