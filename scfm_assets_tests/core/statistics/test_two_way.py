"""Errors over TFs and targets against refits with scikit-learn, and what they say where targets are shared."""

import numpy as np
import pytest

from scfm_assets.core.metrics import METRICS, CandidatePairs, bins_of, influence, reach, rescaled, slopes, values_of
from scfm_assets.core.statistics import one_side, over_network, over_targets
from scfm_assets.core.statistics.count_sketch import SLOTS
from scfm_assets.core.statistics.two_way import side_by_side
from scfm_assets.core.statistics.uncertainty import effective_number
from scfm_assets_tests.core.statistics.two_way_reference import error_of

AUROC, AUPRC, RATIO, EPR = range(4)
CANDIDATE = ~np.eye(14, 30, dtype=bool)


def two_methods(
    seed: int, levels: int | None = None, candidate: np.ndarray = CANDIDATE
) -> tuple[np.ndarray, np.ndarray, CandidatePairs]:
    """Scores (2, T, K) of TFs that share popular targets, and the edges."""
    rng, shape = np.random.default_rng(seed), candidate.shape
    popular = np.exp(rng.normal(size=shape[1]))
    positive = candidate & (rng.random(shape) < 0.12 * popular)
    scores = rng.normal(size=shape) + rng.normal(size=(2, 1, shape[1])) + rng.normal(size=(2, *shape))
    scores = scores + positive * np.array([1.0, 0.4])[:, None, None]
    scores = np.round(scores * levels) if levels else scores
    return scores, positive, CandidatePairs.of_masks(candidate, positive)


@pytest.mark.parametrize(
    ("levels", "kind"), [(None, "network"), (1, "network"), pytest.param(None, "targets", marks=pytest.mark.long)]
)
def test_errors_are_those_of_refits_with_every_cluster_and_pair_a_little_heavier(levels, kind):
    candidate = ~np.eye(5, 11, dtype=bool)
    scores, positive, pairs = two_methods(0, levels, candidate)
    shared = one_side(over_network([pairs.rank(pairs.of(own)) for own in scores]), kind)
    product = float(pairs.n_pos) * pairs.n_neg
    errors, differences = shared.errors_on_scales(), shared.errors_of_differences([0], [1])[0]
    # Early precision has a slope by weights only where the pairs at its cut are tied.
    for place, name in enumerate(metric.name for metric in METRICS if levels or metric.name != "epr"):
        plain = error_of(name, scores[:1], positive, candidate, kind)
        step = 1e-6
        around = np.repeat(shared.values[0][:, None], 2, axis=1)
        around[place] += [-step, step]
        slope = np.diff(rescaled(around, product)[place])[0] / (2 * step)
        tolerance = 0.05 if name == "epr" else 1e-4
        assert errors[place, 0] == pytest.approx(plain * slope, rel=tolerance)
        expected = error_of(name, scores, positive, candidate, kind)
        assert differences[place] == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("shape", [(6, 15), (14, 30)])
def test_parts_of_a_network_square_to_the_variance(shape):
    """Exactly where every pair has a slot of its own, else as nearly as the list is long."""
    candidate = ~np.eye(*shape, dtype=bool)
    scores, positive, _ = two_methods(0, None, candidate)
    pairs = CandidatePairs.of_masks(candidate, positive)
    shared = over_network([pairs.rank(pairs.of(scores[0]))])
    of_tfs, of_targets, of_pairs = np.square(np.split(shared.parts(), 3, axis=1)).sum(axis=2)
    plain = shared.errors_on_scales()[:, 0] / slopes(shared.values.T, float(pairs.n_pos) * pairs.n_neg)[:, 0]
    exact = candidate.size <= SLOTS
    assert np.sqrt(of_tfs + of_targets - of_pairs) == pytest.approx(plain, rel=1e-5 if exact else 0.3)


def test_influences_add_up_to_nothing_and_are_about_what_is_lost_without_a_cluster():
    scores, _, pairs = two_methods(1)
    ranking = pairs.rank(pairs.of(scores[0]))
    found = influence(ranking)
    for of_clusters, cluster in ((found.by_tf, pairs.tf), (found.by_target, pairs.target)):
        assert of_clusters.sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-12)
        without = [
            values_of(bins_of(ranking.scores[cluster != one], pairs.positive[cluster != one]))
            for one in range(cluster.max() + 1)
        ]
        lost = ranking.values[AUROC] - np.array(without)[:, AUROC]
        assert np.corrcoef(of_clusters[AUROC], lost)[0, 1] > 0.99
        assert np.abs(of_clusters[AUROC] - lost).max() < 0.3 * np.abs(lost).max()


