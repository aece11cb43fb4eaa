"""How much each pair moves each metric, and the sums of that by TF and by target.

``influence(ranking)`` is the way in, for every ranking: ``.by_tf`` and ``.by_target`` say what a TF with all its pairs,
or a target with all of its, adds to each of `METRICS` (the value without it is about ``value - by_tf``), ``.of_pairs``
the same of each pair. `scfm_assets.core.statistics.over_network` makes errors of them.

The influence of a pair is the derivative of a metric by the pair's weight (Hampel 1974, Journal of the American
Statistical Association 69), so that over all pairs it adds up to 0 and no ranking is made anew. Early precision has
none at its cut: there the precision of the pairs near the cut stands in for it.

A TF brings its edges, so that more or fewer of them are its doing; which of the genes they go to is the targets'. Along
the targets the base rate is therefore held: average precision moves there as its ratio to the base rate does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics.metrics import METRICS, values_of

if TYPE_CHECKING:
    from scfm_assets.core.metrics.metrics import Bins
    from scfm_assets.core.metrics.ranking import Ranking

NEAR_THE_CUT = 3.0
"""At least so many pairs on either side of the cut of early precision say how precise it is there."""
AUROC, AUPRC, RATIO, EPR = (
    [metric.name for metric in METRICS].index(name) for name in ("auroc", "auprc", "auprc_ratio", "epr")
)
MOVED = (AUROC, RATIO, EPR)
"""Metrics whose influence is looked up; that of average precision follows from its ratio to the base rate."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Influence on each of `METRICS` of clusters of pairs.

    Attributes
    ----------
    positive, negative
        Of their edges and of their other pairs, shapes (n_metrics, clusters).
    edges
        Edges of each cluster, shape (clusters,).
    spread
        Sum of the squared influences of the pairs of each cluster, shape (n_metrics, clusters).
    """

    positive: np.ndarray
    negative: np.ndarray
    edges: np.ndarray
    spread: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Of all their pairs, shape (n_metrics, clusters)."""
        return self.positive + self.negative


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of the pairs of one ranking on each of `METRICS`.

    Attributes
    ----------
    of_pairs
        Influence of each pair of a TF on the metrics `MOVED`, float32 (3, n_tfs * K), 0 where a pair is not ranked.
    tfs, targets
        Its sums by TF (pairs without a TF stand in none) and by target.
    base_rate
        Share of positives.
    target_of_tf
        Which target each TF is itself, int64 (n_tfs,), -1 for none or where it is not known.
    """

    of_pairs: np.ndarray
    tfs: Sums
    targets: Sums
    base_rate: float
    target_of_tf: np.ndarray

    @property
    def by_tf(self) -> np.ndarray:
        """What each TF adds to each metric, shape (n_metrics, n_tfs)."""
        return self.tfs.total

    @property
    def by_target(self) -> np.ndarray:
        """What each target adds to each metric at this base rate, shape (n_metrics, K)."""
        return self.targets.total

    @cached_property
    def squares(self) -> np.ndarray:
        """Sum of squared influences of the TFs' pairs at this base rate, shape (n_metrics,)."""
        return squares_of(self.of_pairs, self.base_rate)


def squares_of(of_pairs: np.ndarray, base_rate: float) -> np.ndarray:
    """Sum squares of influences on `MOVED`, (3, n), for all of `METRICS`, shape (n_metrics,)."""
    return with_average_precision(np.einsum("mn,mn->m", of_pairs, of_pairs, dtype=np.float64), base_rate**2)


def with_average_precision(of_moved: np.ndarray, factor: float) -> np.ndarray:
    """Add to numbers of `MOVED`, (3, ...), those of average precision: the ratio's times a factor; (4, ...)."""
    area, ratio, early = of_moved
    return np.stack([area, ratio * factor, ratio, early])


