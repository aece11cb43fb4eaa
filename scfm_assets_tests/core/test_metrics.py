"""Metrics from bins against scikit-learn, and bootstraps against resampling the pairs themselves."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core import metrics
from scfm_assets.core.metrics import METRICS, Bins, bins_of

EXACT = 1e-12
AUROC, AUPRC, RATIO, EPR = range(4)


def ranking(seed: int, n: int = 4000, n_pos: int = 60, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know something about the labels; with `levels` they are heavily tied."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(n, bool)
    labels[rng.choice(n, n_pos, replace=False)] = True
    scores = rng.normal(size=n) + labels
    if levels:
        scores = np.clip(np.floor(scores * levels), 0, None)  # half of them end in one block of zeros
    return scores.astype(np.float32), labels


def early_precision_ratio_by_hand(scores: np.ndarray, labels: np.ndarray) -> float:
    """Average, over every order of tied pairs, the precision of the n_pos best, over the base rate."""
    k = int(labels.sum())
    orders = [o for o in itertools.permutations(range(len(scores))) if all(np.diff(scores[list(o)]) <= 0)]
    return float(np.mean([labels[list(order)[:k]].mean() for order in orders]) / labels.mean())


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
    thresholds = np.unique(scores[labels])
    codes, rows = metrics.codes_of(scores, thresholds), np.repeat(np.arange(n_tfs), n_targets).reshape(labels.shape)
    shape = (n_tfs, len(thresholds))
    every = metrics.count_codes(codes, rows, np.ones_like(labels), shape=shape)
    return scores, labels, metrics.as_bins(every, metrics.count_codes(codes, rows, labels, shape=shape))


@pytest.mark.parametrize("levels", [None, 1, 3, 50])
@pytest.mark.parametrize("n_pos", [1, 60, 3990])
@pytest.mark.parametrize("weighted", [False, True])
def test_auroc_and_average_precision_are_those_of_scikit_learn(levels, n_pos, weighted):
    scores, labels = ranking(n_pos, n_pos=n_pos, levels=levels)
    weights = (
        np.random.default_rng(1).multinomial(len(scores), np.full(len(scores), 1 / len(scores))) if weighted else None
    )
    if weighted and n_pos == 1:
        weights[labels] = 2  # so that the one positive is drawn
    values = metrics.values_of(bins_of(scores, labels, weights))
    assert abs(values[AUROC] - roc_auc_score(labels, scores, sample_weight=weights)) <= EXACT
    precision = average_precision_score(labels, scores, sample_weight=weights)
    share = np.average(labels, weights=weights)
    assert abs(values[AUPRC] - precision) <= EXACT
    assert abs(values[RATIO] - precision / share) <= EXACT / share


@pytest.mark.parametrize(
    "scores", [[1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 1, 1, 1, 2], [3, 3, 3, 3, 3, 3, 3], [0, 2, 2, 2, 2, 1, 0]]
)
@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0]])
def test_early_precision_is_its_expectation_over_the_orders_of_ties(scores, labels):
    scores, labels = np.array(scores, float), np.array(labels, bool)
    value = metrics.early_precision_ratio(bins_of(scores, labels))
    assert value == pytest.approx(early_precision_ratio_by_hand(scores, labels), abs=EXACT)


def test_a_score_that_says_nothing_gets_chance_and_a_perfect_one_the_maximum():
    labels = np.arange(1000) < 40
    nothing = metrics.values_of(bins_of(np.zeros(1000), labels))
    assert nothing == pytest.approx([0.5, 0.04, 1, 1], abs=EXACT)
    perfect = metrics.values_of(bins_of(labels.astype(float), labels))
    assert perfect == pytest.approx([1, 1, 25, 25], abs=EXACT)
    inverse = metrics.values_of(bins_of(-labels.astype(float), labels))
    assert inverse == pytest.approx([0, 0.04, 1, 0], abs=EXACT)


def test_the_chance_values_in_the_records_are_those_of_random_scores():
    labels, draws = np.arange(4000) < 200, np.random.default_rng(0).random((100, 4000))
    values = np.stack([metrics.values_of(bins_of(scores, labels)) for scores in draws])
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / 10
    for metric, found, deviation in zip(METRICS, mean, error, strict=True):
        expected = metric.chance if metric.chance is not None else 0.05
        assert abs(found - expected) < max(4 * deviation, 0.03 * expected), metric.name


def test_without_positives_or_negatives_nothing_is_defined():
    for labels in (np.zeros(10, bool), np.ones(10, bool)):
        assert np.isnan(metrics.auroc(bins_of(np.arange(10.0), labels)))


@pytest.mark.parametrize("levels", [None, 2])
def test_sorted_scores_give_the_same_counts_as_looking_at_each(levels):
    scores, labels = ranking(3, levels=levels)
    thresholds = np.unique(scores[labels])
    codes = np.bincount(metrics.codes_of(scores, thresholds), minlength=2 * len(thresholds) + 1)
    assert np.array_equal(metrics.codes_of_sorted(np.sort(scores), thresholds), codes)


@pytest.mark.parametrize("levels", [None, 2])
def test_a_resample_of_bins_is_the_same_resample_of_pairs(levels):
    """Spread each drawn bin over pairs that lie in it: scikit-learn, given these weights, finds the same values."""
    scores, labels = ranking(5, n=800, n_pos=30, levels=levels)
    bins = bins_of(scores, labels)
    drawn = metrics.pair_bootstrap(bins, resamples=20, rng=np.random.default_rng(8))
    joined = bins.joined()
    filled = np.flatnonzero(joined)
    weights_of_bins = np.random.default_rng(8).multinomial(800, joined[filled] / 800, size=20)
    codes, p = metrics.codes_of(scores, np.unique(scores[labels])), len(bins.positive)
    place = np.where(labels, codes // 2, np.where(codes % 2 == 1, p + codes // 2, 2 * p + codes // 2))
    first = [np.flatnonzero(place == bin_)[0] for bin_ in filled]
    for b, weights_of_bin in enumerate(weights_of_bins):
        weights = np.zeros(800)
        weights[first] = weights_of_bin
        assert abs(drawn[AUROC, b] - roc_auc_score(labels, scores, sample_weight=weights)) <= EXACT
        assert abs(drawn[AUPRC, b] - average_precision_score(labels, scores, sample_weight=weights)) <= EXACT


@pytest.mark.parametrize("levels", [None, 2])
def test_the_bootstrap_over_pairs_spreads_like_resampling_indices(levels):
    scores, labels = ranking(2, n=1500, n_pos=50, levels=levels)
    drawn = metrics.pair_bootstrap(bins_of(scores, labels), resamples=4000, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    chosen = rng.integers(1500, size=(1500, 1500))
    naive = np.stack([metrics.values_of(bins_of(scores[i], labels[i])) for i in chosen], axis=1)
    # The relative error of a standard deviation from 1500 draws is about 2 %; five of them are allowed.
    assert drawn.std(axis=1) == pytest.approx(naive.std(axis=1), rel=0.1)
    assert np.all(np.abs(drawn.mean(axis=1) - naive.mean(axis=1)) < 5 * naive.std(axis=1) / np.sqrt(1500))


@pytest.mark.parametrize("levels", [None, 2])
def test_the_bootstrap_over_tfs_is_a_weighting_of_their_rows(levels):
    scores, labels, of_tfs = grid(4, levels=levels)
    drawn = metrics.tf_bootstrap(of_tfs, resamples=30, rng=np.random.default_rng(3))
    weights = np.random.default_rng(3).multinomial(9, np.full(9, 1 / 9), size=30)
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
    thresholds = np.unique(scores[labels])
    every = metrics.codes_of_sorted(np.sort(other), thresholds)
    drawn = metrics.tf_bootstrap(
        of_tfs, metrics.as_bins(every, np.zeros_like(every)), resamples=10, rng=np.random.default_rng(3)
    )
    weights = np.random.default_rng(3).multinomial(9, np.full(9, 1 / 9), size=10)
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
    rows = np.repeat(np.arange(30), 60).reshape(labels.shape)
    for world in range(worlds):
        rng = np.random.default_rng(world)
        scores = rng.normal(size=labels.shape) + labels * (0.5 + rng.normal(size=(30, 1)))
        thresholds = np.unique(scores[labels])
        codes, shape = metrics.codes_of(scores, thresholds), (30, len(thresholds))
        every = metrics.count_codes(codes, rows, np.ones_like(labels), shape=shape)
        of_tfs = metrics.as_bins(every, metrics.count_codes(codes, rows, labels, shape=shape))
        draws = {
            "pairs": metrics.pair_bootstrap(of_tfs.total(), resamples=200, rng=rng),
            "tfs": metrics.tf_bootstrap(of_tfs, resamples=200, rng=rng),
        }
        for kind, drawn in draws.items():
            low, high, _ = metrics.percentile_interval(drawn[AUROC], level=0.95)
            held[kind] += low <= truth <= high
    assert held["tfs"] / worlds > 0.88  # 0.95 less the shortfall of percentiles from 30 TFs and four standard errors
    assert held["pairs"] / worlds < 0.75


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch):
    _, _, of_tfs = grid(1)
    both = []
    for chunk in (10**9, 1):
        monkeypatch.setattr(metrics, "CHUNK", chunk)
        pairs = metrics.pair_bootstrap(of_tfs.total(), resamples=17, rng=np.random.default_rng(0))
        tfs = metrics.tf_bootstrap(of_tfs, resamples=17, rng=np.random.default_rng(0))
        both.append((pairs, tfs))
    assert np.array_equal(both[0][0], both[1][0])
    assert both[0][1] == pytest.approx(both[1][1], abs=EXACT)


def test_draws_without_a_positive_are_left_out_of_the_interval_and_counted():
    scores, labels = ranking(0, n=300, n_pos=1)
    drawn = metrics.pair_bootstrap(bins_of(scores, labels), resamples=400, rng=np.random.default_rng(0))
    low, high, used = metrics.percentile_interval(drawn[AUROC], level=0.95)
    assert used == np.count_nonzero(~np.isnan(drawn[AUROC]))
    assert 200 < used < 300  # 1 - 1/e of 400 is 253
    assert 0 <= low < high <= 1
    assert np.isnan(metrics.percentile_interval(np.full(5, np.nan), level=0.95)[0])


def test_bins_come_back_from_their_joined_form():
    _, _, of_tfs = grid(2)
    again = Bins.split(of_tfs.joined())
    assert np.array_equal(again.tied, of_tfs.tied)
    assert np.array_equal(again.between, of_tfs.between)
    assert of_tfs.width == of_tfs.joined().shape[-1]
    assert np.array_equal((of_tfs + again - again).positive, of_tfs.positive)
