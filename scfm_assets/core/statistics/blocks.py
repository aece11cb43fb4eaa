"""Errors of any statistic of independent units: leave each out, or draw them with replacement.

When each applies. `leaving_out` with `jackknife_error` for a smooth statistic (means, AUROCs, differences of them):
few units are enough, as Student's t knows how few they are. `block_bootstrap` for what is not smooth (ranks, orders,
medians), with a dozen units or more: percentiles of draws of few units are too short. A unit is what could have been
drawn otherwise (a TF with all its pairs, a donor with all its cells, a simulated data set), never one of several
numbers that share it.

For metrics of rankings both are made at once for all metrics and methods: `over_tfs` and `over_cells` of
`core.statistics.uncertainty`, and `PairBootstrap` where single pairs are drawn, as the published intervals do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def leaving_out(statistic: Callable[[np.ndarray], np.ndarray], n_units: int) -> np.ndarray:
    """Compute a statistic without each unit.

    Parameters
    ----------
    statistic
        Takes how often each unit counts, 0 or 1, int64 (n_units,); gives numbers of shape (...).
    n_units
        Number of units.

    Returns
    -------
    Shape (n_units, ...): what `jackknife_error` takes as `left_out`.
    """
    return np.stack([statistic(weights) for weights in 1 - np.eye(n_units, dtype=np.int64)])


def block_bootstrap(
    statistic: Callable[..., np.ndarray], *n_units: int, resamples: int, seed: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of a statistic of units that are drawn with replacement.

    Parameters
    ----------
    statistic
        Takes the units of each draw, int64 (resamples, n_units), for each of the independent sets of units; gives
        numbers of shape (resamples, ...).
    n_units
        Units of each set.
    resamples, seed
        Number of draws, and what decides them.
    level
        Share of the draws between the limits.

    Returns
    -------
    Lower and upper limits, shape (...).
    """
    rng = np.random.default_rng(seed)
    draws = [rng.integers(n, size=(resamples, n)) for n in n_units]
    low, high = np.quantile(statistic(*draws), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
