"""One matrix of scores read against a network: what networks, universes and directions share is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core import metrics
from scfm_assets.core.universe import PanelEdges, Universe, candidates

if TYPE_CHECKING:
    from scfm_assets.core.edges import Direction


class Ranked:
    """One matrix of scores: what all its networks, universes and directions share is computed once."""

    def __init__(self, matrix: np.ndarray, seen: np.ndarray) -> None:
        if not np.isfinite(matrix).all():
            message = "edge scores hold NaN or infinity"
            raise ValueError(message)
        self.matrix = matrix
        self.seen = seen
        self._sorted: dict[bool, np.ndarray] = {}

    def ascending(self, *, seen_only: bool) -> np.ndarray:
        """Sort the scores of all ordered pairs; the same numbers whichever end is the TF."""
        if seen_only not in self._sorted:
            mask = self.seen.copy() if seen_only else np.ones(self.seen.shape, bool)
            np.fill_diagonal(mask, val=False)
            self._sorted[seen_only] = np.sort(self.matrix[mask])
        return self._sorted[seen_only]


@dataclass(frozen=True)
class Reading:
    """One matrix read in one direction against one network: where each TF's pairs lie among the positives."""

    ranked: Ranked
    edges: PanelEdges
    direction: Direction

    @cached_property
    def rows(self) -> np.ndarray:
        """Scores of the TFs' pairs, shape (n_tfs, K)."""
        return np.ascontiguousarray(self.direction.orient(self.ranked.matrix)[self.edges.tfs])

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Distinct scores of the positives, ascending."""
        return np.unique(self.direction.orient(self.ranked.matrix)[self.edges.source, self.edges.target])

    @cached_property
    def codes(self) -> np.ndarray:
        """Where each pair of `rows` lies among the thresholds."""
        return metrics.codes_of(self.rows, self.thresholds)

    def of_tfs(self, universe: Universe) -> metrics.Bins:
        """Bins of each TF's own pairs, shapes (n_tfs, p)."""
        tfs = self.edges.tfs
        # Whether two genes were seen together has no direction.
        keep = self.ranked.seen[tfs] if universe.seen_only else np.ones(self.rows.shape, bool)
        keep[np.arange(len(tfs)), tfs] = False
        rows = np.repeat(np.arange(len(tfs)), self.edges.n_genes).reshape(keep.shape)
        shape = (len(tfs), len(self.thresholds))
        every = metrics.count_codes(self.codes, rows, keep, shape=shape)
        chosen = metrics.count_codes(self.codes, rows, keep & self.edges.mask[tfs], shape=shape)
        return metrics.as_bins(every, chosen)

    def of_others(self, universe: Universe, of_tfs: metrics.Bins) -> metrics.Bins | None:
        """Bins of the pairs whose first gene is no TF, all of them negatives; None if there are none."""
        if universe.rows == "tfs":
            return None
        every = metrics.codes_of_sorted(self.ranked.ascending(seen_only=universe.seen_only), self.thresholds)
        everything = metrics.as_bins(every, np.zeros_like(every))
        own = of_tfs.total()
        return everything - metrics.Bins(np.zeros_like(own.positive), own.tied + own.positive, own.between)


class Coverage(NamedTuple):
    """Shares of the candidates and of the positives that some cell holds together."""

    pairs: float
    positives: float


def coverage_of(universe: Universe, edges: PanelEdges, pairs: np.ndarray) -> Coverage:
    """Give the coverage of a universe; 0 of nothing."""
    mask, seen = candidates(universe, edges, pairs), pairs > 0
    positive = mask & edges.mask
    return Coverage(
        np.count_nonzero(mask & seen) / max(1, np.count_nonzero(mask)),
        np.count_nonzero(positive & seen) / max(1, np.count_nonzero(positive)),
    )
