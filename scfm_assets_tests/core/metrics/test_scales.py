"""Scales of metrics: there and back, their slopes, and what limits made on them are."""

import numpy as np
import pytest

from scfm_assets.core.metrics import METRICS, rescaled, slopes
from scfm_assets.core.metrics.scales import RECIPROCAL, SCALES

PAIRS = 30.0 * 970
VALUES = np.tile(np.linspace(0.02, 0.98, 25), (len(METRICS), 1))


def test_there_and_back_is_where_one_was():
    assert rescaled(rescaled(VALUES, PAIRS), PAIRS, back=True) == pytest.approx(VALUES, rel=1e-9)


def test_slopes_are_those_of_small_steps():
    step = 1e-6
    numeric = (rescaled(VALUES + step, PAIRS) - rescaled(VALUES - step, PAIRS)) / (2 * step)
    assert slopes(VALUES, PAIRS) == pytest.approx(numeric, rel=1e-5)
    assert (slopes(VALUES, PAIRS) > 0).all()


@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_the_ends_of_a_share_are_finite_and_come_back(name):
    scale = SCALES[name]
    ends = scale.there(np.array([0.0, 1.0]), PAIRS)
    assert np.isfinite(ends).all()
    assert scale.back(ends, PAIRS) == pytest.approx([0, 1], abs=1e-9)
    assert list(scale.back(np.array([-1e9, 1e9]), PAIRS)) == [0, 1]


def test_limits_of_a_ratio_are_the_value_over_one_and_its_relative_error_and_end_at_infinity():
    value, reach = np.array([3.0]), np.array([0.2, 0.6, 1.0, 1.7])
    half = reach * value * RECIPROCAL.slope(value, PAIRS)  # an error of so many parts of the value
    low, high = (RECIPROCAL.back(RECIPROCAL.there(value, PAIRS) + side * half, PAIRS) for side in (-1, 1))
    assert low == pytest.approx(3 / (1 + reach))
    assert high == pytest.approx([3 / 0.8, 3 / 0.4, np.inf, np.inf])


def test_what_is_not_known_stays_unknown():
    for scale in SCALES.values():
        assert np.isnan(scale.back(np.array([np.nan]), PAIRS)).all()
