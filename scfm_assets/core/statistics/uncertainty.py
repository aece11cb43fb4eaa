"""How certain the metrics of several methods are, and their differences, on shared resamples.

All methods are ranked over the same pairs and see the same draws of pairs, the same TFs and the same groups of cells
left out, so that what they have in common is no part of the uncertainty of a difference.

Intervals are value +- t times an error, on the scale of `core.metrics.scales` for a value and on the plain one for
a difference. The error over pairs is that of a bootstrap; over TFs and over groups of cells it is the jackknife's,
with Student's t for one less than the units: percentiles of draws are too short for few units (the tests' interval
study has the numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from scfm_assets.core.metrics import AT_LEAST, METRICS, largest_values, reach, rescaled
from scfm_assets.core.statistics.ceilings import uninformed_average_precision
from scfm_assets.core.statistics.estimate import Estimate
from scfm_assets.core.statistics.jackknife import jackknife_error
from scfm_assets.core.statistics.resampling import tf_jackknife

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets.core.metrics import Ranking

Verdict = Literal["better", "worse", "indistinguishable"]

ROUNDING = 1e-12
"""Share of the largest metric up to which an error is rounding: nothing varied, and a p value of it would be one of
floating point."""


def verdict_of(low: float, high: float, neutral: float = 0.0) -> Verdict:
    """Say whether an interval lies above or below a value; without limits it says nothing."""
    return "better" if low > neutral else "worse" if high < neutral else "indistinguishable"


@dataclass(frozen=True, eq=False)
class Shared:
    """Metrics of M methods over the same pairs, and over the same resamples of them.

    Attributes
    ----------
    kind
        What is resampled: ``pairs``, ``tfs`` or ``cells``.
    values
        Shape (M, n_metrics).
    resampled
        Of each draw, or without each TF or group of cells, shape (M, n_metrics, R).
    units
        Independent units behind the error: edges (pairs), TFs with an edge, groups with cells.
    n_pos, n_neg
        Positives and negatives.
    sizes
        Size of what was left out, shape (R,); None for draws.
    """

    kind: Literal["pairs", "tfs", "cells"]
    values: np.ndarray
    resampled: np.ndarray
    units: int
    n_pos: int
    n_neg: int
    sizes: np.ndarray | None = None

    def error(self, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Standard errors of a statistic of the metrics; NaN with fewer than two units, 0 if nothing varies.

        `statistic` takes metrics (M, n_metrics, resamples), and keeps the last axis.
        """
        value, drawn = statistic(self.values[..., None])[..., 0], np.moveaxis(statistic(self.resampled), -1, 0)
        if self.units < 2:
            return np.full(np.shape(value), np.nan)
        error = _spread(drawn) if self.sizes is None else jackknife_error(value, drawn, self.sizes)
        return np.where(error <= ROUNDING * np.nanmax(np.abs(self.values), initial=0.0), 0.0, error)

    def intervals(self, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Limits of all values, made on the scales of the metrics, shapes (M, n_metrics).

        NaN where there is no error: fewer than two units, or a value that no resample changes.
        """
        pairs = float(self.n_pos) * self.n_neg

        def on_scale(metrics: np.ndarray) -> np.ndarray:
            return rescaled(np.swapaxes(metrics, 0, 1), pairs)

        half = _known(self.error(on_scale)) * reach(self.units, level=level)
        most, values = largest_values(self.n_pos / (self.n_pos + self.n_neg))[:, None], on_scale(self.values)
        low, high = (np.clip(rescaled(values + side * half, pairs, back=True), 0, most) for side in (-1, 1))
        names = [metric.name for metric in METRICS]
        for ratio, metric in AT_LEAST.items():
            of_ratio, of_metric, over = names.index(ratio), names.index(metric), (self.n_pos + self.n_neg) / self.n_pos
            low[of_ratio] = np.minimum(low[of_ratio], low[of_metric] * over)
            high[of_ratio] = np.maximum(high[of_ratio], high[of_metric] * over)
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
        value = self.values[one] - self.values[other]
        error = self.error(lambda metrics: metrics[one] - metrics[other])
        half = np.where((error > 0) | (value == 0), error, np.nan) * reach(self.units, level=level)
        most = largest_values(self.n_pos / (self.n_pos + self.n_neg))
        low, high = np.clip(value - half, -most, most), np.clip(value + half, -most, most)
        p, effect = t_tests(value, error, self.units)
        return [
            Difference(
                metric=metric.name,
                kind=self.kind,
                value=float(self.values[one, i]),
                value_before=float(self.values[other, i]),
                difference=float(value[i]),
                low=float(low[i]),
                high=float(high[i]),
                error=float(error[i]),
                effect=float(effect[i]),
                p=float(p[i]),
                units=self.units,
                verdict=verdict_of(low[i], high[i]),
            )
            for i, metric in enumerate(METRICS)
        ]


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


def over_tfs(rankings: Sequence[Ranking]) -> Shared:
    """Leave each TF, with all its pairs, out of rankings of the same pairs; pairs without a TF stay.

    The units are the TFs with an edge.
    """
    without = np.stack([tf_jackknife(*ranking.by_tf) for ranking in rankings])
    edges = rankings[0].of_tfs.n_pos
    return _left_out("tfs", rankings, without, np.ones(len(edges), np.int64), int(np.count_nonzero(edges)))


def over_cells(rankings: Sequence[Ranking], left_out: Sequence[np.ndarray], sizes: np.ndarray) -> Shared:
    """Leave each group of cells out of rankings of the same pairs: those of a universe that no group changes.

    Parameters
    ----------
    rankings
        Of all cells.
    left_out
        Metrics of each ranking without each group, shapes (n_groups, n_metrics).
    sizes
        Cells of each group, shape (n_groups,).
    """
    without = np.stack([values.T for values in left_out])
    return _left_out("cells", rankings, without, np.asarray(sizes), int(np.count_nonzero(sizes)))


def _left_out(
    kind: Literal["tfs", "cells"], rankings: Sequence[Ranking], without: np.ndarray, sizes: np.ndarray, units: int
) -> Shared:
    values, bins = np.stack([ranking.values for ranking in rankings]), rankings[0].bins
    return Shared(kind, values, without, units, int(bins.n_pos), int(bins.n_neg), sizes)


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
    """Two-sided p and effect of each `Estimate`; 1 and 0 of what never differs."""
    estimates = [Estimate(float(value), float(error), units) for value, error in zip(values, errors, strict=True)]
    nothing = (values == 0) & (errors == 0)
    p, effect = (
        np.array([of(estimate) for estimate in estimates]) for of in (Estimate.p, lambda estimate: estimate.effect)
    )
    return np.where(nothing, 1.0, p), np.where(nothing, 0.0, effect)
