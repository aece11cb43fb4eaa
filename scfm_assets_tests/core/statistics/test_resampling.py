"""Bootstraps against resampling the pairs themselves, and against scikit-learn on the same resamples."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.metrics import metrics
from scfm_assets.core.metrics.metrics import Bins, bins_of
from scfm_assets.core.metrics.thresholds import codes_of
from scfm_assets.core.statistics import multinomial, resampling
from scfm_assets.core.statistics.resampling import PairBootstrap, tf_bootstrap
from scfm_assets_bench.metrics import draws_of_pairs, joined, weights_of
from scfm_assets_tests.core.metrics.test_metrics import AUPRC, AUROC, EXACT, RATIO, ranking
from scfm_assets_tests.core.statistics.resamples import pair_bootstrap, percentile_interval, tf_weights


def bins_of_rows(scores: np.ndarray, labels: np.ndarray, among: np.ndarray | None = None) -> Bins:
    """Bins of each row among the scores of all positives (or `among`)."""
    thresholds = np.unique(scores[labels]) if among is None else among
    codes, width = codes_of(scores, thresholds), 2 * len(thresholds) + 1
    rows = [(np.bincount(c, minlength=width), np.bincount(c[y], minlength=width)) for c, y in zip(codes, labels)]  # noqa: B905
    return metrics.as_bins(*(np.array(part) for part in zip(*rows, strict=True)))


def auroc_by_matrix(of_tfs: Bins, weights: np.ndarray) -> float:
    """w'Mw / (2 (w.pos)(w.neg)); M[a, b] counts pairs (positive of a, negative of b) in order, twice, and ties once."""
    T = len(of_tfs.n_pos)
    M = np.zeros((T, T))
    for a, b in itertools.product(range(T), range(T)):
        M[a, b] = (of_tfs.positive[a] * (2 * of_tfs.below[b] + of_tfs.tied[b])).sum()
    return float(weights @ M @ weights / (2 * (weights @ of_tfs.n_pos) * (weights @ of_tfs.n_neg)))


