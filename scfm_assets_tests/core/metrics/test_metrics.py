"""Metrics from bins against scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.metrics import metrics
from scfm_assets.core.metrics.metrics import METRICS, bins_of
from scfm_assets_bench.metrics import weights_of

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


def test_a_part_of_several_rankings_is_those_rankings_and_their_sum_is_one_ranking():
    scores, labels = ranking(4, levels=3)
    halves = [bins_of_half(scores, labels, half) for half in (slice(0, 1500), slice(1500, None))]
    stacked = metrics.Bins(*(np.stack(parts) for parts in zip(*(vars_of(half) for half in halves), strict=True)))
    for i, half in enumerate(halves):
        assert metrics.values_of(stacked[i]) == pytest.approx(metrics.values_of(half), abs=EXACT)
    both = metrics.values_of(bins_of(scores, labels))
    assert metrics.values_of(stacked.total()) == pytest.approx(both, abs=EXACT)
    assert metrics.values_of(halves[0] + halves[1]) == pytest.approx(both, abs=EXACT)


def bins_of_half(scores: np.ndarray, labels: np.ndarray, half: slice) -> metrics.Bins:
    """Bins of some pairs among the thresholds of all: weights that are 0 elsewhere."""
    weights = np.zeros(len(scores))
    weights[half] = 1
    return bins_of(scores, labels, weights)


def vars_of(bins: metrics.Bins) -> tuple[np.ndarray, ...]:
    """Fields in their order."""
    return bins.positive, bins.tied, bins.below, bins.n_neg


@pytest.mark.parametrize("levels", [None, 2])
def test_the_weights_of_bins_have_these_bins(levels):
    scores, labels = ranking(5, n=800, n_pos=30, levels=levels)
    weights = np.random.default_rng(0).multinomial(800, np.full(800, 1 / 800))
    bins = bins_of(scores, labels, weights)
    spread = weights_of(scores, labels, bins)
    assert spread.sum() == 800
    for own, again in zip(vars_of(bins), vars_of(bins_of(scores, labels, spread)), strict=True):
        assert np.array_equal(own, again)
    assert abs(metrics.auroc(bins) - roc_auc_score(labels, scores, sample_weight=spread)) <= EXACT


def test_the_largest_values_are_those_the_records_name():
    labels = np.arange(50) < 10
    best = metrics.values_of(bins_of(labels.astype(float), labels))
    assert best.tolist() == [5 if metric.over_base_rate else 1 for metric in METRICS]
