from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from scfm_assets.core.curves.average import Tail, averaged
from scfm_assets.core.curves.conclusion import conclude, held_out, trend_of
from scfm_assets.core.curves.fit import fit_curves, fit_points, weighed_forms
from scfm_assets.core.curves.gradient import gradient_of_end
from scfm_assets.core.curves.least_squares import Points
from scfm_assets.core.curves.network import NetworkParts
from scfm_assets.core.curves.noise import Deviations, NestedNoise, nested_noise
from scfm_assets.core.words import Margin
from scfm_assets_tests.core.curves.worlds import N, World

STEEP = 0.55 + 0.3 * (1 - np.exp(-0.02 * N)) + 0.003 * np.cos(5 * N)


# --- noise -----------------------------------------------------------------------------------------------------------


def test_structure_of_a_mean_over_nested_cells_is_its_exact_covariance():
    covariance = NestedNoise(scale=0.2, falls=1.0, renewed=0.5).covariance(N, np.minimum(N[:, None], N))
    assert covariance == pytest.approx(0.04 / np.maximum(N[:, None], N))


def test_noise_is_found_again_in_deviations_that_were_drawn_with_it():
    noise = NestedNoise(scale=0.05, falls=0.4, renewed=1.2)
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(noise.covariance(N, np.minimum(N[:, None], N)))
    found = []
    for _ in range(40):
        groups = root @ rng.standard_normal((9, 10))
        found.append(nested_noise([Deviations(N, (groups - groups.mean(1, keepdims=True)) / 3, 9)]))
    spread = np.array([(np.log(one.scale), one.falls, one.renewed) for one in found])
    error = spread.std(0, ddof=1) / np.sqrt(40)
    assert (np.abs(spread.mean(0) - (np.log(0.05), 0.4, 1.2)) < 4 * error + 0.05).all()
    assert spread.std(0).max() < 0.5


def test_values_that_no_group_moves_tell_no_noise():
    assert nested_noise([Deviations(N, np.zeros((9, 10)), 9)]) is None


def test_covariance_of_sets_that_share_cells_in_any_way_can_be_inverted():
    shared = np.minimum(N[:, None], N)
    twice = np.block([[shared, shared], [shared, shared]])
    covariance = NestedNoise(0.1, 0.3, 2.0).covariance(np.tile(N, 2), twice)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert np.diag(covariance) == pytest.approx(0.01 * np.tile(N, 2) ** -0.3)


# --- averages --------------------------------------------------------------------------------------------------------


def tail(weight: float, centre: float, error: float, spare: float = 1e9) -> Tail:
    return Tail(weight, np.array([centre]), np.array([error**2]), np.array([0.0]), 1.0, spare)


def test_average_of_one_form_is_its_t_interval():
    middle, lo, hi = averaged([tail(1.0, 0.8, 0.02, spare=6)], (0, 2))
    assert middle == pytest.approx(0.8, abs=1e-6)
    assert [lo, hi] == pytest.approx([0.8 + stats.t.ppf(q, 6) * 0.02 for q in (0.025, 0.975)], abs=1e-6)


def test_limits_of_two_forms_solve_the_weighted_tail_areas():
    _, lo, hi = averaged([tail(0.7, 0.8, 0.02), tail(0.3, 0.9, 0.03)], (0, 2))

    def below(x: float) -> float:
        return 0.7 * stats.norm.cdf((x - 0.8) / 0.02) + 0.3 * stats.norm.cdf((x - 0.9) / 0.03)

    assert lo == pytest.approx(optimize.brentq(lambda x: below(x) - 0.025, 0.5, 1.2), abs=1e-6)
    assert hi == pytest.approx(optimize.brentq(lambda x: below(x) - 0.975, 0.5, 1.2), abs=1e-6)


def test_a_form_without_an_end_leaves_the_number_without_a_limit_once_its_weight_counts():
    endless = Tail(0.05, np.array([np.inf]), np.array([1e-4]), np.array([0.0]), 1.0, 10)
    assert averaged([tail(0.95, 0.8, 0.02), endless], (0, 2))[2] is None
    small = Tail(0.01, endless.value, endless.variance, endless.squares, 1.0, 10)
    assert averaged([tail(0.99, 0.8, 0.02), small], (0, 2))[2] == pytest.approx(0.8 + 2.165 * 0.02, abs=1e-3)


def test_an_asymptote_that_the_forms_agree_on_is_that_of_the_true_form():
    """At the level of 99 %, as nothing but residuals tells the noise."""
    fits = fit_curves(N, STEEP)
    conclusion = conclude(fits)
    form = next(fit for fit in fits if fit.verdict == "best")
    wider = np.divide(*stats.t.ppf([0.995, 0.975], len(N) - len(form.form.parameters)))
    value = form.asymptote.value
    ends = [value + wider * (end - value) for end in (form.asymptote.lo, value, form.asymptote.hi)]
    assert [conclusion.asymptote.lo, conclusion.asymptote.value, conclusion.asymptote.hi] == pytest.approx(
        ends, abs=2e-4
    )
    counts = conclusion.characteristic_n.lo, conclusion.characteristic_n.value, conclusion.characteristic_n.hi
    of_form = form.characteristic_n.lo, form.characteristic_n.value, form.characteristic_n.hi
    assert counts == pytest.approx(of_form, rel=1e-3)