def grid(
    seed: int, n_tfs: int = 9, n_targets: int = 120, levels: int | None = None
) -> tuple[np.ndarray, np.ndarray, Bins]:
    """Scores and labels (n_tfs, n_targets), TFs with effects of their own, and the bins of each TF."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n_tfs, n_targets)) < 0.08
    labels[0] = False  # a TF without a target gives negatives only
    scores = (rng.normal(size=labels.shape) + rng.normal(size=(n_tfs, 1)) + labels).astype(np.float32)
    if levels:
        scores = np.round(scores * levels).astype(np.float32)
    return scores, labels, bins_of_rows(scores, labels)


@pytest.mark.parametrize("levels", [None, 1, 2, 30])
def test_a_resample_of_bins_is_a_resample_of_pairs_as_scikit_learn_sees_it(levels):
    scores, labels = ranking(5, n=800, n_pos=30, levels=levels)
    bins = bins_of(scores, labels)
    values = pair_bootstrap(bins, resamples=20, rng=np.random.default_rng(8))
    drawn = joined(draws_of_pairs(bins, resamples=20, seed=8))
    for b in range(20):
        weights = weights_of(scores, labels, drawn[b])
        assert weights.sum() == 800
        assert weights.min() >= 0
        assert abs(values[AUROC, b] - roc_auc_score(labels, scores, sample_weight=weights)) <= EXACT
        assert abs(values[AUPRC, b] - average_precision_score(labels, scores, sample_weight=weights)) <= EXACT
        assert abs(values[RATIO, b] - values[AUPRC, b] / np.average(labels, weights=weights)) <= EXACT
    assert np.array_equal(metrics.auroc(drawn), values[AUROC])
    more = pair_bootstrap(bins, resamples=60, rng=np.random.default_rng(8))
    assert np.array_equal(more[:, :20], values)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize(("n", "n_pos"), [(1500, 50), (300, 200)])
def test_the_bootstrap_over_pairs_spreads_like_resampling_indices(levels, n, n_pos):
    scores, labels = ranking(2, n=n, n_pos=n_pos, levels=levels)
    drawn = pair_bootstrap(bins_of(scores, labels), resamples=4000, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    chosen = rng.integers(n, size=(1500, n))
    naive = np.stack([metrics.values_of(bins_of(scores[i], labels[i])) for i in chosen], axis=1)
    # The relative error of a standard deviation from 1500 draws is about 2 %; five of them are allowed.
    assert drawn.std(axis=1) == pytest.approx(naive.std(axis=1), rel=0.1)
    assert np.all(np.abs(drawn.mean(axis=1) - naive.mean(axis=1)) < 5 * naive.std(axis=1) / np.sqrt(1500))


def test_rankings_of_the_same_pairs_share_the_draws_of_their_positives():
    shared = PairBootstrap(40, 960, resamples=200, seed=3)
    values = []
    for levels in (None, 2):
        scores, labels = ranking(1, n=1000, n_pos=40, levels=levels)
        values.append(shared.values(bins_of(scores, labels)))
        alone = PairBootstrap(40, 960, resamples=200, seed=3).values(bins_of(scores, labels))
        assert np.array_equal(values[-1], alone)
    assert shared.positives.sum(axis=1).std() > 0
    assert np.corrcoef(values[0][AUROC], values[1][AUROC])[0, 1] > 0.5
    with pytest.raises(ValueError, match="made for 40 positives and 960 negatives"):
        shared.values(bins_of(*ranking(1, n=1000, n_pos=41)))


def test_thresholds_at_which_no_positive_is_left_change_nothing():
    scores, labels = ranking(7, n=600, n_pos=25)
    bins = bins_of(scores, labels)
    more = bins_of_rows(scores[None], labels[None], np.unique(scores[:200])).total()
    assert len(more.positive) > len(bins.positive)
    kept = bins_of_rows(scores[None], labels[None], np.unique(scores[labels | (np.arange(600) < 100)])).total()
    assert (kept.positive == 0).any()
    assert np.array_equal(
        PairBootstrap(25, 575, resamples=30, seed=1).values(kept),
        PairBootstrap(25, 575, resamples=30, seed=1).values(bins),
    )


@pytest.mark.parametrize("levels", [None, 2])
def test_the_bootstrap_over_tfs_is_a_weighting_of_their_rows(levels):
    scores, labels, of_tfs = grid(4, levels=levels)
    weights = tf_weights(9, resamples=30, rng=np.random.default_rng(3))
    drawn = tf_bootstrap(of_tfs, weights)
    assert (weights.sum(axis=1) == 9).all()
    for b, weight in enumerate(weights):
        w = np.repeat(weight, labels.shape[1])
        assert abs(drawn[AUROC, b] - roc_auc_score(labels.ravel(), scores.ravel(), sample_weight=w)) <= EXACT
        assert abs(drawn[AUPRC, b] - average_precision_score(labels.ravel(), scores.ravel(), sample_weight=w)) <= EXACT
        assert abs(drawn[AUROC, b] - auroc_by_matrix(of_tfs, weight.astype(float))) <= EXACT
        rows = np.repeat(np.arange(9), weight)
        copied = metrics.values_of(bins_of(scores[rows].ravel(), labels[rows].ravel()))
        assert drawn[:, b] == pytest.approx(copied, abs=EXACT, rel=EXACT)


def test_pairs_of_genes_that_are_no_tf_stand_in_every_draw():
    scores, labels, of_tfs = grid(6)
    other = np.random.default_rng(7).normal(size=500).astype(np.float32)
    others = bins_of_rows(other[None], np.zeros((1, 500), bool), np.unique(scores[labels])).total()
    weights = tf_weights(9, resamples=10, rng=np.random.default_rng(3))
    drawn = tf_bootstrap(of_tfs, weights, others)
    for b, weight in enumerate(weights):
        w = np.concatenate([np.repeat(weight, labels.shape[1]), np.ones(500)])
        y, s = np.concatenate([labels.ravel(), np.zeros(500, bool)]), np.concatenate([scores.ravel(), other])
        assert abs(drawn[AUROC, b] - roc_auc_score(y, s, sample_weight=w)) <= EXACT
        assert abs(drawn[AUPRC, b] - average_precision_score(y, s, sample_weight=w)) <= EXACT


def test_intervals_over_tfs_hold_the_true_value_where_tfs_differ_and_intervals_over_pairs_do_not():
    """Edges score N(0.5 + b, 1) with b ~ N(0, 1) per TF, other pairs N(0, 1): the true AUROC is Phi(0.5 / sqrt(3))."""
    truth, held, worlds = norm.cdf(0.5 / np.sqrt(3)), {"pairs": 0, "tfs": 0}, 150
    labels = np.zeros((30, 60), bool)
    labels[:, :10] = True
    for world in range(worlds):
        rng = np.random.default_rng(world)
        of_tfs = bins_of_rows(rng.normal(size=labels.shape) + labels * (0.5 + rng.normal(size=(30, 1))), labels)
        draws = {
            "pairs": pair_bootstrap(of_tfs.total(), resamples=200, rng=rng),
            "tfs": tf_bootstrap(of_tfs, tf_weights(30, resamples=200, rng=rng)),
        }
        for kind, drawn in draws.items():
            low, high, _ = percentile_interval(drawn[AUROC], level=0.95)
            held[kind] += low <= truth <= high
    assert held["tfs"] / worlds > 0.88  # 0.95 less the shortfall of percentiles from 30 TFs and four standard errors
    assert held["pairs"] / worlds < 0.75


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch):
    of_tfs = grid(1, levels=3)[2]
    weights = tf_weights(9, resamples=17, rng=np.random.default_rng(0))
    both = []
    for at_once in (10**9, 1):
        monkeypatch.setattr(resampling, "AT_ONCE", at_once)
        pairs = pair_bootstrap(of_tfs.total(), resamples=170, rng=np.random.default_rng(0))
        both.append((pairs, tf_bootstrap(of_tfs, weights)))
    assert np.array_equal(both[0][0], both[1][0])
    assert both[0][1] == pytest.approx(both[1][1], abs=EXACT)


def test_draws_do_not_depend_on_how_many_are_held_at_once_if_some_are_drawn_afresh(monkeypatch):
    monkeypatch.setattr(multinomial, "SLACK", 0.5)
    test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch)


def test_draws_without_a_positive_are_left_out_of_the_interval_and_counted():
    scores, labels = ranking(0, n=300, n_pos=1)
    drawn = pair_bootstrap(bins_of(scores, labels), resamples=400, rng=np.random.default_rng(0))
    low, high, used = percentile_interval(drawn[AUROC], level=0.95)
    assert used == np.count_nonzero(~np.isnan(drawn[AUROC]))
    assert 200 < used < 300  # 1 - 1/e of 400 is 253
    assert 0 <= low < high <= 1
    lows, highs, counts = percentile_interval(np.stack([drawn[AUROC], np.full(400, np.nan)]), level=0.95)
    assert (lows[0], highs[0], counts.tolist()) == (low, high, [used, 0])
    assert np.isnan([lows[1], highs[1]]).all()


def test_intervals_are_the_quantiles_of_the_draws():
    drawn = np.random.default_rng(0).random((4, 101))
    low, high, used = percentile_interval(drawn, level=0.9)
    assert low == pytest.approx([np.sort(row)[5] for row in drawn])
    assert high == pytest.approx([np.sort(row)[95] for row in drawn])
    assert used.tolist() == [101] * 4
