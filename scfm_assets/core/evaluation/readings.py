"""Scores read against networks: where every pair lies among the positives is looked up once per matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core.metrics import Bins, CountedRanking, PlacedPairs, as_bins, coarser, codes_of
from scfm_assets.core.universes import AnyUniverse, PanelEdges, candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.metrics import Ranking
    from scfm_assets.core.scores import Direction


class Ranked:
    """One matrix of scores: networks, universes and directions share one look-up of every pair.

    Parameters
    ----------
    matrix
        Scores (K, K), ``[query, key]``.
    seen
        Whether some cell holds both genes, (K, K).
    edges
        The networks it will be read against.
    directions
        How it will be read.

    Raises
    ------
    ValueError
        If a score is not finite.
    """

    def __init__(
        self, matrix: np.ndarray, seen: np.ndarray, edges: Sequence[PanelEdges], directions: Sequence[Direction]
    ) -> None:
        if not np.isfinite(matrix).all():
            message = "edge scores hold NaN or infinity"
            raise ValueError(message)
        of_positives = [turn.orient(matrix)[network.source, network.target] for turn in directions for network in edges]
        self.seen = seen
        self.thresholds = np.unique(np.concatenate(of_positives))
        self.codes = codes_of(matrix, self.thresholds)
        self._every: dict[bool, np.ndarray] = {}

    def every(self, *, seen_only: bool) -> np.ndarray:
        """Count the codes of all ordered pairs, the same whichever end is the TF; shape (2 p + 1,)."""
        if seen_only not in self._every:
            width = 2 * len(self.thresholds) + 1
            diagonal = self.codes.diagonal()[self.seen.diagonal()] if seen_only else self.codes.diagonal()
            codes = self.codes[self.seen] if seen_only else self.codes.reshape(-1)
            self._every[seen_only] = np.bincount(codes, minlength=width) - np.bincount(diagonal, minlength=width)
        return self._every[seen_only]

    def read(self, direction: Direction, edges: PanelEdges) -> Reading:
        """Read it in one direction against one network."""
        codes = direction.orient(self.codes)[edges.tfs]
        return Reading(codes, edges, len(self.thresholds), self.seen[edges.tfs], self, direction)


@dataclass(frozen=True)
class Reading:
    """The pairs of a network's TFs, in one direction.

    Attributes
    ----------
    codes
        Where each pair lies among the thresholds of all networks, shape (n_tfs, K).
    edges
        The network.
    n_thresholds
        p of all networks.
    seen
        Whether some cell holds both genes, shape (n_tfs, K).
    ranked
        The whole matrix, None where only the TFs' pairs are known.
    direction
        How it is read.
    """

    codes: np.ndarray
    edges: PanelEdges
    n_thresholds: int
    seen: np.ndarray
    ranked: Ranked | None = None
    direction: Direction | None = None

    @cached_property
    def row_of_edge(self) -> np.ndarray:
        """Row of each edge's TF."""
        return np.searchsorted(self.edges.tfs, self.edges.source)

    @cached_property
    def translation(self) -> np.ndarray:
        """Codes among the thresholds of this network, for each code among those of all networks."""
        kept = np.zeros(self.n_thresholds, bool)
        kept[self.codes[self.row_of_edge, self.edges.target] // 2] = True
        return coarser(kept)

    @cached_property
    def width(self) -> int:
        """Number of codes among the thresholds of this network."""
        return int(self.translation[-1]) + 1

    @cached_property
    def own(self) -> np.ndarray:
        """`codes` among the thresholds of this network."""
        return self.translation.take(self.codes)

    def ranking(self, universe: AnyUniverse) -> Ranking:
        """Rank the pairs of a universe."""
        of_tfs = self.of_tfs(universe)
        return CountedRanking((of_tfs, self.of_others(universe, of_tfs)), partial(self.grid, universe))

    def grid(self, universe: AnyUniverse) -> PlacedPairs:
        """Say where each pair lies: those of the TFs, or of all genes where the universe ranks them."""
        tfs, kept = self.edges.tfs, universe.kept(self.edges, self.seen)
        if universe.rows == "tfs" or self.ranked is None or self.direction is None:
            codes, tf_of_row, row, genes = self.own, np.arange(len(tfs)), self.row_of_edge, tfs
            if kept is None:
                kept = np.ones(codes.shape, bool)
                kept[tf_of_row, tfs] = False
        else:
            codes, row = self.translation.take(self.direction.orient(self.ranked.codes)), self.edges.source
            tf_of_row, genes = np.full(len(codes), -1), np.arange(len(codes))
            tf_of_row[tfs] = np.arange(len(tfs))
            kept = self.ranked.seen.copy() if universe.seen_only else np.ones(codes.shape, bool)
            np.fill_diagonal(kept, val=False)
        place = PlacedPairs.placed(codes, kept, (row, self.edges.target), self.width // 2)
        return PlacedPairs(place, tf_of_row, len(tfs), genes)

    def of_tfs(self, universe: AnyUniverse) -> Bins:
        """Bins of each TF's own pairs, whole numbers, shapes (n_tfs, p)."""
        rows, edge = np.arange(len(self.edges.tfs)), slice(None)
        places = self.own + rows[:, None] * self.width
        kept = universe.kept(self.edges, self.seen)
        if kept is None:
            every = self._counted(places.reshape(-1))
            every[rows, self.own[rows, self.edges.tfs]] -= 1
        else:
            every = self._counted(places[kept])
            edge = kept[self.row_of_edge, self.edges.target]
        return as_bins(every, self._counted(places[self.row_of_edge[edge], self.edges.target[edge]]))

    def total(self, universe: AnyUniverse) -> Bins:
        """Bins of all pairs of the TFs, whole numbers, shapes (p,): the sum of `of_tfs`, made at once."""
        edge, width = slice(None), 2 * self.n_thresholds + 1
        kept = universe.kept(self.edges, self.seen)
        if kept is None:
            itself = np.arange(len(self.edges.tfs)), self.edges.tfs
            every = np.bincount(self.codes.reshape(-1), minlength=width)
            every -= np.bincount(self.codes[itself], minlength=width)
        else:
            every = np.bincount(self.codes[kept], minlength=width)
            edge = kept[self.row_of_edge, self.edges.target]
        chosen = self.translation[self.codes[self.row_of_edge[edge], self.edges.target[edge]]]
        return as_bins(self._translated(every), np.bincount(chosen, minlength=self.width))

    def of_others(self, universe: AnyUniverse, of_tfs: Bins) -> Bins | None:
        """Bins of the pairs whose first gene is no TF, all of them negatives; None if there are none."""
        if universe.rows == "tfs" or self.ranked is None:
            return None
        total = of_tfs.total()
        every = as_bins(self._translated(self.ranked.every(seen_only=universe.seen_only)), _codes_of_positives(total))
        return Bins(
            np.zeros_like(total.positive), every.tied - total.tied, every.below - total.below, every.n_neg - total.n_neg
        )

    def _counted(self, places: np.ndarray) -> np.ndarray:
        n_tfs = len(self.edges.tfs)
        return np.bincount(places, minlength=n_tfs * self.width).reshape(n_tfs, self.width)

    def _translated(self, counts: np.ndarray) -> np.ndarray:
        return np.bincount(self.translation, counts, minlength=self.width).astype(np.int64)


def _codes_of_positives(bins: Bins) -> np.ndarray:
    counts = np.zeros(2 * bins.positive.shape[-1] + 1, np.int64)
    counts[1::2] = bins.positive
    return counts


def readings_of_rows(rows: np.ndarray, tfs: np.ndarray, seen: np.ndarray, edges: Sequence[PanelEdges]) -> list[Reading]:
    """Read rows of scores against several networks, without the rest of their matrix.

    Parameters
    ----------
    rows
        Scores (T, K) of the pairs of T genes, each at the TF's end.
    tfs
        Panel indices of these genes, ascending; they must hold the TFs of every network.
    seen
        Whether some cell holds both genes, (T, K).
    edges
        The networks.
    """
    at = [np.searchsorted(tfs, network.tfs) for network in edges]
    for network, places in zip(edges, at, strict=True):
        if not np.array_equal(tfs[np.minimum(places, len(tfs) - 1)], network.tfs):
            message = f"rows of {len(tfs)} genes do not hold all {len(network.tfs)} TFs of a network"
            raise ValueError(message)
    of_positives = [rows[np.searchsorted(tfs, network.source), network.target] for network in edges]
    thresholds = np.unique(np.concatenate(of_positives))
    codes = codes_of(rows, thresholds)
    return [
        Reading(codes[places], network, len(thresholds), seen[places])
        for network, places in zip(edges, at, strict=True)
    ]


class Coverage(NamedTuple):
    """Shares of the candidates and of the positives that some cell holds together."""

    pairs: float
    positives: float


def coverage_of(universe: AnyUniverse, edges: PanelEdges, pairs: np.ndarray) -> Coverage:
    """Coverage of a universe; 0 of nothing."""
    mask, seen = candidates(universe, edges, pairs), pairs > 0
    positive = mask & edges.mask
    return Coverage(
        np.count_nonzero(mask & seen) / max(1, np.count_nonzero(mask)),
        np.count_nonzero(positive & seen) / max(1, np.count_nonzero(positive)),
    )