def test_pairs_without_a_tf_move_targets_but_no_tf():
    scores, positive, _ = two_methods(2)
    positive[3:] = False
    tfs = np.array([0, 1, 2])
    pairs = CandidatePairs.of_masks(CANDIDATE, positive, tfs)
    found = influence(pairs.rank(pairs.of(scores[0])))
    assert found.by_tf.shape == (4, 3)
    assert found.of_pairs.shape == (3, 3 * 30)
    assert found.by_target[AUROC].sum() == pytest.approx(0, abs=1e-12)
    assert abs(found.by_tf[AUROC].sum()) > 1e-4  # what the other rows' pairs add is not the TFs'


def test_units_are_the_fewer_clusters_by_their_edges_and_limits_of_the_first_pairs_count_influence_too():
    scores, positive, pairs = two_methods(3)
    shared = over_network([pairs.rank(pairs.of(own)) for own in scores])
    of_tfs, of_targets = (effective_number(positive.sum(axis=axis)) for axis in (1, 0))
    assert shared.clusters == pytest.approx(min(of_tfs, of_targets))
    held = [np.count_nonzero(positive.sum(axis=axis)) for axis in (1, 0)]
    units = min(min(of_tfs + 1, held[0]), min(of_targets + 1, held[1]))
    assert shared.units == round(units)
    own = shared.units_of_values()
    assert own[AUROC] == pytest.approx(units)
    assert np.all(own[[AUPRC, RATIO, EPR]] <= units)
    assert effective_number(np.array([4, 4, 4, 0])) == 3
    assert effective_number(np.array([9, 1])) == pytest.approx(100 / 82)
    assert effective_number(np.zeros(3)) == 0
    low, high = shared.intervals()
    half = reach(units, level=0.95) * shared.errors_on_scales()[AUROC, 0]
    product = float(pairs.n_pos) * pairs.n_neg
    ends = rescaled(np.stack([low[0], high[0]], axis=1), product)[AUROC]
    assert np.diff(ends)[0] == pytest.approx(2 * half, rel=1e-6)


@pytest.mark.parametrize(("edges", "tfs", "targets"), [(29, 29, 29), (60, 6, 60), (60, 60, 6)])
def test_few_edges_or_clusters_give_limits_of_auroc_alone(edges, tfs, targets):
    rng = np.random.default_rng(4)
    positive = np.zeros((60, 60), bool)
    positive[np.arange(edges) % tfs, (np.arange(edges) * 7 + np.arange(edges) // tfs) % targets] = True
    pairs = CandidatePairs.of_masks(np.ones_like(positive), positive)
    shared = over_network([pairs.rank(pairs.of(rng.normal(size=positive.shape))) for _ in range(2)])
    low, high = shared.intervals()
    assert np.isfinite(low[:, AUROC]).all()
    assert np.isfinite(high[:, AUROC]).all()
    assert np.isnan(low[:, 1:]).all()
    assert np.isnan(high[:, 1:]).all()
    by_metric = {own.metric: own for own in shared.difference(0, 1)}
    assert np.isfinite(by_metric["auroc"].p)
    for metric in ("auprc", "auprc_ratio", "epr"):
        own = by_metric[metric]
        assert np.isnan([own.low, own.high, own.error, own.p]).all()
        assert own.verdict == "indistinguishable"


def test_thirty_edges_of_ten_tfs_and_targets_have_limits_of_all_metrics():
    rng = np.random.default_rng(5)
    positive = np.zeros((10, 40), bool)
    positive[np.arange(30) % 10, np.arange(30)] = True
    pairs = CandidatePairs.of_masks(np.ones_like(positive), positive)
    scores = rng.normal(size=positive.shape) + positive
    assert np.isfinite(over_network([pairs.rank(pairs.of(scores))]).intervals()).all()


def test_methods_ranked_one_by_one_are_those_ranked_together():
    scores, _, pairs = two_methods(6)
    rankings = [pairs.rank(pairs.of(own)) for own in scores]
    together, apart = over_network(rankings), side_by_side([over_network([own]) for own in rankings])
    assert np.array_equal(together.errors_of_differences([0], [1])[0], apart.errors_of_differences([0], [1])[0])
    assert np.array_equal(together.values, apart.values)
    assert np.array_equal(over_targets(rankings).errors_on_scales(), one_side(apart, "targets").errors_on_scales())


def test_one_tf_has_no_error_over_the_network():
    rng = np.random.default_rng(7)
    pairs = CandidatePairs.of_masks(np.ones((1, 50), bool), rng.random((1, 50)) < 0.5)
    shared = over_network([pairs.rank(rng.normal(size=50))])
    assert np.isnan(shared.intervals()).all()
