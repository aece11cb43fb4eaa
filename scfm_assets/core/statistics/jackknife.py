"""Intervals over cells: the delete-a-group jackknife for groups of unequal sizes.

Leaving out group j of m_j of the n cells changes the statistic from theta to theta_(-j). With h_j = n / m_j, the
pseudo-values are theta_j = h_j theta - (h_j - 1) theta_(-j), the jackknife estimate is
theta_J = g theta - sum_j (1 - m_j / n) theta_(-j), and the variance

    1/g  sum_j (theta_j - theta_J)^2 / (h_j - 1)

over the g groups (Busing, Meijer and van der Leeden 1999, Statistics and Computing 9, "Delete-m jackknife for unequal
m"). For groups of one size it is the usual grouped jackknife. It is right for what follows the cells nearly linearly,
and on average too large, not too small, where a metric bends (Efron and Stein 1981, Annals of Statistics 9).
"""

from __future__ import annotations

import numpy as np


def jackknife_error(
    value: np.ndarray, left_out: np.ndarray, sizes: np.ndarray, strata: np.ndarray | None = None
) -> np.ndarray:
    """One standard error for each statistic, over groups of cells or any other units.

    Parameters
    ----------
    value
        The statistics of all cells, shape (...).
    left_out
        The same without each group, shape (n_groups, ...).
    sizes
        Cells of each group, shape (n_groups,); groups without cells do not count.
    strata
        What each group is drawn from, int (n_groups,), where these stay as they are: only groups of one stratum are
        compared with each other. A stratum of one group adds nothing. One for all if None.

    Returns
    -------
    Shape (...); NaN with fewer than two groups that hold cells, or where a statistic is undefined.
    """
    held = np.flatnonzero(sizes)
    value, left_out = np.asarray(value, float), np.asarray(left_out, float)[held]
    if len(held) < 2:
        return np.full(value.shape, np.nan)
    share = (sizes[held] / sizes.sum()).reshape(-1, *[1] * value.ndim)
    pseudo = (value - (1 - share) * left_out) / share
    if strata is not None:
        return np.sqrt(_within(pseudo, share, np.asarray(strata)[held]))
    estimate = len(held) * value - ((1 - share) * left_out).sum(axis=0)
    return np.sqrt(((pseudo - estimate) ** 2 * share / (1 - share)).mean(axis=0))


def freedom_within(sizes: np.ndarray, strata: np.ndarray | None = None) -> int:
    """Degrees of freedom of `jackknife_error`: groups with cells, less one for each stratum."""
    held = sizes > 0
    n_strata = 1 if strata is None else len(np.unique(np.asarray(strata)[held]))
    return int(np.count_nonzero(held)) - n_strata


def _within(pseudo: np.ndarray, share: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Variance of the share-weighted mean of pseudo-values, from how they differ inside each stratum."""
    variance = np.zeros(pseudo.shape[1:])
    for stratum in np.unique(strata):
        own, weight = pseudo[strata == stratum], share[strata == stratum]
        if len(own) < 2:
            continue
        mean = (own * weight).sum(axis=0) / weight.sum()
        variance += len(own) / (len(own) - 1) * ((weight * (own - mean)) ** 2).sum(axis=0)
    return variance