def test_limits_of_an_asymptote_hold_those_of_every_form_that_is_not_refuted():
    fits = fit_points(World("power", nested=True, sd=0.005).draw(np.random.default_rng(0)))
    conclusion = conclude(fits)
    possible = [fit.asymptote for fit in fits if fit.verdict != "worse"]
    assert len(possible) > 1
    assert conclusion.asymptote.lo <= min(end.lo for end in possible) + 1e-6
    assert conclusion.asymptote.hi >= max(end.hi for end in possible) - 1e-6


def test_no_asymptote_is_bounded_before_three_characteristic_counts_are_measured():
    curve = 0.55 + 0.3 * (1 - np.exp(-N / 500)) + 1e-5 * np.cos(5 * N)
    fits = fit_curves(N, curve)
    assert next(fit for fit in fits if fit.verdict == "best").asymptote.hi < 0.851  # if it is the true form
    assert conclude(fits).asymptote is None


# --- flat ------------------------------------------------------------------------------------------------------------


def test_trend_is_the_regression_on_the_logarithm_of_n():
    slope = stats.linregress(np.log(N), STEEP)
    trend = trend_of(Points(N, STEEP, np.eye(9)), margin=Margin(0.05))
    span, half = np.log(40), stats.t.ppf(0.975, 7) * slope.stderr * np.log(40)
    assert trend.change.value == pytest.approx(slope.slope * span)
    assert (trend.change.lo, trend.change.hi) == pytest.approx((slope.slope * span - half, slope.slope * span + half))
    assert trend.p == pytest.approx(slope.pvalue)


def test_noise_that_hides_a_change_that_matters_is_not_flat():
    rng = np.random.default_rng(1)
    noisy = 0.5 + 0.08 * rng.standard_normal(9)
    conclusion = conclude(fit_curves(N, noisy), margin=Margin(0.05))
    assert conclusion.trend.p > 0.05
    assert not conclusion.is_flat


# --- held out --------------------------------------------------------------------------------------------------------


def test_prediction_of_a_straight_line_from_correlated_points_is_that_of_the_whole_normal_distribution():
    points = World("logarithmic", nested=True, sd=0.005).draw(np.random.default_rng(2))
    fit = next(fit for fit in weighed_forms(points.chosen(N < 1000)) if fit.form.name == "logarithmic")
    X, last = np.column_stack([np.log(N), np.ones(9)]), N == 1000
    covariance = points.covariance
    inverse = np.linalg.inv(covariance[np.ix_(~last, ~last)])
    beta = np.linalg.solve(X[~last].T @ inverse @ X[~last], X[~last].T @ inverse @ points.y[~last])
    shared = covariance[last][:, ~last][0] @ inverse
    expected = (X[last] @ beta)[0] + shared @ (points.y[~last] - X[~last] @ beta)
    predicted = held_out(points)
    assert [fit.parameters[name].value for name in "ac"] == pytest.approx(beta.tolist())
    assert predicted.predicted.lo < expected < predicted.predicted.hi


def test_a_curve_that_bends_at_the_end_is_missed_and_one_that_goes_on_is_not():
    line = 0.5 + 0.02 * np.log(N) + 0.001 * np.cos(5 * N)
    assert held_out(Points(N, line, np.eye(9))).inside
    assert not held_out(Points(N, line + 0.05 * (N == 1000), np.eye(9))).inside
    assert held_out(Points(N[:5], line[:5], np.eye(5))) is None


# --- networks --------------------------------------------------------------------------------------------------------


def test_gradient_of_the_asymptote_equals_refits_of_moved_points():
    points = Points(N, STEEP, World("steep", nested=True, sd=0.005).draw(np.random.default_rng(0)).covariance, 9)
    gradient = gradient_of_end(fit_points(points))
    for i in (0, 4, 8):
        ends = []
        for step in (-1e-4, 1e-4):
            moved = Points(N, STEEP + step * (np.arange(9) == i), points.covariance, 9)
            ends.append(conclude(weighed_forms(moved)).asymptote.value)
        assert gradient[i] == pytest.approx((ends[1] - ends[0]) / 2e-4, abs=2e-3)


def test_variance_over_networks_is_that_of_tfs_and_targets_less_what_both_count():
    rng = np.random.default_rng(0)
    parts = {kind: rng.normal(size=(9, units)) for kind, units in (("tfs", 20), ("targets", 50), ("tf_targets", 64))}
    gradient = rng.normal(size=9)
    tfs, targets, both = (gradient @ parts[kind] for kind in parts)
    error = NetworkParts(parts).error(gradient)
    total = max(tfs @ tfs + targets @ targets - both @ both, tfs @ tfs, targets @ targets)
    assert error.error == pytest.approx(np.sqrt(total))
    assert error.clusters == pytest.approx(min((v @ v) ** 2 / (v**4).sum() for v in (tfs, targets)))
    assert NetworkParts({"tfs": parts["tfs"]}).error(gradient).error == pytest.approx(np.sqrt(tfs @ tfs))
