"""Tests of two samples that assume no distribution, and an effect size for them.

`exact_permutation` is for two groups of independent units (losses between six pairs of tissues at 30 cells, and six at
100) that could have been dealt either way if there were no effect; it is exact for any sample and the only choice for a
handful of units. Where the two groups hold the same units, they are paired, and it does not apply.

`signed_ranks` (Wilcoxon) is for pairs: two methods on the same data sets. It asks whether differences lie around 0, and
assumes that they would be symmetric around it. Unlike the paired t test it is not moved by one large difference; with
fewer than six pairs it can never reach p = 0.05.

`cliffs_delta` says how large a difference between two groups of independent units is: how much more often one of the
first is above one of the second than below. It is an effect size without a unit, from -1 to 1, and no test.

`mcnemar` is for two classifiers on the same cells, where each is right or wrong: only cells that exactly one of them
gets right count. The exact test holds for any number of those, chi square for 25 or more. Cells must be independent of
each other: cells of few donors are not, and a paired test of the donors' accuracies is then the right one.
"""

from __future__ import annotations

from itertools import chain, combinations, islice
from math import comb
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import chdtrc
from scipy.stats import binomtest, wilcoxon

from scfm_assets.core.metrics import auroc, bins_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.core.statistics.power import Sided

DEALT_EXACTLY = 500_000
"""Ways to deal two groups up to which all are looked at."""
DRAWN = 100_000
"""Ways that are drawn where there are more."""
AT_ONCE = 1 << 16
CLOSE = 1e-12
"""Sums of the same numbers in another order differ by rounding: this much of their size is taken as equal."""


class Tested(NamedTuple):
    """A statistic and its p value."""

    statistic: float
    p: float


class McNemar(NamedTuple):
    """Cells that one of two classifiers alone gets right, and what follows.

    `p` is the exact one, two-sided; `chi2` and `p_chi2` have the continuity correction, and are NaN and 1 where the two
    never disagree.
    """

    only_one: int
    only_other: int
    p: float
    chi2: float
    p_chi2: float


def exact_permutation(one: np.ndarray, other: np.ndarray, *, sided: Sided = "two-sided", seed: int = 0) -> Tested:
    """Test whether two groups of independent numbers have the same mean, by every way to deal them into two groups.

    Parameters
    ----------
    one, other
        Numbers, shapes (n,) and (m,), each of at least one.
    sided
        ``greater``: the mean of `one` is above.
    seed
        Decides which ways are drawn where there are more than `DEALT_EXACTLY`.

    Returns
    -------
    Difference of the means, and the share of all ways whose difference is as far (two-sided: in absolute value). Where
    ways are drawn, one more of them counts as the observed one, so that p is never too small.
    """
    one, other = np.asarray(one, float), np.asarray(other, float)
    if not len(one) or not len(other):
        message = f"groups of {len(one)} and {len(other)}: nothing to compare"
        raise ValueError(message)
    pooled, n = np.concatenate([one, other]), len(one)
    ways, is_exact = comb(len(pooled), n), comb(len(pooled), n) <= DEALT_EXACTLY
    dealt = _every_way(len(pooled), n) if is_exact else _drawn_ways(len(pooled), n, np.random.default_rng(seed))
    observed, as_far = float(one.mean() - other.mean()), 0
    room = CLOSE * max(float(np.abs(pooled).max()), np.finfo(float).tiny)
    for chosen in dealt:
        of_one = pooled[chosen].sum(axis=1)
        difference = of_one / n - (pooled.sum() - of_one) / len(other)
        as_far += np.count_nonzero(_beyond(difference, observed, sided, room))
    return Tested(observed, as_far / ways if is_exact else (1 + as_far) / (1 + DRAWN))


def _beyond(difference: np.ndarray, observed: float, sided: Sided, room: float) -> np.ndarray:
    if sided == "two-sided":
        return np.abs(difference) >= abs(observed) - room
    return difference >= observed - room if sided == "greater" else difference <= observed + room


def _every_way(total: int, n: int) -> Iterator[np.ndarray]:
    ways = combinations(range(total), n)
    while block := list(islice(ways, AT_ONCE)):
        yield np.fromiter(chain.from_iterable(block), np.int64).reshape(-1, n)


def _drawn_ways(total: int, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    size = max(1, AT_ONCE * 8 // total)
    for start in range(0, DRAWN, size):
        yield np.argsort(rng.random((min(size, DRAWN - start), total)), axis=1)[:, :n]


def signed_ranks(one: np.ndarray, other: np.ndarray, *, sided: Sided = "two-sided") -> Tested:
    """Test whether paired numbers differ, by Wilcoxon's signed ranks; pairs without a difference do not count.

    Parameters
    ----------
    one, other
        Paired numbers, shape (n,) each.
    sided
        ``greater``: `one` is above.

    Returns
    -------
    What `scipy.stats.wilcoxon` says: p is exact for up to 50 differences without ties, and that of the normal
    distribution for more. NaN and 1 where no pair differs.
    """
    differences = np.asarray(one, float) - np.asarray(other, float)
    if not differences.any():
        return Tested(np.nan, 1.0)
    tested: Any = wilcoxon(differences, alternative=sided)
    return Tested(float(tested.statistic), float(tested.pvalue))


def cliffs_delta(one: np.ndarray, other: np.ndarray) -> float:
    """Return P(one > other) - P(one < other) over all pairs (Cliff 1993, Psychological Bulletin 114): 2 AUROC - 1."""
    numbers = np.concatenate([one, other]).astype(float)
    is_one = np.arange(len(numbers)) < len(one)
    return float(2 * auroc(bins_of(numbers, is_one)) - 1)


def mcnemar(one_is_right: np.ndarray, other_is_right: np.ndarray) -> McNemar:
    """Test whether two classifiers are right equally often on the same cells (McNemar 1947, Psychometrika 12).

    Parameters
    ----------
    one_is_right, other_is_right
        Boolean, shape (n_cells,) each.
    """
    one, other = np.asarray(one_is_right, bool), np.asarray(other_is_right, bool)
    alone, beside = int(np.count_nonzero(one & ~other)), int(np.count_nonzero(other & ~one))
    apart = alone + beside
    if not apart:
        return McNemar(0, 0, 1.0, np.nan, 1.0)
    chi2 = max(abs(alone - beside) - 1, 0) ** 2 / apart
    return McNemar(alone, beside, float(binomtest(alone, apart).pvalue), float(chi2), float(chdtrc(1, chi2)))
