"""Shared resamples against scikit-learn on explicit draws, DeLong's formula and the rows of `checkpoint_comparison`."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.metrics.metrics import METRICS
from scfm_assets.core.statistics import uncertainty
from scfm_assets.core.statistics.uncertainty import chance, verdict_of, verdict_of_all
from scfm_assets_tests.core.statistics import resamples
from scfm_assets_tests.core.statistics.resamples import over_cells, over_network, over_pairs, over_tfs

AUROC, AUPRC, RATIO, EPR = range(4)


def two_methods(
    seed: int, *, knows: tuple[float, float] = (0.5, 1.0), common: float = 1.0, levels: int | None = None
) -> tuple[np.ndarray, CandidatePairs]:
    """Scores (2, n) of 12 TFs x 80 genes, 11 of the TFs with edges, that share noise."""
    rng = np.random.default_rng(seed)
    positive = rng.random((12, 80)) < 0.1
    positive[7] = False
    noise = common * rng.normal(size=positive.shape) + rng.normal(size=(2, *positive.shape))
    scores = noise + np.array(knows)[:, None, None] * positive
    scores = np.round(scores * levels) if levels else scores
    candidate = ~np.eye(12, 80, dtype=bool)
    pairs = CandidatePairs.of_masks(candidate, positive & candidate)
    return pairs.of(scores), pairs


def delong(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Covariance of AUROCs (DeLong et al. 1988, Biometrics 44), by comparing every edge with every other pair."""
    own, others = scores[:, positive], scores[:, ~positive]
    wins = (own[:, :, None] > others[:, None]) + 0.5 * (own[:, :, None] == others[:, None])
    return np.cov(wins.mean(axis=2)) / positive.sum() + np.cov(wins.mean(axis=1)) / (~positive).sum()


@pytest.mark.parametrize("levels", [None, 2])
def test_draws_of_pairs_are_shared_and_those_that_scikit_learn_sees(levels, monkeypatch):
    scores, pairs = two_methods(0, levels=levels)
    found = over_pairs(scores, pairs, resamples=6, seed=4)
    rng = np.random.default_rng(4)
    for b in range(6):
        weight = np.bincount(rng.integers(pairs.n, size=pairs.n), minlength=pairs.n)
        for m, own in enumerate(scores):
            area = roc_auc_score(pairs.positive, own, sample_weight=weight)
            precision = average_precision_score(pairs.positive, own, sample_weight=weight)
            assert found.resampled[m, [AUROC, AUPRC], b] == pytest.approx([area, precision], abs=1e-12)
    monkeypatch.setattr(resamples, "AT_ONCE", 1)
    assert np.array_equal(over_pairs(scores, pairs, resamples=6, seed=4).resampled, found.resampled)


@pytest.mark.parametrize("levels", [None, 1])
def test_errors_over_pairs_are_those_of_delong(levels):
    scores, pairs = two_methods(1, levels=levels)
    shared = over_pairs(scores, pairs, resamples=3000)
    covariance = delong(scores, pairs.positive)
    errors = shared.error(lambda metrics: metrics[:, AUROC])
    # The bootstrap draws the number of edges too, and knows a standard deviation of 3000 draws to 1.3 %.
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.06)
    of_difference = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert shared.difference(0, 1)[AUROC].error == pytest.approx(of_difference, rel=0.06)


@pytest.mark.parametrize("levels", [None, 2])
def test_errors_over_tfs_are_the_jackknife_of_rankings_without_each_tf(levels):
    scores, pairs = two_methods(2, levels=levels)
    shared = over_tfs(scores, pairs)
    assert shared.units == 11
    areas = np.array(
        [[roc_auc_score(pairs.positive[pairs.tf != t], own[pairs.tf != t]) for t in range(12)] for own in scores]
    )
    assert shared.resampled[:, AUROC] == pytest.approx(areas, abs=1e-6)
    difference = areas[1] - areas[0]
    error = np.sqrt(11 / 12 * ((difference - difference.mean()) ** 2).sum())
    found = shared.difference(1, 0)[AUROC]
    value = np.diff([roc_auc_score(pairs.positive, own) for own in scores])[0]
    assert found.difference == pytest.approx(value, abs=1e-12)
    assert found.error == pytest.approx(error, rel=1e-4)
    t = value / error
    assert (found.p, found.effect) == pytest.approx((2 * stats.t.sf(abs(t), 10), t / np.sqrt(11)), rel=1e-3)
    reach = stats.t.ppf(0.975, 10) * error
    assert (found.low, found.high) == pytest.approx((value - reach, value + reach), rel=1e-4)


def test_errors_over_cells_are_the_jackknife_of_rankings_without_each_group():
    scores, pairs = two_methods(3)
    sizes = np.array([5, 0, 5, 5, 5])
    left = scores[:, None] + 0.1 * np.random.default_rng(0).normal(size=(2, 5, pairs.n))
    shared = over_cells(scores, left, sizes, pairs)
    areas = np.array([[roc_auc_score(pairs.positive, own) for own in method[sizes > 0]] for method in left])
    difference = areas[0] - areas[1]
    value = shared.values[0, AUROC] - shared.values[1, AUROC]
    error = np.sqrt(3 / 4 * ((difference - difference.mean()) ** 2).sum())
    found = shared.difference(0, 1)[AUROC]
    assert (found.difference, found.error, found.units) == pytest.approx((value, error, 4), abs=1e-12)


