"""Ceilings against hiding edges by brute force, over all subsets or many."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.metrics.metrics import auroc, average_precision, bins_of
from scfm_assets.core.statistics import ceilings
from scfm_assets.core.statistics.ceilings import Labels


def shown(scores: np.ndarray, edges: np.ndarray, labelled: int) -> tuple[float, float]:
    """Mean AUROC and average precision over every choice of the labelled edges."""
    values = []
    for kept in itertools.combinations(np.flatnonzero(edges), labelled):
        labels = np.isin(np.arange(len(scores)), kept)
        values.append((roc_auc_score(labels, scores), average_precision_score(labels, scores)))
    return tuple(np.mean(values, axis=0))


@pytest.mark.parametrize("labelled", [1, 3, 6, 7])
@pytest.mark.parametrize("levels", [None, 2])
def test_what_labels_show_is_exact_over_all_ways_to_hide(labelled, levels):
    rng = np.random.default_rng(labelled)
    edges = np.arange(30) < 7
    scores = rng.normal(size=30) + edges
    scores = np.round(scores * levels) if levels else scores
    labels, complete = Labels(30, 7, labelled), bins_of(scores, edges)
    area, precision = shown(scores, edges, labelled)
    assert ceilings.apparent_auroc(float(auroc(complete)), labels) == pytest.approx(area, abs=1e-12)
    assert float(ceilings.apparent_average_precision(complete, labels)) == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("labelled", [1, 4, 8])
def test_a_perfect_method_reaches_the_ceiling(labelled):
    edges, labels = np.arange(40) < 8, Labels(40, 8, labelled)
    ordered = np.where(edges, 100, 0) - np.arange(40.0)
    area, precision = shown(ordered, edges, labelled)
    assert ceilings.best_auroc(labels) == pytest.approx(area, abs=1e-12)
    assert ceilings.best_average_precision(labels) == pytest.approx(precision, abs=1e-12)
    area, precision = shown(edges.astype(float), edges, labelled)
    assert ceilings.best_auroc(labels) == pytest.approx(area, abs=1e-12)
    assert ceilings.best_average_precision(labels, tied=True) == pytest.approx(precision, abs=1e-12)


def test_an_order_that_knows_nothing_expects_more_than_the_base_rate():
    scores = np.arange(12.0)
    every = [np.isin(scores, kept) for kept in itertools.combinations(range(12), 3)]
    expected = np.mean([average_precision_score(labels, scores) for labels in every])
    assert ceilings.uninformed_average_precision(3, 12) == pytest.approx(expected, abs=1e-12)
    assert ceilings.uninformed_average_precision(3, 12) > 3 / 12


def test_complete_labels_hide_nothing_and_have_no_ceiling():
    labels = Labels.of(1000, 50, completeness=1.0)
    assert (labels.hidden_share, labels.completeness, labels.density) == (0, 1, 0.05)
    assert ceilings.best_auroc(labels) == 1
    assert ceilings.best_average_precision(labels) == pytest.approx(1)
    assert ceilings.apparent_auroc(0.7, labels) == 0.7
    half = Labels.of(1000, 50, completeness=0.5)
    assert (half.edges, half.hidden_share) == (100, 50 / 950)


def test_large_networks_follow_within_the_error_of_simulation():
    rng = np.random.default_rng(0)
    n, n_edges, labelled = 20000, 400, 100
    edges = np.arange(n) < n_edges
    scores = rng.normal(size=n) + 1.2 * edges
    labels, complete = Labels(n, n_edges, labelled), bins_of(scores, edges)
    found = []
    for _ in range(400):
        kept = np.isin(np.arange(n), rng.choice(n_edges, labelled, replace=False))
        bins = bins_of(scores, kept)
        found.append((auroc(bins), average_precision(bins)))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / 20
    expected = ceilings.apparent_auroc(auroc(complete), labels), ceilings.apparent_average_precision(complete, labels)
    assert np.all(np.abs(mean - np.array(expected)) < 4 * error)


def test_labels_of_which_there_are_too_many_or_none_are_refused():
    for pairs, edges, labelled in ((10, 4, 5), (10, 10, 3), (10, 4, 0)):
        with pytest.raises(ValueError, match="labelled"):
            Labels(pairs, edges, labelled)
    with pytest.raises(ValueError, match="not Labels"):
        ceilings.apparent_average_precision(bins_of(np.arange(5.0), np.arange(5) > 2), Labels(5, 3, 1))
