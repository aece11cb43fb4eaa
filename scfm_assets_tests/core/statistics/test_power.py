"""Power against statsmodels, against closed forms and against simulated tests."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower, TTestPower

from scfm_assets.core.statistics.power import (
    CORRELATION,
    PAIRED,
    TWO_SAMPLE,
    power_of_difference,
    smallest_difference,
    units_for_difference,
)

GRID = list(itertools.product((0.05, 0.2, 0.5, 0.8, 1.5), (2, 3, 5, 10, 34, 64, 200, 1000), (0.001, 0.05, 0.2)))
SIDES = {"two-sided": "two-sided", "greater": "larger"}


def test_thirty_four_pairs_or_sixty_four_per_group_detect_half_a_standard_deviation():
    assert int(np.ceil(PAIRED.observations(0.5))) == 34
    assert int(np.ceil(TWO_SAMPLE.observations(0.5))) == 64
    assert PAIRED.achieved(0.5, 16) == pytest.approx(0.465, abs=1e-3)
    assert TWO_SAMPLE.achieved(0.5, 16) == pytest.approx(0.278, abs=1e-3)


@pytest.mark.parametrize("sided", SIDES)
@pytest.mark.parametrize(("ours", "theirs"), [(PAIRED, TTestPower()), (TWO_SAMPLE, TTestIndPower())])
def test_power_of_t_tests_is_that_of_statsmodels(ours, theirs, sided):
    for effect, n, alpha in GRID:
        expected = theirs.power(effect, n, alpha, alternative=SIDES[sided])
        found = ours.achieved(effect, n, alpha=alpha, sided=sided)
        if np.isnan(expected):  # they add the far tail, which scipy loses in rounding
            freedom, shift = (n - 1, effect * np.sqrt(n)) if ours is PAIRED else (2 * n - 2, effect * np.sqrt(n / 2))
            expected = stats.nct.sf(stats.t.isf(alpha / 2, freedom), freedom, shift)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(
    ("ours", "theirs", "n"), [(PAIRED, TTestPower(), "nobs"), (TWO_SAMPLE, TTestIndPower(), "nobs1")]
)
def test_observations_and_smallest_effects_are_those_of_solve_power(ours, theirs, n, power):
    for effect in (0.2, 0.5, 1.0):
        expected = theirs.solve_power(effect_size=effect, alpha=0.05, power=power)
        assert ours.observations(effect, power=power) == pytest.approx(float(expected), rel=1e-6)
    for size in (5, 34, 200):
        expected, found = (
            theirs.solve_power(**{n: size}, alpha=0.05, power=power),
            ours.smallest_effect(size, power=power),
        )
        assert found == pytest.approx(float(expected), rel=1e-5)  # they stop a little above the power that is asked for
        assert theirs.power(found, size, 0.05) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize("power_of", [PAIRED, TWO_SAMPLE, CORRELATION], ids=lambda own: own.name)
@pytest.mark.parametrize("sided", SIDES)
def test_turning_round_gives_the_effect_and_the_number_back(power_of, sided):
    for n in (6, 40, 500):
        effect = power_of.smallest_effect(n, sided=sided)
        assert power_of.achieved(effect, n, sided=sided) == pytest.approx(0.8, abs=1e-9)
        assert power_of.observations(effect, sided=sided) == pytest.approx(n, rel=1e-6)


def test_a_correlation_takes_the_published_numbers_of_observations():
    assert int(np.ceil(CORRELATION.observations(0.2))) == 194
    assert round(CORRELATION.observations(0.2, alpha=0.001)) == 418
    by_hand = 3 + ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / np.arctanh(0.2)) ** 2
    assert CORRELATION.observations(0.2) == pytest.approx(by_hand, rel=1e-4)  # the other tail is 1e-6
    assert CORRELATION.achieved(-0.3, 50) == CORRELATION.achieved(0.3, 50)


def test_power_of_a_difference_is_that_of_a_z_test():
    theirs = NormalIndPower(ddof=0)
    for shift in (0.1, 1.0, 2.8):
        # Two groups of 2: the error of their difference is 1 standard deviation.
        expected = theirs.power(shift, 2, 0.05, ratio=1)
        assert power_of_difference(0.01 * shift, 0.01) == pytest.approx(float(expected), abs=1e-9)
    assert smallest_difference(0.01) == pytest.approx(0.01 * (1.959964 + 0.841621), rel=1e-4)
    assert power_of_difference(smallest_difference(0.02, units=9), 0.02, units=9) == pytest.approx(0.8, abs=1e-9)
    assert power_of_difference(0.05, 0.02, units=9) == pytest.approx(PAIRED.achieved(0.05 / 0.02 / 3, 9), abs=1e-12)
    assert units_for_difference(0.05, 0.05 / 0.5 / 10, 100) == pytest.approx(PAIRED.observations(0.5), rel=1e-9)


def test_a_simulated_t_test_detects_as_often_as_its_power_says():
    p = stats.ttest_1samp(np.random.default_rng(0).normal(0.5, 1, (20000, 20)), 0, axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(PAIRED.achieved(0.5, 20), abs=0.015)


def test_what_cannot_be_tested_has_no_power_and_no_effect_takes_infinitely_many():
    assert np.isnan(PAIRED.achieved(0.5, 1))
    assert np.isnan(CORRELATION.smallest_effect(3))
    assert np.isnan(PAIRED.achieved(np.nan, 30))
    assert np.isnan(power_of_difference(0.1, 0.0))
    assert np.isnan(smallest_difference(np.nan))
    assert PAIRED.observations(0) == np.inf
    assert PAIRED.achieved(0, 30) == pytest.approx(0.05)
    assert CORRELATION.achieved(1, 4) == pytest.approx(1)
