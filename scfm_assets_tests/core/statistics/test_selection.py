"""Choosing without circularity: what a choice gains on its own half, and that the other half does not see it."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.scores.group_scores import MeansOverCells
from scfm_assets.core.statistics import selection
from scfm_assets.core.statistics.halves import balanced_halves
from scfm_assets.core.statistics.selection import select
from scfm_assets_tests.core.statistics.resamples import of_cells

N_TFS, N_GENES, LAYERS = 16, 60, 8


def layers(seed: int, *, planted: float = 0.0) -> tuple[np.ndarray, CandidatePairs]:
    """Scores (layers, n): all layers know the edges by 0.7, layer 5 by `planted` more; TFs differ."""
    rng = np.random.default_rng(seed)
    positive = rng.random((N_TFS, N_GENES)) < 0.1
    knows = 0.7 + planted * (np.arange(LAYERS) == 5)
    of_tf = rng.normal(0, 0.5, (LAYERS, N_TFS, 1))
    scores = rng.normal(size=(LAYERS, N_TFS, N_GENES)) + positive * (knows[:, None, None] + of_tf)
    pairs = CandidatePairs.of_masks(np.ones(positive.shape, bool), positive)
    return pairs.of(scores), pairs


@pytest.mark.long
def test_equal_layers_are_reported_without_bias_and_look_better_where_they_were_chosen():
    found, truth = [], []
    for seed in range(150):
        scores, pairs = layers(seed)
        found.append(select(selection.of_tfs(scores, pairs), pairs.targets, splits=5, seed=seed))
        truth.append(np.mean([roc_auc_score(pairs.positive, own) for own in scores]))
    truth = np.mean(truth)  # of 1200 layers, all equal
    held_out = np.array([own.held_out.value for own in found])
    error = held_out.std(ddof=1) / np.sqrt(len(found))
    assert abs(held_out.mean() - truth) < 3 * error
    assert np.mean([own.on_same.value for own in found]) > truth + 10 * error
    assert np.mean([own.value_of_best for own in found]) > truth + 5 * error
    optimism = np.array([own.optimism.value for own in found])
    assert optimism.mean() == pytest.approx(np.mean([own.on_same.value for own in found]) - held_out.mean())
    covered = [own.held_out.low <= truth <= own.held_out.high for own in found]
    assert np.mean(covered) > 0.9 - 3 * np.sqrt(0.9 * 0.1 / len(found))


def test_a_layer_that_knows_more_is_found_and_costs_no_optimism():
    found = [
        select(selection.of_tfs(*own), own[1].targets, splits=5) for own in (layers(i, planted=2.5) for i in range(8))
    ]
    assert all(own.best_of_all == 5 for own in found)
    assert np.mean([own.shares[5] for own in found]) > 0.95
    assert abs(np.mean([own.optimism.value for own in found])) < 0.01


def test_every_number_is_that_of_halves_made_by_hand():
    scores, pairs = layers(3)
    found = select(selection.of_tfs(scores, pairs), pairs.targets, splits=4, seed=7)

    def by_hand(without: int | None) -> tuple[list[int], float, float]:
        chosen, same, held_out = [], [], []
        first = balanced_halves(pairs.targets, splits=4, seed=7)
        for half, other in [*zip(first, ~first, strict=True), *zip(~first, first, strict=True)]:
            keep, rest = ((own & (np.arange(N_TFS) != without))[pairs.tf] for own in (half, other))
            values = [roc_auc_score(pairs.positive[keep], own[keep]) for own in scores]
            chosen.append(int(np.argmax(values)))
            same.append(max(values))
            held_out.append(roc_auc_score(pairs.positive[rest], scores[chosen[-1]][rest]))
        return chosen, float(np.mean(held_out)), float(np.mean(same))

    chosen, held_out, same = by_hand(None)
    assert found.chosen.tolist() == chosen
    assert (found.held_out.value, found.on_same.value) == pytest.approx((held_out, same), abs=1e-12)
    assert found.optimism.value == pytest.approx(same - held_out, abs=1e-12)
    left = np.array([by_hand(tf)[1] for tf in range(N_TFS)])
    error = np.sqrt((N_TFS - 1) / N_TFS * ((left - left.mean()) ** 2).sum())
    assert found.held_out.error == pytest.approx(error, abs=1e-12)
    assert found.held_out.high - found.held_out.low == pytest.approx(2 * 2.131450 * error, rel=1e-6)
    everything = [roc_auc_score(pairs.positive, own) for own in scores]
    assert (found.best_of_all, found.value_of_best) == (int(np.argmax(everything)), pytest.approx(max(everything)))
    assert found.shares.sum() == pytest.approx(1)


def test_halves_of_cells_choose_and_report_by_means_over_their_cells():
    rng = np.random.default_rng(4)
    positive = np.zeros((8, 50), bool)
    positive[:, :5] = True
    pairs = CandidatePairs.of_masks(np.ones(positive.shape, bool), positive)
    knows = np.array([0.2, 0.2, 1.0])
    options = [
        MeansOverCells(rng.normal(size=(6, pairs.n)) * 2 + own * pairs.positive, np.ones((6, pairs.n))) for own in knows
    ]
    found = select(of_cells(options, pairs, "auprc"), np.ones(6), splits=6)
    assert found.best_of_all == 2
    assert found.units == 6
    values = of_cells(options, pairs)(np.array([[1, 0, 1, 0, 0, 1]]))
    expected = [roc_auc_score(pairs.positive, own.summed[[0, 2, 5]].mean(axis=0)) for own in options]
    assert values[:, 0] == pytest.approx(expected, abs=1e-12)


def test_halves_without_edges_say_nothing_and_one_unit_is_too_few():
    positive = np.zeros((4, 20), bool)
    positive[1, :5] = True  # one TF has all edges: no half can report what the other chose
    pairs = CandidatePairs.of_masks(np.ones(positive.shape, bool), positive)
    found = select(selection.of_tfs(np.random.default_rng(0).normal(size=(3, 80)), pairs), pairs.targets, splits=3)
    assert np.isnan(found.held_out).all()
    assert found.best_of_all >= 0
    with pytest.raises(ValueError, match="halves need two"):
        select(lambda weights: weights.T.astype(float), np.ones(1))
