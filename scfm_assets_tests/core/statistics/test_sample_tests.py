"""Tests of two samples against scipy, statsmodels and published figures, and how often they err under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels

from scfm_assets.core.statistics import cliffs_delta, exact_permutation, mcnemar, sample_tests, signed_ranks

# Average precision of seven probes in immune, kidney and lung cells, with 30 and with 100 cells: the published table
# `cell_budget_shift_30_to_100.csv` of the study of transfer between tissues. The seven probes are in one order.
PUBLISHED = {
    30: {
        "immune": [0.0152, 0.0165, 0.0127, 0.0159, 0.0333, 0.0106, 0.0128],
        "kidney": [0.0277, 0.0335, 0.0352, 0.0277, 0.018, 0.0246, 0.0223],
        "lung": [0.0314, 0.0354, 0.0252, 0.0308, 0.0238, 0.0163, 0.0284],
    },
    100: {
        "immune": [0.0026, 0.0085, 0.008, 0.001, 0.0008, 0.005, 0.0014],
        "kidney": [0.0297, 0.0366, 0.0395, 0.03, 0.0195, 0.0282, 0.0252],
        "lung": [0.0324, 0.0361, 0.0269, 0.0326, 0.0232, 0.0164, 0.022],
    },
}


def regrets(cells: int) -> dict[tuple[str, str], float]:
    """What one loses who takes the probe that is best in one tissue to another one, over what is best there."""
    of = PUBLISHED[cells]
    return {
        (source, target): 1 - of[target][int(np.argmax(of[source]))] / max(of[target])
        for source in of
        for target in of
        if source != target
    }


def test_the_published_transfer_between_tissues_is_repeated():
    few, many = (np.array(list(regrets(cells).values())) for cells in (30, 100))
    assert (few.mean(), many.mean()) == pytest.approx((0.379, 0.077), abs=5e-4)
    assert exact_permutation(few, many).p == pytest.approx(0.010822510822510822, abs=1e-15)
    assert exact_permutation(few, many).statistic == pytest.approx(few.mean() - many.mean())
    assert cliffs_delta(few, many) == pytest.approx(0.7777777777777778, abs=1e-15)
    of_kidney = [loss for (source, _), loss in regrets(100).items() if source == "kidney"]
    others = [loss for (source, _), loss in regrets(100).items() if source != "kidney"]
    assert cliffs_delta(np.array(of_kidney), np.array(others)) == pytest.approx(0.5, abs=1e-15)


# F1 of pooled scores and of the largest of the states' scores, ten seeds for each of six designs, in units of one edge
# of 14, 14, 14, 18, 22 and 26: the published table `scaling_v2_results.csv`.
EDGES = np.repeat([14, 14, 14, 18, 22, 26], 10)
POOLED = [
    *(11, 11, 13, 12, 11, 12, 12, 12, 13, 12),
    *(9, 12, 8, 9, 10, 8, 9, 8, 8, 11),
    *(8, 6, 6, 6, 8, 7, 5, 9, 5, 8),
    *(12, 9, 11, 11, 9, 9, 10, 9, 12, 7),
    *(11, 12, 11, 11, 8, 14, 11, 13, 13, 9),
    *(13, 14, 14, 14, 11, 14, 14, 15, 14, 14),
]
OF_STATES = [
    *(13, 14, 13, 12, 13, 14, 14, 14, 14, 13),
    *(11, 12, 12, 13, 14, 13, 13, 13, 14, 14),
    *(13, 11, 13, 11, 13, 13, 14, 13, 13, 12),
    *(18, 17, 17, 17, 18, 18, 17, 17, 18, 17),
    *(18, 21, 20, 21, 20, 22, 21, 20, 21, 21),
    *(24, 25, 25, 23, 25, 24, 24, 24, 25, 25),
]


def test_the_published_signed_ranks_are_one_sided():
    one, other = OF_STATES / EDGES, POOLED / EDGES
    assert signed_ranks(one, other, sided="greater").p == pytest.approx(2.5e-11, rel=0.02)
    assert signed_ranks(one, other).p == pytest.approx(5.0e-11, rel=0.02)


@pytest.mark.parametrize("sided", ["two-sided", "greater", "less"])
def test_exact_permutation_is_that_of_scipy(sided):
    rng = np.random.default_rng(0)
    for n, m in ((5, 5), (4, 7), (8, 3), (2, 9)):
        one, other = rng.normal(size=n).round(1), rng.normal(0.5, 1, m).round(1)
        of_scipy = stats.permutation_test(
            (one, other), lambda a, b, axis: a.mean(axis) - b.mean(axis), alternative=sided, n_resamples=np.inf
        )
        ours = exact_permutation(one, other, sided=sided)
        assert ours.statistic == pytest.approx(of_scipy.statistic)
        if sided != "two-sided":  # scipy doubles the smaller side
            assert ours.p == pytest.approx(of_scipy.pvalue)
        else:
            every = of_scipy.null_distribution
            assert ours.p == pytest.approx(np.mean(np.abs(every) >= abs(of_scipy.statistic) - 1e-12))


def test_where_there_are_too_many_ways_they_are_drawn(monkeypatch):
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.8, 1, 9), rng.normal(size=8)
    exact = exact_permutation(one, other)
    monkeypatch.setattr(sample_tests, "DEALT_EXACTLY", 10)
    drawn = exact_permutation(one, other, seed=3)
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / sample_tests.DRAWN))
    assert drawn.p == exact_permutation(one, other, seed=3).p
    assert drawn.p != exact_permutation(one, other, seed=4).p
    with pytest.raises(ValueError, match="nothing to compare"):
        exact_permutation(one, np.array([]))


def test_cliffs_delta_counts_pairs():
    rng = np.random.default_rng(2)
    one, other = rng.integers(0, 6, 11), rng.integers(1, 7, 8)
    assert cliffs_delta(one, other) == pytest.approx(np.mean(np.sign(one[:, None] - other[None])))
    assert (cliffs_delta(np.array([2.0]), np.array([1.0])), cliffs_delta(one, one)) == (1.0, pytest.approx(0))


def test_mcnemar_is_that_of_statsmodels():
    rng = np.random.default_rng(3)
    for n, better in ((12, 0.3), (60, 0.6), (400, 0.8), (400, 0.7)):
        one, other = rng.random(n) < better, rng.random(n) < 0.7
        tested = mcnemar(one, other)
        counts = [[np.sum(a & b) for b in (other, ~other)] for a in (one, ~one)]
        assert (tested.only_one, tested.only_other) == (counts[0][1], counts[1][0])
        assert tested.p == pytest.approx(mcnemar_of_statsmodels(counts, exact=True).pvalue)
        of_chi2 = mcnemar_of_statsmodels(counts, exact=False, correction=True)
        assert (tested.chi2, tested.p_chi2) == pytest.approx((of_chi2.statistic, of_chi2.pvalue))
    never = mcnemar(np.array([True, False]), np.array([True, False]))
    assert (never.p, never.p_chi2) == (1.0, 1.0)
    assert np.isnan(never.chi2)


def test_signed_ranks_of_no_difference_say_nothing():
    assert signed_ranks(np.ones(5), np.ones(5)).p == 1.0
    assert signed_ranks(np.arange(5.0) + 1, np.zeros(5)).p == pytest.approx(2 / 2**5)  # five pairs never reach 0.05


@pytest.mark.long
def test_none_of_them_errs_more_often_than_it_says():
    """Skewed samples without an effect, 1000 times: as often as alpha says, or less where few values are possible."""
    rng, draws = np.random.default_rng(4), 1000
    wrong = {"exact": 0, "ranks": 0, "mcnemar": 0}
    for _ in range(draws):
        wrong["exact"] += exact_permutation(rng.lognormal(size=4), rng.lognormal(size=5)).p <= 0.05
        wrong["ranks"] += signed_ranks(rng.lognormal(size=12), rng.lognormal(size=12)).p <= 0.05
        wrong["mcnemar"] += mcnemar(rng.random(80) < 0.7, rng.random(80) < 0.7).p <= 0.05
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert all(0.015 <= count / draws <= most for count in wrong.values()), wrong
