"""Scales on which a metric's error is the same on both sides, and intervals made there.

Near its largest value a metric can only fall: value +- t times its error runs out of its range on one side and is too
short on the other. On the scale of its log-odds both sides are alike. Average precision hangs on the best few pairs:
where luck takes one away, the value falls and its error with it. On the scale of its reciprocal (of the odds' root) the
error is about the same for all of them, and limits miss the truth as often on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from scfm_assets.core.metrics.metrics import METRICS


@dataclass(frozen=True)
class Scale:
    """A scale for errors: there and back, and the slope of there, each (values, pairs) -> numbers.

    `pairs` is the number of (positive, negative) pairs: half of one of them keeps log-odds of 0 and 1 finite (Haldane
    1956, Annals of Human Genetics 20), and is taken off again on the way back.
    """

    name: str
    there: Callable[[np.ndarray, float], np.ndarray]
    back: Callable[[np.ndarray, float], np.ndarray]
    slope: Callable[[np.ndarray, float], np.ndarray]


def _log_odds(value: np.ndarray, pairs: float) -> np.ndarray:
    return logit((value * pairs + 0.5) / (pairs + 1))


def _share(odds: np.ndarray, pairs: float) -> np.ndarray:
    return np.clip((expit(odds) * (pairs + 1) - 0.5) / pairs, 0, 1)


def _slope_of_log_odds(value: np.ndarray, pairs: float) -> np.ndarray:
    share = (value * pairs + 0.5) / (pairs + 1)
    return pairs / (pairs + 1) / (share * (1 - share))


def _rooted_odds(value: np.ndarray, pairs: float) -> np.ndarray:
    share = (value * pairs + 0.5) / (pairs + 1)
    return -2 * np.sqrt((1 - share) / share)


def _share_of_root(root: np.ndarray, pairs: float) -> np.ndarray:
    """Beyond a root of 0 odds are infinite."""
    share = 1 / (1 + (np.minimum(root, 0) / 2) ** 2)
    return np.clip((share * (pairs + 1) - 0.5) / pairs, 0, 1)


def _slope_of_rooted_odds(value: np.ndarray, pairs: float) -> np.ndarray:
    share = (value * pairs + 0.5) / (pairs + 1)
    return pairs / (pairs + 1) / np.sqrt(share**3 * (1 - share))


def _over(number: float, value: np.ndarray) -> np.ndarray:
    return np.divide(number, value, out=np.full(np.shape(value), np.nan), where=np.asarray(value) > 0)


LOG_ODDS = Scale("log odds", _log_odds, _share, _slope_of_log_odds)
ROOT_OF_ODDS = Scale("reciprocal root of the odds", _rooted_odds, _share_of_root, _slope_of_rooted_odds)
RECIPROCAL = Scale(
    "reciprocal",
    lambda v, _: -_over(1.0, v),
    lambda x, _: np.where(x >= 0, np.inf, _over(1.0, -x)),
    lambda v, _: _over(1.0, v**2),
)
ROOT = Scale(
    "square root", lambda v, _: np.sqrt(v), lambda x, _: np.maximum(x, 0) ** 2, lambda v, _: _over(0.5, np.sqrt(v))
)
SCALES = {"auroc": LOG_ODDS, "auprc": ROOT_OF_ODDS, "auprc_ratio": RECIPROCAL, "epr": ROOT}
"""The scale of each metric; early precision is a count, whose root has about the same error everywhere."""
AT_LEAST = {"auprc_ratio": "auprc"}
"""Ratios whose limits are at least as far apart as those of another metric over the base rate.

Their own are too close where edges are few: for 40 among 4000 pairs, placed at random, 12 to 15 % of them excluded
chance. Those over the base rate are too close where average precision is near 1, as they leave out how it varies.
"""


def rescaled(values: np.ndarray, pairs: float, *, back: bool = False) -> np.ndarray:
    """Bring values of all `METRICS`, shape (n_metrics, ...), to their scales, or back."""
    scales = [SCALES[metric.name] for metric in METRICS]
    return np.stack(
        [
            (scale.back if back else scale.there)(of_metric, pairs)
            for scale, of_metric in zip(scales, values, strict=True)
        ]
    )


def slopes(values: np.ndarray, pairs: float) -> np.ndarray:
    """Slopes of the scales at values of all `METRICS`, shape (n_metrics, ...); NaN where a scale begins."""
    scales = [SCALES[metric.name] for metric in METRICS]
    return np.stack([scale.slope(of_metric, pairs) for scale, of_metric in zip(scales, values, strict=True)])


def reach(units: np.ndarray | float, *, level: float) -> np.ndarray:
    """Quantile of Student's t for one less than the units, whole or not; NaN for fewer than two."""
    freedom = np.asarray(units, float) - 1
    return np.where(freedom >= 1, stdtrit(np.maximum(freedom, 1), (1 + level) / 2), np.nan)
