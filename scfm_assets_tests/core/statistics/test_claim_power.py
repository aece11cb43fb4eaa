"""The power of a claim against experiments that are made again and again, and against the power of one comparison."""

from __future__ import annotations

import numpy as np
import pytest

from scfm_assets.core.metrics import METRICS
from scfm_assets.core.statistics import (
    ErrorSource,
    Resampled,
    covariance_of_differences,
    errors_between,
    power_of_claim,
    power_of_difference,
    smallest_difference,
)

NOBODY_BEHIND = np.zeros(4)


def alike(correlation: float, error: float, n: int = 4) -> np.ndarray:
    return error**2 * (correlation + (1 - correlation) * np.eye(n))


@pytest.mark.parametrize("units", [8, 30, 200])
def test_one_comparison_has_the_power_of_a_t_test(units):
    claim = power_of_claim([ErrorSource(np.array([[0.02**2]]), units)], 0.06, np.zeros(1), draws=40_000)
    assert claim.power == pytest.approx(power_of_difference(0.06, 0.02, units=units), abs=0.01)
    assert claim.mde == pytest.approx(smallest_difference(0.02, units=units), rel=0.02)


def experiments(
    covariances: list[np.ndarray], units: int, smallest: float, ahead: np.ndarray, *, times: int, seed: int
) -> float:
    """How often all differences exclude 0: each source adds the mean of `units` draws, whose spread is its error."""
    from scipy.stats import t

    rng, made = np.random.default_rng(seed), 0
    roots = [np.linalg.cholesky(covariance * units) for covariance in covariances]
    for _ in range(times):
        drawn = [rng.standard_normal((units, len(ahead))) @ root.T for root in roots]
        difference = smallest + ahead + np.sum([one.mean(axis=0) for one in drawn], axis=0)
        errors = [one.std(axis=0, ddof=1) / np.sqrt(units) for one in drawn]
        made += all((difference > t.ppf(0.975, units - 1) * error).all() for error in errors)
    return made / times


@pytest.mark.parametrize(
    ("of_cells", "correlation", "ahead"),
    [(0.3, 0.9, [0, 0, 0, 0]), (1.0, 0.5, [0, 0, 0, 0]), (0.1, 0.0, [0, 0.01, 0.05, 0.2]), (1.0, 0.95, [0, 0, 0, 0.1])],
)
def test_a_claim_has_the_power_of_experiments_that_are_repeated(of_cells, correlation, ahead):
    error, units, times = 0.02, 12, 3000
    covariances = [alike(correlation, error), alike(correlation, error * of_cells)]
    expected = experiments(covariances, units, 0.06, np.array(ahead), times=times, seed=1)
    claim = power_of_claim([ErrorSource(one, units) for one in covariances], 0.06, np.array(ahead), draws=10_000)
    assert claim.power == pytest.approx(expected, abs=4 * np.sqrt(0.25 / times))
    assert power_of_claim(
        [ErrorSource(one, units) for one in covariances], claim.mde, np.array(ahead), draws=10_000
    ).power == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("correlation", "power"), [(0.95, 0.64), (0.8, 0.555), (0.5, 0.44)])
def test_where_each_of_eight_comparisons_has_a_power_of_80_percent_the_claim_has_less(correlation, power):
    """Four nulls by two kinds of intervals of equal errors: every comparison alone would be called powerful."""
    smallest = smallest_difference(0.02, units=np.inf)
    source = ErrorSource(alike(correlation, 0.02), 10_000)
    claim = power_of_claim([source, source], smallest, NOBODY_BEHIND, draws=20_000)
    assert power_of_difference(smallest, 0.02) == pytest.approx(0.8)
    assert claim.power == pytest.approx(power, abs=0.02)
    with_cells_that_say_much = power_of_claim(
        [source, ErrorSource(alike(correlation, 0.002), 10_000)], smallest, NOBODY_BEHIND, draws=20_000
    )
    assert claim.power < with_cells_that_say_much.power < 0.8


def test_rivals_that_lie_far_behind_cost_no_power_and_a_further_test_may():
    one, four = ErrorSource(np.array([[0.02**2]]), 30), ErrorSource(alike(0.3, 0.02), 30)
    alone = power_of_claim([one], 0.06, np.zeros(1))
    assert power_of_claim([four], 0.06, np.array([0, 0.5, 0.5, 0.5])).power == pytest.approx(alone.power, abs=0.03)
    assert power_of_claim([one], 0.06, np.zeros(1), also=(0.6, 0.55)).power == alone.power
    assert power_of_claim([one], 0.06, np.zeros(1), also=(0.6, 0.66)).power == pytest.approx(0.5, abs=0.03)
    assert power_of_claim([one], 0.06, np.zeros(1), seed=0) == alone


def test_what_one_kind_cannot_say_of_a_rival_is_left_to_the_other():
    partly = alike(0.5, 0.02)
    partly[3] = partly[:, 3] = np.nan
    claim = power_of_claim([ErrorSource(alike(0.5, 0.02), 30), ErrorSource(partly, 10)], 0.06, NOBODY_BEHIND)
    assert 0 < claim.power < power_of_difference(0.06, 0.02, units=30)
    nothing = ErrorSource(np.full((4, 4), np.nan), 10)
    assert power_of_claim([ErrorSource(alike(0.5, 0.02), 30), nothing], 0.06, NOBODY_BEHIND) == power_of_claim(
        [ErrorSource(alike(0.5, 0.02), 30)], 0.06, NOBODY_BEHIND
    )


@pytest.mark.parametrize(
    ("sources", "smallest"),
    [
        ([], 0.05),
        ([ErrorSource(np.full((4, 4), np.nan), 10)], 0.05),
        ([ErrorSource(np.diag([1.0, 1, 1, 0]), 10)], 0.05),
        ([ErrorSource(np.eye(4), 1)], 0.05),
        ([ErrorSource(np.eye(4), 10)], 0.0),
        ([ErrorSource(np.eye(4), 10)], np.nan),
    ],
)
def test_without_an_error_nothing_is_known_of_the_power(sources, smallest):
    assert np.isnan(power_of_claim(sources, smallest, NOBODY_BEHIND)).all()


def test_the_covariance_is_that_of_the_differences_left_out():
    rng = np.random.default_rng(5)
    units, methods = 15, 4
    resampled = 0.5 + 0.01 * rng.normal(size=(methods, len(METRICS), units)) + 0.01 * rng.normal(size=units)
    shared = Resampled("tfs", resampled.mean(axis=2), 50, 500, units, np.inf, resampled, np.ones(units, np.int64))
    errors = np.array([[d.error for d in shared.difference(1, other)] for other in (0, 2, 3)]).T
    covariance = covariance_of_differences(errors, errors_between(shared, [0, 2, 3]))
    assert covariance.shape == (len(METRICS), 3, 3)
    for metric in range(len(METRICS)):
        differences = resampled[1, metric] - resampled[[0, 2, 3], metric]
        centred = differences - differences.mean(axis=1, keepdims=True)
        assert covariance[metric] == pytest.approx(centred @ centred.T * (units - 1) / units, rel=1e-6)
    assert errors_between(shared, [2]).shape == (len(METRICS), 1, 1)
