"""How certain the metrics of several methods are, and their differences, on shared resamples.

All methods are ranked over the same pairs and see the same draws of pairs, the same TFs and the same groups of cells
left out, so that what they have in common is no part of the uncertainty of a difference.

Intervals are value +- t times an error, on the scale of `core.metrics.scales` for a value and on the plain one for
a difference. The error over pairs is that of a bootstrap; over TFs, groups of cells and donors it is the jackknife's,
with Student's t for one less than the units: percentiles of draws are too short for few units (the tests' interval
study has the numbers). What claims about networks rest on, `over_network` of `core.statistics.two_way`, lets TFs and
targets vary at once: a jackknife over TFs takes targets that all TFs share for fixed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.special import stdtr

from scfm_assets.core.metrics import AT_LEAST, METRICS, largest_values, reach, rescaled
from scfm_assets.core.statistics.ceilings import uninformed_average_precision
from scfm_assets.core.statistics.donors import Donors
from scfm_assets.core.statistics.jackknife import freedom_within, jackknife_error
from scfm_assets.core.statistics.resampling import tf_jackknife
from scfm_assets.core.words import Compared as Verdict
from scfm_assets.core.words import compared as verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets.core.metrics import Ranking

Kind = Literal["network", "tfs", "targets", "cells", "donors", "pairs"]

FEW_EDGES = 30
"""With fewer edges average and early precision have no limits: they hang on the one or two that come first."""
FEW_CLUSTERS = 10
"""The same for fewer TFs or targets, counted by `effective_number`, where an error rests on them."""
OF_THE_FIRST = np.array([metric.name != "auroc" for metric in METRICS])
"""Metrics that hang on the best pairs alone, shape (n_metrics,)."""
ROUNDING = 1e-12
"""Share of the largest metric up to which an error is rounding: nothing varied, and a p value of it would be one of
floating point."""


def effective_number(sizes: np.ndarray) -> np.ndarray:
    """Count clusters by how alike they are in size along the last axis: sum(d)^2 / sum(d^2); 0 without any."""
    squares = (sizes**2).sum(axis=-1)
    return np.divide(sizes.sum(axis=-1) ** 2, squares, out=np.zeros(np.shape(squares)), where=squares > 0)


@dataclass(frozen=True, eq=False)
class Shared(ABC):
    """Metrics of M methods over the same pairs, with errors that know what the methods have in common.

    Attributes
    ----------
    kind
        What varies: ``network`` (TFs and targets), ``tfs``, ``targets``, ``cells``, ``donors`` or ``pairs``.
    values
        Shape (M, n_metrics).
    n_pos, n_neg
        Positives and negatives.
    units
        Independent units behind the errors, rounded: Student's t of a difference has one degree less. Edges (pairs),
        TFs with an edge, groups with cells, donors; over the network see `TwoWay`.
    clusters
        Effective number of TFs or targets that the errors rest on; infinite where they rest on neither.
    """

    kind: Kind
    values: np.ndarray
    n_pos: int
    n_neg: int
    units: int
    clusters: float

    @abstractmethod
    def errors_on_scales(self) -> np.ndarray:
        """Errors of all values on the scales of the metrics, shape (n_metrics, M)."""

    @abstractmethod
    def errors_of_pairs(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Errors of the differences of the methods `ones` to the methods `others`, int (P,); shape (P, n_metrics)."""

    def errors_of_differences(self, ones: Sequence[int], others: Sequence[int]) -> np.ndarray:
        """See `errors_of_pairs`; known once made, as a claim needs them again for its power."""
        pairs = [(min(pair), max(pair)) for pair in zip(ones, others, strict=True)]
        if missing := [pair for pair in dict.fromkeys(pairs) if pair not in self._known_errors]:
            self._known_errors.update(zip(missing, self.errors_of_pairs(*np.array(missing).T), strict=True))
        return np.array([self._known_errors[pair] for pair in pairs]).reshape(len(pairs), len(METRICS))

    @cached_property
    def _known_errors(self) -> dict[tuple[int, int], np.ndarray]:
        return {}

    def units_of_values(self) -> np.ndarray:
        """Independent units behind the limits of each value, whole or not, shape (n_metrics, M)."""
        return np.full(np.shape(self.values)[::-1], float(self.units))

    def widened(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move limits (n_metrics, M) that are known to be too close."""
        return low, high

    @property
    def has_limits(self) -> np.ndarray:
        """Which metrics have limits, boolean (n_metrics,): all but those of the first pairs where little is known."""
        return ~OF_THE_FIRST | (self.n_pos >= FEW_EDGES and self.clusters >= FEW_CLUSTERS)

    def intervals(self, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Limits of all values, made on the scales of the metrics, shapes (M, n_metrics).

        NaN where there is no error: fewer than two units, a value that nothing changes, or too few edges or clusters
        for the metric.
        """
        pairs = float(self.n_pos) * self.n_neg
        error = np.where(self.has_limits[:, None], _known(self.errors_on_scales()), np.nan)
        half = error * reach(self.units_of_values(), level=level)
        most, values = largest_values(self.n_pos / (self.n_pos + self.n_neg))[:, None], rescaled(self.values.T, pairs)
        low, high = (np.clip(rescaled(values + side * half, pairs, back=True), 0, most) for side in (-1, 1))
        low, high = self.widened(low, high)
        return low.T, high.T

    def verdicts(self, *, level: float = 0.95) -> list[list[Verdict]]:
        """Say of each method and metric whether it is better or worse than `chance`."""
        low, high = self.intervals(level=level)
        neutral = chance(self.n_pos, self.n_pos + self.n_neg)
        return [
            [verdict_of(*ends) for ends in zip(lows, highs, neutral, strict=True)]
            for lows, highs in zip(low, high, strict=True)
        ]

    def difference(self, one: int, other: int, *, level: float = 0.95) -> list[Difference]:
        """Say by how much method `one` is above method `other`, by each of `METRICS`."""
        return self.differences([one], [other]).listed(level=level)[0]

    def differences(self, ones: Sequence[int], others: Sequence[int]) -> Differences:
        """Differences of the methods `ones` to the methods `others`, places (P,)."""
        error = np.where(self.has_limits, _known(self.errors_of_differences(ones, others)), np.nan)
        most = largest_values(self.n_pos / (self.n_pos + self.n_neg))
        return Differences(self.kind, self.values[list(ones)], self.values[list(others)], error, self.units, most)


@dataclass(frozen=True, eq=False)
class Resampled(Shared):
    """Metrics of M methods over the same pairs, and over the same resamples of them.

    Attributes
    ----------
    resampled
        Of each draw, or without each TF, group of cells or donor, shape (M, n_metrics, R).
    sizes
        Size of what was left out, shape (R,); None for draws.
    strata
        What the left out is compared within, see `jackknife_error`; None for everything.
    """

    resampled: np.ndarray
    sizes: np.ndarray | None = None
    strata: np.ndarray | None = None

    def error(self, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Standard errors of a statistic of the metrics; NaN with fewer than two units, 0 if nothing varies.

        `statistic` takes metrics (M, n_metrics, resamples), and keeps the last axis.
        """
        value, drawn = statistic(self.values[..., None])[..., 0], np.moveaxis(statistic(self.resampled), -1, 0)
        if self.units < 2:
            return np.full(np.shape(value), np.nan)
        error = _spread(drawn) if self.sizes is None else jackknife_error(value, drawn, self.sizes, self.strata)
        return np.where(error <= ROUNDING * np.nanmax(np.abs(self.values), initial=0.0), 0.0, error)

    def errors_on_scales(self) -> np.ndarray:
        """See `Shared`."""
        pairs = float(self.n_pos) * self.n_neg
        return self.error(lambda metrics: rescaled(np.swapaxes(metrics, 0, 1), pairs))

    def errors_of_pairs(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """See `Shared`."""
        return self.error(lambda metrics: metrics[ones] - metrics[others])

    def widened(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `AT_LEAST`."""
        names = [metric.name for metric in METRICS]
        for ratio, metric in AT_LEAST.items():
            of_ratio, of_metric, over = names.index(ratio), names.index(metric), (self.n_pos + self.n_neg) / self.n_pos
            low[of_ratio] = np.minimum(low[of_ratio], low[of_metric] * over)
            high[of_ratio] = np.maximum(high[of_ratio], high[of_metric] * over)
        return low, high


class Difference(NamedTuple):
    """By how much one metric of one method is above that of another, by one kind of resampling.

    `effect` is the difference over its spread among the units, error times sqrt(units): Cohen's d of a paired test,
    as `core.statistics.estimate` has it. `p` is two-sided, of Student's t. Without an error, limits, effect and
    p are NaN and the verdict is ``indistinguishable``.
    """

    metric: str
    kind: str
    value: float
    value_before: float
    difference: float
    low: float
    high: float
    error: float
    effect: float
    p: float
    units: int
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Differences:
    """By how much the metrics of P methods are above those of others.

    Attributes
    ----------
    kind
        What varies, see `Shared`.
    value, value_before, error
        Shapes (P, n_metrics); an error is NaN where nothing is known of it.
    units
        Student's t has one degree of freedom less.
    most
        Largest possible differences, shape (n_metrics,).
    """

    kind: str
    value: np.ndarray
    value_before: np.ndarray
    error: np.ndarray
    units: int
    most: np.ndarray

    def listed(self, *, level: float = 0.95) -> list[list[Difference]]:
        """Each of them by each of `METRICS`, with limits, p value, effect and verdict."""
        difference = self.value - self.value_before
        half = self.error * reach(self.units, level=level)
        low, high = (np.clip(difference + side * half, -self.most, self.most) for side in (-1, 1))
        p, effect = t_tests(difference, self.error, self.units)
        numbers = np.stack(
            [self.value, self.value_before, difference, low, high, self.error, effect, p], axis=-1
        ).tolist()
        return [
            [
                Difference(metric.name, self.kind, *row, units=self.units, verdict=verdict_of(row[3], row[4]))
                for metric, row in zip(METRICS, of_pair, strict=True)
            ]
            for of_pair in numbers
        ]


def verdict_of_all(differences: Sequence[Difference]) -> Verdict:
    """Verdict that all kinds of resampling of one difference share, else ``indistinguishable``.

    New cells, with the same edges, and new edges, with the same cells, are two questions; a claim about methods needs
    both. An interval over cells alone takes the luck of the edges for knowledge.
    """
    verdicts: set[Verdict] = {difference.verdict for difference in differences}
    return verdicts.pop() if len(verdicts) == 1 else "indistinguishable"


def chance(n_pos: int, n: int) -> np.ndarray:
    """Expectation of each of `METRICS` for a random order of n pairs, shape (n_metrics,).

    Average precision expects more than the base rate where there are few positives.
    """
    precision = uninformed_average_precision(n_pos, n)
    known = {"auprc": precision, "auprc_ratio": precision * n / n_pos}
    return np.array([known.get(metric.name, metric.chance) for metric in METRICS], float)


def over_tfs(rankings: Sequence[Ranking]) -> Resampled:
    """Leave each TF, with all its pairs, out of rankings of the same pairs; pairs without a TF stay.

    The units are the TFs with an edge.
    """
    without = np.stack([tf_jackknife(*ranking.by_tf) for ranking in rankings])
    edges = rankings[0].of_tfs.n_pos
    units, clusters = int(np.count_nonzero(edges)), float(effective_number(edges))
    known = _left_out("tfs", rankings, without, np.ones(len(edges), np.int64))
    return replace(known, units=units, clusters=clusters)


def over_cells(
    rankings: Sequence[Ranking],
    left_out: Sequence[np.ndarray],
    sizes: np.ndarray,
    donors: Donors | None = None,
) -> Resampled:
    """Leave each group of cells, or each donor, out of rankings of the same pairs: those that no cell changes.

    Parameters
    ----------
    rankings
        Of all cells.
    left_out
        Metrics of each ranking without each group, shapes (n_groups, n_metrics).
    sizes
        Cells of each group, shape (n_groups,).
    donors
        Whose cells they are; nothing is known of them if None.
    """
    without, donors = np.stack([values.T for values in left_out]), donors or Donors()
    return _left_out(donors.kind, rankings, without, np.asarray(sizes), strata=donors.strata)


def _left_out(
    kind: Kind,
    rankings: Sequence[Ranking],
    without: np.ndarray,
    sizes: np.ndarray,
    strata: np.ndarray | None = None,
) -> Resampled:
    values, bins = np.stack([ranking.values for ranking in rankings]), rankings[0].bins
    if strata is not None:  # groups after the last one that holds a cell are empty
        strata = np.pad(strata[: len(sizes)], (0, max(0, len(sizes) - len(strata))), constant_values=-1)
    units = freedom_within(sizes, strata) + 1
    return Resampled(kind, values, int(bins.n_pos), int(bins.n_neg), units, np.inf, without, sizes, strata)


def _spread(drawn: np.ndarray) -> np.ndarray:
    """Standard deviation of the defined draws along the first axis; NaN with fewer than two."""
    defined = ~np.isnan(drawn)
    used = np.count_nonzero(defined, axis=0)
    centre = np.where(defined, drawn, 0).sum(axis=0) / np.maximum(used, 1)
    squares = (np.where(defined, drawn - centre, 0) ** 2).sum(axis=0)
    return np.where(used > 1, np.sqrt(squares / np.maximum(used - 1, 1)), np.nan)


def _known(error: np.ndarray) -> np.ndarray:
    """Take an error of 0 for what it is: nothing varied, so nothing is known."""
    return np.where(error > 0, error, np.nan)


def t_tests(values: np.ndarray, errors: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided p and effect of many an `Estimate`; NaN without an error, as where two methods never differ."""
    error = _known(errors)
    p = 2 * stdtr(units - 1, -np.abs(values / error)) if units >= 2 else np.full(np.shape(values), np.nan)
    return p, values / (error * np.sqrt(units))
