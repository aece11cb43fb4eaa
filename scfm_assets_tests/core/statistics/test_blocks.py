"""Leaving out and drawing units against closed forms and plain loops."""

import numpy as np
import pytest

from scfm_assets.core.statistics import block_bootstrap, jackknife_error, leaving_out

UNITS = np.random.default_rng(0).gamma(2, size=15)


def test_leaving_units_out_of_a_mean_gives_its_standard_error():
    left_out = leaving_out(lambda weights: np.average(UNITS, weights=weights), 15)
    assert left_out == pytest.approx([np.delete(UNITS, i).mean() for i in range(15)])
    error = jackknife_error(UNITS.mean(), left_out, np.ones(15))
    assert error == pytest.approx(UNITS.std(ddof=1) / np.sqrt(15))


def test_drawn_units_give_percentiles_and_sets_of_units_are_drawn_apart():
    other = UNITS[:6] + 1
    low, high = block_bootstrap(
        lambda one, two: UNITS[one].mean(axis=1) - other[two].mean(axis=1), 15, 6, resamples=200, seed=3, level=0.9
    )
    rng = np.random.default_rng(3)
    one, two = rng.integers(15, size=(200, 15)), rng.integers(6, size=(200, 6))
    drawn = np.array([UNITS[a].mean() - other[b].mean() for a, b in zip(one, two, strict=True)])
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))


def test_each_number_of_a_statistic_gets_limits():
    values = np.random.default_rng(1).normal([0, 5], 1, (40, 2))
    low, high = block_bootstrap(lambda drawn: values[drawn].mean(axis=1), 40, resamples=500, seed=0)
    assert low.shape == high.shape == (2,)
    assert np.all(low < values.mean(axis=0))
    assert np.all(values.mean(axis=0) < high)