def influence(ranking: Ranking) -> Influence:
    """Say what every TF and every target adds to the metrics of a ranking with positives and negatives."""
    bins, grid = ranking.bins, ranking.grid
    n, base_rate = float(bins.n_pos + bins.n_neg), float(bins.n_pos / (bins.n_pos + bins.n_neg))
    rows = np.flatnonzero(grid.tf_of_row >= 0)
    rows = rows[np.argsort(grid.tf_of_row[rows])]
    if len(rows) != grid.n_tfs:
        message = f"{grid.n_tfs} TFs of which {len(rows)} have a row"
        raise ValueError(message)
    not_ranked = 2 * bins.positive.shape[-1] + 1
    table = np.concatenate(_influence_of_codes(bins), axis=1)
    of_pairs = table.take(grid.place, axis=1)
    row, target = np.nonzero(grid.place > not_ranked)
    of_edges = table.take(np.asarray(grid.place[row, target]), axis=1)

    def sums(of_cells: np.ndarray, axis: int, cluster: np.ndarray) -> Sums:
        total = of_cells.sum(axis=axis)
        spread, size = np.square(of_cells).sum(axis=axis), total.shape[1]
        positive = np.stack([np.bincount(cluster, of_edge, minlength=size) for of_edge in of_edges])
        of_edges_and_others = (with_average_precision(part, base_rate) for part in (positive, total - positive))
        edges = np.bincount(cluster, minlength=size)
        return Sums(*of_edges_and_others, edges=edges, spread=with_average_precision(spread, base_rate**2))

    of_rows = of_pairs if np.array_equal(rows, np.arange(len(grid.place))) else of_pairs[:, rows]
    tfs = sums(of_rows, 2, grid.tf_of_row[row])
    n_ranked = np.count_nonzero(grid.place[rows] != not_ranked, axis=1)
    tfs = _moving_the_base_rate(tfs, n_ranked, float(values_of(bins)[AUPRC]), n)
    kept = of_rows.reshape(len(MOVED), -1).astype(np.float32)
    return Influence(kept, tfs, sums(of_pairs, 1, target), base_rate, grid.gene_of_row[rows])


def _moving_the_base_rate(sums: Sums, n_ranked: np.ndarray, precision: float, n: float) -> Sums:
    """Add to the influence on average precision what it gains with more edges among the pairs, as `values` do."""
    n_pos = sums.edges.sum()
    positive, negative = sums.positive.copy(), sums.negative.copy()
    positive[AUPRC] += precision * sums.edges * (1 / n_pos - 1 / n)
    negative[AUPRC] -= precision * (n_ranked - sums.edges) / n
    return Sums(positive, negative, sums.edges, sums.spread)


def _influence_of_codes(bins: Bins) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Influence on `MOVED` of a negative at each code (3, 2 p + 1), of no pair (3, 1), of an edge at each score (3, p).

    In all of them: derivatives of sums over distinct scores u_j of the positives, each with the pairs that score at
    least as high (``called``) and the positives among them (``hits``).
    """
    n_pos, n_neg = float(bins.n_pos), float(bins.n_neg)
    n = n_pos + n_neg
    positive, tied, hits, called = bins.weight, np.asarray(bins.tied, float), bins.hits, np.maximum(bins.called, 1)
    area, precision, _, early = (float(value) for value in values_of(bins))
    p = len(positive)
    negative = np.empty((len(MOVED), 2 * p + 1))
    edge = np.empty((len(MOVED), p))
    at, between = slice(1, None, 2), slice(0, None, 2)

    edge[0] = ((bins.below + tied / 2) / n_neg - area) / n_pos
    negative[0, between] = np.append(hits, 0) / n_pos
    negative[0, at] = (hits - positive / 2) / n_pos
    negative[0] = (negative[0] - area) / n_neg

    # One more hit at this score and all below it, among one more pair that is called there.
    of_call = np.cumsum(positive * hits / called**2)
    edge[1] = (hits / called - precision + np.cumsum(positive / called) - of_call) / n_pos
    negative[1, between], negative[1, at] = -np.append(0, of_call) / n_pos, -of_call / n_pos
    edge[1], negative[1] = edge[1] * n / n_pos - precision * n / n_pos**2, negative[1] * n / n_pos
    edge[1] += precision / n_pos
    negative[1] += precision / n_pos

    size = positive + tied
    above = bins.called - size
    gap = np.append(n, above) - np.append(
        bins.called, 0
    )  # negatives below the first score, between two, above the last
    taken = np.clip(n_pos - above, 0, size) / np.maximum(size, 1)
    taken_between = np.clip(n_pos - np.append(bins.called, 0), 0, gap) / np.maximum(gap, 1)
    near = _precision_at_the_cut(bins)
    edge[2] = (taken + near * (1 - taken)) * n / n_pos**2 + early / n - 2 * early / n_pos
    negative[2, between], negative[2, at] = -near * taken_between, -near * taken
    negative[2] = negative[2] * n / n_pos**2 + early / n
    return negative, np.zeros((len(MOVED), 1)), edge


def _precision_at_the_cut(bins: Bins) -> float:
    """Share of positives among the pairs near the n_pos best."""
    n_pos, n = float(bins.n_pos), float(bins.n_pos + bins.n_neg)
    reach = max(NEAR_THE_CUT, np.sqrt(n_pos))
    low, high = max(n_pos - reach, 0), min(n_pos + reach, n)
    pairs = np.stack([bins.called - bins.weight - bins.tied, bins.called], axis=1)[::-1].reshape(-1)
    hits = np.stack([bins.hits - bins.weight, bins.hits], axis=1)[::-1].reshape(-1)
    more, fewer = np.interp(high, pairs, hits, right=n_pos), np.interp(low, pairs, hits, left=0.0)
    return float((more - fewer) / (high - low))
