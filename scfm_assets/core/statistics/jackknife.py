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
    return np.sqrt((jackknife_parts(value, left_out, sizes, strata) ** 2).sum(axis=0))


def jackknife_parts(
    value: np.ndarray, left_out: np.ndarray, sizes: np.ndarray, strata: np.ndarray | None = None
) -> np.ndarray:
    """Parts of the errors by group, shape (n_groups, ...); arguments as for `jackknife_error`.

    The squares of a statistic's parts sum to its variance, and the products of the parts of two statistics that the
    same groups were left out of to their covariance. A group without cells has none: 0. NaN with fewer than two groups
    that hold cells.
    """
    held = np.flatnonzero(sizes)
    value, every = np.asarray(value, float), np.asarray(left_out, float)
    parts = np.zeros(every.shape)
    if len(held) < 2:
        return np.full(every.shape, np.nan)
    left = every[held]
    share = (sizes[held] / sizes.sum()).reshape(-1, *[1] * value.ndim)
    pseudo = (value - (1 - share) * left) / share
    if strata is None:
        estimate = len(held) * value - ((1 - share) * left).sum(axis=0)
        parts[held] = (pseudo - estimate) * np.sqrt(share / (1 - share) / len(held))
        return parts
    for stratum in np.unique(np.asarray(strata)[held]):
        inside = np.asarray(strata)[held] == stratum
        number, weight = np.count_nonzero(inside), share[inside]
        if number > 1:
            mean = (pseudo[inside] * weight).sum(axis=0) / weight.sum()
            parts[held[inside]] = weight * (pseudo[inside] - mean) * np.sqrt(number / (number - 1))
    return parts


def freedom_within(sizes: np.ndarray, strata: np.ndarray | None = None) -> int:
    """Degrees of freedom of `jackknife_error`: groups with cells, less one for each stratum."""
    held = sizes > 0
    n_strata = 1 if strata is None else len(np.unique(np.asarray(strata)[held]))
    return int(np.count_nonzero(held)) - n_strata