def test_intervals_stay_in_range_and_are_wider_on_the_side_that_has_room():
    scores, pairs = two_methods(4, knows=(6.0, 0.0), common=0)
    for shared in (over_pairs(scores, pairs), over_tfs(scores, pairs), over_network(scores, pairs)):
        low, high = shared.intervals()
        value = shared.values
        given = shared.has_limits
        assert given.all() == (shared.kind == "pairs" or shared.clusters >= 10)
        assert np.all((low < value)[:, given] & (value < high)[:, given])
        assert high[0, AUROC] <= 1
        assert value[0, AUROC] - low[0, AUROC] > 1.5 * (high[0, AUROC] - value[0, AUROC])
        if shared.kind == "pairs":
            assert np.all(low[:, RATIO] <= low[:, AUPRC] * pairs.n / pairs.n_pos)
            assert np.all(high[:, RATIO] >= high[:, AUPRC] * pairs.n / pairs.n_pos)
        assert [own[AUROC] for own in shared.verdicts()] == ["better", "indistinguishable"]


def test_a_method_differs_from_itself_by_what_cannot_be_tested_and_the_other_way_round_by_the_opposite():
    scores, pairs = two_methods(5)
    for over in (over_pairs, over_tfs, over_network):
        shared = over(scores[[0, 0, 1]], pairs)
        for own in shared.difference(0, 1):
            assert own.difference == 0
            assert np.isnan([own.low, own.high, own.effect, own.p]).all()
            assert own.verdict == "indistinguishable"
        for one, other in zip(shared.difference(0, 2), shared.difference(2, 0), strict=True):
            assert (one.difference, one.low, one.effect) == pytest.approx(
                (-other.difference, -other.high, -other.effect), nan_ok=True
            )
            assert {one.verdict, other.verdict} in ({"better", "worse"}, {"indistinguishable"})


def test_what_methods_share_is_no_part_of_the_error_of_their_difference():
    scores, pairs = two_methods(6, knows=(0.7, 0.7), common=4)
    for shared in (over_pairs(scores, pairs), over_tfs(scores, pairs), over_network(scores[[0, 1]], pairs)):
        apart = np.sqrt((shared.errors_on_scales()[AUROC] ** 2).sum()) / 4  # slope of the log-odds, at most
        assert shared.difference(0, 1)[AUROC].error < 0.6 * apart


def test_an_error_of_nothing_is_no_knowledge():
    scores, pairs = two_methods(7)
    still = np.repeat(scores[:, None], 4, axis=1)
    for shared in (over_cells(scores, still, np.ones(4), pairs), over_cells(scores, still, np.eye(4)[0], pairs)):
        assert np.isnan(shared.intervals()).all()
        found = shared.difference(0, 1)
        assert all(np.isnan([own.low, own.high, own.effect, own.p]).all() for own in found)
        assert {own.verdict for own in found} == {"indistinguishable"}
        assert {word for own in shared.verdicts() for word in own} == {"indistinguishable"}


def test_a_verdict_of_all_kinds_needs_all_of_them():
    scores, pairs = two_methods(8, knows=(0.0, 3.0))
    better, same = over_tfs(scores, pairs).difference(1, 0)[AUROC], over_tfs(scores, pairs).difference(0, 0)[AUROC]
    assert better.verdict == "better"
    assert verdict_of_all([better, better]) == "better"
    assert verdict_of_all([better, same]) == "indistinguishable"
    assert verdict_of_all([better, over_tfs(scores, pairs).difference(0, 1)[AUROC]]) == "indistinguishable"
    assert [verdict_of(*ends) for ends in ((0.1, 0.2), (-2, -1), (-1, 1), (np.nan, np.nan), (0, 1))] == [
        "better", "worse", "indistinguishable", "indistinguishable", "indistinguishable"
    ]  # fmt: skip
    assert verdict_of(0.51, 0.6, 0.5) == "better"


def test_chance_is_what_random_orders_give():
    rng = np.random.default_rng(9)
    labels = np.arange(400) < 12
    pairs = CandidatePairs.of_masks(np.ones((1, 400), bool), labels[None])
    values = over_cells(rng.normal(size=(3000, 400)), np.zeros((1, 1, 400)), np.ones(1), pairs).values
    error = values.std(axis=0, ddof=1) / np.sqrt(3000)
    assert np.all(np.abs(values.mean(axis=0) - chance(12, 400)) < 4 * error)
    assert [metric.name for metric in METRICS] == ["auroc", "auprc", "auprc_ratio", "epr"]


def test_what_rounding_leaves_of_an_error_is_none():
    """A score that no cell changes: sums over groups in another order differ in the last bits, and in nothing else."""
    scores, pairs = two_methods(5)
    whole = [pairs.rank(score) for score in scores]
    rng, sizes = np.random.default_rng(0), np.full(10, 10)
    jitter = [1 + rng.choice([-1, 0, 1], (10, len(METRICS))) * np.finfo(float).eps for _ in whole]
    left_out = [ranking.values * factor for ranking, factor in zip(whole, jitter, strict=True)]
    shared = uncertainty.over_cells(whole, left_out, sizes)
    assert np.isnan(shared.intervals()).all()
    for difference in shared.difference(1, 0):
        assert difference.verdict == "indistinguishable"
        assert np.isnan([difference.error, difference.low, difference.high, difference.p, difference.effect]).all()
