"""Estimates against scipy's t tests, and what they say as a hypothesis of a study."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.statistics import Estimate, paired, power_of_difference, smallest_difference

ONE = np.random.default_rng(0).normal(0.6, 0.1, 12)
OTHER = np.random.default_rng(1).normal(0.55, 0.1, 12)


@pytest.mark.parametrize("sided", ["two-sided", "greater", "less"])
def test_a_paired_difference_is_tested_as_scipy_does(sided):
    estimate = paired(ONE, OTHER)
    theirs = stats.ttest_rel(ONE, OTHER, alternative=sided)
    assert estimate.p(sided) == pytest.approx(theirs.pvalue, rel=1e-12)
    assert estimate.units == 12
    assert estimate.effect == pytest.approx(np.mean(ONE - OTHER) / np.std(ONE - OTHER, ddof=1))


def test_the_interval_is_that_of_scipy():
    theirs = stats.ttest_1samp(ONE, 0).confidence_interval(0.9)
    assert Estimate.of_sample(ONE).interval(0.9) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_a_value_with_an_error_is_tested_against_the_smallest_effect_of_interest():
    test = Estimate(0.04, 0.02, 9).as_test("study", "family", "it rises", "slope", smallest=0.05, sided="greater")
    assert (test.study, test.family, test.hypothesis, test.statistic) == ("study", "family", "it rises", "slope")
    assert (test.value, test.n, test.effect) == (0.04, 9, pytest.approx(2 / 3))
    assert test.p == pytest.approx(stats.t.sf(2, 8))
    assert test.power == power_of_difference(0.05, 0.02, sided="greater", units=9)
    assert test.mde == smallest_difference(0.02, sided="greater", units=9)


@pytest.mark.parametrize("sample", [np.array([0.3]), np.full(5, 0.3)])
def test_one_unit_or_units_that_do_not_vary_tell_nothing_but_the_value(sample):
    estimate = Estimate.of_sample(sample)
    assert estimate.value == pytest.approx(0.3)
    known = [*estimate.interval(), estimate.p(), estimate.effect, estimate.power(0.1), estimate.mde()]
    assert np.isnan(known).all()
