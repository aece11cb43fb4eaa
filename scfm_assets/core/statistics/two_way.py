"""Errors over TFs and targets at once: pairs that share a TF, and pairs that share a target, are not independent.

``over_network(rankings)`` is the way in: errors of the metrics of several methods, and of their differences, for other
TFs and other targets; claims about methods rest on it. ``over_targets`` lets the targets alone vary. What
each TF and target adds to a metric is ``influence(ranking)`` of `scfm_assets.core.metrics`: ``.by_tf``, ``.by_target``.

The variance is that of two-way clusters (Cameron, Gelbach and Miller 2011, Journal of Business and Economic Statistics
29): V = V_tf + V_target - V_pair, sums of squared influences by TF, by target, and of the pairs, which both of the
others hold. What a gene adds as TF and as target is squared together where it is known to be both (Aronow, Samii and
Assenova 2015, Political Analysis 23). Three things make it hold for few and for uneven clusters (the tests' interval
study has the numbers):

- the influence of a cluster with the share h of all edges is divided by sqrt(1 - h), as it pulls the mean towards
  itself (CR2 of Bell and McCaffrey 2002, Survey Methodology 28), and by up to 1 - h, as the jackknife does, the more of
  the clusters' variance its pairs have in common;
- Student's t has as many degrees of freedom as there are clusters on the side with fewer, counted by how alike they are
  in edges, sum(d)^2 / sum(d^2) (Carter, Schnepel and Steigerwald 2017, Review of Economics and Statistics 99), at most
  one less than the clusters with an edge;
- average and early precision hang on the best pairs: limits of their values count clusters by squared influence, and
  by the variance that is expected of each, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics import Sums, influence, slopes, squares_of, with_average_precision
from scfm_assets.core.statistics.count_sketch import network_parts
from scfm_assets.core.statistics.uncertainty import OF_THE_FIRST, Kind, Shared, effective_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.metrics import Influence, Ranking

LEAST = 0.1
"""Least share of the variance of independent pairs: what is below comes of the subtraction, by accident."""


@dataclass(frozen=True, eq=False)
class TwoWay(Shared):
    """Metrics of M methods over the same pairs, with what their TFs and targets add to them.

    Attributes
    ----------
    influences
        Of each method.
    """

    influences: tuple[Influence, ...]

    @classmethod
    def of(cls, kind: Kind, values: np.ndarray, n: tuple[int, int], influences: tuple[Influence, ...]) -> TwoWay:
        """Count clusters and units, one more than the degrees of freedom, on the side with fewer; n: edges, others."""
        numbers = [(effective_number(side.edges), side.edges) for side in _sides(influences[0], kind)]
        units = int(min(np.rint(_units(number, edges)) for number, edges in numbers))
        return cls(kind, values, *n, units, min(float(number) for number, _ in numbers), influences)

    def units_of_values(self) -> np.ndarray:
        """See `Shared`."""
        return np.stack([self._units_of(of_method) for of_method in self.influences], axis=1)

    def _units_of(self, of_method: Influence) -> np.ndarray:
        of_pairs, of_sides = of_method.squares, []
        for side in _sides(of_method, self.kind):
            by_edges = effective_number(side.edges)
            by_influence = np.minimum(effective_number(side.spread), _number_by_variance(side, of_pairs))
            of_metrics = np.where(OF_THE_FIRST, np.minimum(by_edges, by_influence), by_edges)
            of_sides.append(_units(of_metrics, side.edges))
        return np.min(of_sides, axis=0)

    def errors_on_scales(self) -> np.ndarray:
        """See `Shared`: errors of the values times the slopes of the scales."""
        slope = slopes(self.values.T, float(self.n_pos) * self.n_neg)
        return slope * self._errors(self._of_sides, np.stack([one.squares for one in self.influences])).T

    def errors_of_pairs(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """See `Shared`."""
        first, base_rate = [one.of_pairs for one in self.influences], self.influences[0].base_rate
        squares = [squares_of(first[one] - first[other], base_rate) for one, other in zip(ones, others, strict=True)]
        of_sides = [
            replace(
                side,
                positive=side.positive[ones] - side.positive[others],
                negative=side.negative[ones] - side.negative[others],
            )
            for side in self._of_sides
        ]
        return self._errors(of_sides, np.stack(squares))

    @cached_property
    def _of_sides(self) -> list[Sums]:
        """Of each side that varies, the sums of all methods, shapes (M, n_metrics, clusters)."""
        of_sides = zip(*(_sides(of_method, self.kind) for of_method in self.influences), strict=True)
        return [
            replace(
                sides[0],
                positive=np.stack([side.positive for side in sides]),
                negative=np.stack([side.negative for side in sides]),
            )
            for sides in of_sides
        ]

    def parts(self) -> np.ndarray:
        """What the network's TFs, targets and pairs add to each metric of the first method; see `network_parts`.

        A gene that is TF and target adds both as the TF. Shape (n_metrics, 3 * slots).
        """
        of_method = self.influences[0]
        of_tfs, of_targets = (_unbiased(side, of_method.squares) for side in (of_method.tfs, of_method.targets))
        both = of_method.target_of_tf >= 0
        as_target = of_method.target_of_tf[both]
        of_tfs[:, both] += of_targets[:, as_target]
        of_targets[:, as_target] = 0
        of_pairs = with_average_precision(of_method.of_pairs, of_method.base_rate)
        return np.stack([network_parts(*of_metric) for of_metric in zip(of_tfs, of_targets, of_pairs, strict=True)])

    def _errors(self, of_sides: Sequence[Sums], of_pairs: np.ndarray) -> np.ndarray:
        """Errors of values, or of differences, from the sums of each side and those of the pairs, (P, n_metrics)."""
        if self.units < 2:
            return np.full(of_pairs.shape, np.nan)
        added = [_unbiased(side, of_pairs) for side in of_sides]
        variance = np.sum([(of_side**2).sum(axis=-1) for of_side in added], axis=0)
        if len(added) == 1:
            return np.sqrt(variance)
        of_tfs, of_targets = added
        target = self.influences[0].target_of_tf
        both = target >= 0
        variance += 2 * (of_tfs[..., both] * of_targets[..., target[both]]).sum(axis=-1)
        return np.sqrt(np.maximum(variance - of_pairs, LEAST * of_pairs))


def over_network(rankings: Sequence[Ranking]) -> TwoWay:
    """Let TFs and targets vary, each with all its pairs, in rankings of the same pairs; pairs without a TF stay."""
    return _over("network", rankings, tuple(map(influence, rankings)))


def over_targets(rankings: Sequence[Ranking]) -> TwoWay:
    """Let targets vary, each with all its pairs, in rankings of the same pairs."""
    return _over("targets", rankings, tuple(map(influence, rankings)))


def one_side(shared: TwoWay, kind: Kind) -> TwoWay:
    """Let the TFs or the targets alone vary, from influences that are known."""
    return TwoWay.of(kind, shared.values, (shared.n_pos, shared.n_neg), shared.influences)


def side_by_side(parts: Sequence[TwoWay]) -> TwoWay:
    """Put methods that were ranked one by one over the same pairs beside each other."""
    values, influences = np.concatenate([part.values for part in parts]), tuple(i for p in parts for i in p.influences)
    return TwoWay.of(parts[0].kind, values, (parts[0].n_pos, parts[0].n_neg), influences)


def _over(kind: Kind, rankings: Sequence[Ranking], influences: tuple[Influence, ...]) -> TwoWay:
    bins = rankings[0].bins
    values = np.stack([ranking.values for ranking in rankings])
    return TwoWay.of(kind, values, (int(bins.n_pos), int(bins.n_neg)), influences)


def _sides(of_method: Influence, kind: Kind) -> list[Sums]:
    return {"network": [of_method.tfs, of_method.targets], "tfs": [of_method.tfs], "targets": [of_method.targets]}[kind]


def _unbiased(side: Sums, of_pairs: np.ndarray) -> np.ndarray:
    """Influence of each cluster, made larger by how much it pulls the metric to itself, (..., n_metrics, clusters)."""
    at_least = _made_larger(side, np.full(of_pairs.shape[-1], 0.5))
    return _made_larger(side, 0.5 + 0.5 * _hanging_together(at_least, of_pairs))


def _made_larger(side: Sums, power: np.ndarray) -> np.ndarray:
    """Influence of each cluster over (1 - its share of the edges)^power, powers of shape (..., n_metrics)."""
    n_edges, n_clusters = side.edges.sum(), len(side.edges)
    left = np.maximum(1 - side.edges / max(n_edges, 1), 1 / max(2, 2 * n_edges))
    return side.positive / left ** power[..., None] + side.negative / np.sqrt(max(n_clusters - 1, 1) / n_clusters)


def _hanging_together(added: np.ndarray, of_pairs: np.ndarray) -> np.ndarray:
    """Share of the variance of clusters, (..., n_metrics, clusters), that their pairs have in common."""
    variance = (added**2).sum(axis=-1)
    alone = np.divide(of_pairs, variance, out=np.ones_like(of_pairs), where=variance > 0)
    return np.clip(1 - alone, 0, 1)


def _number_by_variance(side: Sums, of_pairs: np.ndarray) -> np.ndarray:
    """Effective number of clusters by the variance that is expected of each, (n_metrics,).

    What pairs add by themselves goes with a cluster's edges, what they have in common with the square of them.
    """
    added = _unbiased(side, of_pairs)
    common = np.maximum((added**2).sum(axis=1) - of_pairs, 0)[:, None]
    share, squared = (sizes / max(sizes.sum(), 1) for sizes in (side.edges, side.edges**2))
    return effective_number(of_pairs[:, None] * share + common * squared)


def _units(number: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """One more than the degrees of freedom: an effective number of clusters, at most that of all with an edge."""
    return np.minimum(number + 1, np.count_nonzero(edges))
