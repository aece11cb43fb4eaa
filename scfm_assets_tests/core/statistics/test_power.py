"""Power against statsmodels, against closed forms and against simulated tests."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestPower

from scfm_assets.core.statistics.power import power_of_difference, smallest_difference

GRID = list(itertools.product((0.05, 0.2, 0.5, 0.8, 1.5), (2, 3, 5, 10, 34, 64, 200, 1000), (0.001, 0.05, 0.2)))
SIDES = {"two-sided": "two-sided", "greater": "larger"}


def paired(effect: float, n: float, **how) -> float:
    """Power of a paired t test of n differences, effect in their standard deviations."""
    return power_of_difference(effect, 1 / np.sqrt(n), units=n, **how)


def test_published_powers_of_a_paired_test():
    assert paired(0.5, 34) >= 0.8 > paired(0.5, 33)
    assert paired(0.5, 16) == pytest.approx(0.465, abs=1e-3)


@pytest.mark.parametrize("sided", SIDES)
def test_power_of_t_tests_is_that_of_statsmodels(sided):
    for effect, n, alpha in GRID:
        expected = TTestPower().power(effect, n, alpha, alternative=SIDES[sided])
        if np.isnan(expected):  # they add the far tail, which scipy loses in rounding
            expected = stats.nct.sf(stats.t.isf(alpha / 2, n - 1), n - 1, effect * np.sqrt(n))
        assert paired(effect, n, alpha=alpha, sided=sided) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_smallest_differences_are_those_of_solve_power(power):
    for n in (5, 34, 200):
        expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=power)
        found = smallest_difference(1 / np.sqrt(n), units=n, power=power)
        assert found == pytest.approx(float(expected), rel=1e-5)  # they stop a little above the power that is asked for
        assert TTestPower().power(found, n, 0.05) == pytest.approx(power, abs=1e-9)


def test_few_units_need_differences_that_solve_power_does_not_reach():
    found = smallest_difference(1.0, units=2, alpha=0.001)
    t = stats.t.isf(0.0005, 1)
    assert stats.nct.sf(t, 1, found) == pytest.approx(0.8, abs=1e-6)
    assert not np.isclose(float(TTestPower().solve_power(nobs=2, alpha=0.001, power=0.8)) * np.sqrt(2), found)


@pytest.mark.parametrize("sided", [*SIDES, "less"])
@pytest.mark.parametrize("units", [2, 6, 40, 500, np.inf])
def test_the_smallest_difference_has_the_power(units, sided):
    difference = smallest_difference(0.02, units=units, sided=sided)
    for sign in (1, -1):
        power = power_of_difference(sign * difference, 0.02, units=units, sided=sided)
        assert power == pytest.approx(0.8, abs=1e-9)


def test_power_of_a_difference_is_that_of_a_z_test():
    theirs = NormalIndPower(ddof=0)
    for shift in (0.1, 1.0, 2.8):
        # Two groups of 2: the error of their difference is 1 standard deviation.
        expected = theirs.power(shift, 2, 0.05, ratio=1)
        assert power_of_difference(0.01 * shift, 0.01) == pytest.approx(float(expected), abs=1e-9)
    assert smallest_difference(0.01) == pytest.approx(0.01 * (1.959964 + 0.841621), rel=1e-4)


def test_a_simulated_t_test_detects_as_often_as_its_power_says():
    p = stats.ttest_1samp(np.random.default_rng(0).normal(0.5, 1, (20000, 20)), 0, axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(paired(0.5, 20), abs=0.015)


def test_what_cannot_be_tested_has_no_power():
    assert np.isnan(power_of_difference(0.1, 0.0))
    assert np.isnan(smallest_difference(np.nan))
    assert np.isnan(smallest_difference(0.1, units=1))
    assert power_of_difference(0, 0.1, units=30) == pytest.approx(0.05)
