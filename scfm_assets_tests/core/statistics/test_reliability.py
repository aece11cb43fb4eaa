"""Split halves against closed forms for truth plus noise, and against halves made by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from scfm_assets.core.attention.sums import GroupSums
from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.scores.group_scores import MeansOverCells
from scfm_assets.core.statistics.halves import balanced_halves
from scfm_assets.core.statistics.reliability import spearman_brown, split_half

N_TFS, N_GENES = 30, 120


def world(seed: int, *, noise: float, n_groups: int = 10) -> tuple[MeansOverCells, CandidatePairs]:
    """Truth N(0, 1) plus noise of its own for each pair in each group of one cell; edges are higher in truth."""
    rng = np.random.default_rng(seed)
    positive = rng.random((N_TFS, N_GENES)) < 0.1
    truth = rng.normal(size=(N_TFS, N_GENES)) + positive * rng.normal(0.5, 1, (N_TFS, 1))
    pairs = CandidatePairs.of_masks(np.ones(positive.shape, bool), positive)
    summed = pairs.of(truth) / truth.std() + noise * rng.normal(size=(n_groups, pairs.n))
    return MeansOverCells(summed, np.ones_like(summed)), pairs


@pytest.mark.parametrize("noise", [0.5, 2.0, 6.0])
def test_the_reliability_of_truth_and_noise_is_their_ratio_of_variances(noise):
    scores_of, pairs = world(0, noise=noise)
    found = split_half(scores_of, np.ones(10), pairs)
    assert found.pearson.whole == pytest.approx(1 / (1 + noise**2 / 10), abs=0.05)
    assert found.pearson.half == pytest.approx(1 / (1 + noise**2 / 5), abs=0.05)
    assert found.spearman.half == pytest.approx(6 / np.pi * np.arcsin(found.pearson.half / 2), abs=0.04)
    assert 0 < found.pearson.spread < 0.05


def test_spearman_brown_doubles_the_length():
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(np.array([0.0, 1.0])) == pytest.approx([0, 1])
    assert np.isnan(spearman_brown(-1.0))


def test_the_error_of_the_auroc_is_its_spread_over_new_cells():
    aurocs, errors = [], []
    rng = np.random.default_rng(1)
    positive = np.zeros((10, 100), bool)
    positive[:, :10] = True
    pairs = CandidatePairs.of_masks(np.ones(positive.shape, bool), positive)
    level = rng.normal(size=pairs.n)
    for _ in range(150):
        # What all edges share differs from cell to cell: the AUROC follows it nearly linearly.
        summed = level + pairs.positive * rng.normal(0.7, 1.0, (10, 1))
        scores_of = MeansOverCells(summed, np.ones_like(summed))
        aurocs.append(roc_auc_score(pairs.positive, scores_of(np.ones(10))))
        errors.append(split_half(scores_of, np.ones(10), pairs, splits=20).auroc_error ** 2)
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(aurocs, ddof=1), rel=0.2)  # known to 6 % each


def test_each_split_is_that_of_two_halves_made_by_hand():
    scores_of, pairs = world(2, noise=3)
    found = split_half(scores_of, np.ones(10), pairs, splits=4, seed=9)
    for i, first in enumerate(balanced_halves(np.ones(10), splits=4, seed=9)):
        one, other = scores_of.summed[first].mean(axis=0), scores_of.summed[~first].mean(axis=0)
        assert found.pearson.halves[i] == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-12)
        assert found.spearman.halves[i] == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-12)
        assert found.aurocs[i] == pytest.approx([roc_auc_score(pairs.positive, own) for own in (one, other)], abs=1e-12)
        of_tfs = [
            [roc_auc_score(pairs.positive[pairs.tf == tf], own[pairs.tf == tf]) for tf in range(N_TFS)]
            for own in (one, other)
        ]
        assert found.auroc_of_tfs.halves[i] == pytest.approx(np.corrcoef(of_tfs)[0, 1], abs=1e-12)


def test_groups_without_cells_are_left_aside_and_one_group_is_too_few():
    scores_of, pairs = world(3, noise=1)
    more = MeansOverCells(np.insert(scores_of.summed, 4, 0, axis=0), np.insert(scores_of.held, 4, 0, axis=0))
    sizes = np.insert(np.ones(10), 4, 0)
    one, other = split_half(scores_of, np.ones(10), pairs, splits=3), split_half(more, sizes, pairs, splits=3)
    assert one.pearson.halves == pytest.approx(other.pearson.halves, abs=1e-12)
    with pytest.raises(ValueError, match="halves need two"):
        split_half(scores_of, np.eye(10)[0], pairs)


def test_scores_that_do_not_vary_have_no_reliability():
    _, pairs = world(4, noise=1)
    flat = np.ones((10, pairs.n))
    found = split_half(MeansOverCells(flat, flat), np.ones(10), pairs, splits=3)
    assert np.isnan([found.pearson.whole, found.spearman.half, found.pearson.spread, found.auroc_of_tfs.whole]).all()
    assert found.auroc_error == 0


def test_halves_are_balanced_in_number_and_size():
    sizes = np.array([1, 100, 2, 101, 3, 102, 4, 103])
    first = balanced_halves(sizes, splits=500, seed=0)
    assert (first.sum(axis=1) == 4).all()
    assert np.abs(first @ sizes - (~first) @ sizes).max() <= 4
    assert first.mean(axis=0) == pytest.approx(np.full(8, 0.5), abs=0.1)
    odd = balanced_halves(np.ones(7), splits=500, seed=0)
    assert set(odd.sum(axis=1).tolist()) == {3, 4}
    assert odd.mean(axis=0) == pytest.approx(np.full(7, 0.5), abs=0.1)
    equal = balanced_halves(np.ones(6), splits=4000, seed=1)
    _, times = np.unique(equal, axis=0, return_counts=True)
    assert len(times) == 20  # 6 choose 3
    assert np.abs(times - 200).max() < 5 * np.sqrt(200)
    assert np.array_equal(balanced_halves(sizes, splits=5, seed=3), balanced_halves(sizes, splits=5, seed=3))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("lifted", [False, True])
def test_scores_of_groups_are_those_of_sums_of_attention(transposed, lifted):
    rng = np.random.default_rng(5)
    groups = GroupSums.zeros(4, 2, np.array([1, 3, 5]), 8)
    groups.plain[:], groups.lifted[:] = rng.random((2, 4, 2, 2, 3, 8))
    groups.pairs[:] = rng.integers(0, 4, groups.pairs.shape)
    for sums in (groups.plain, groups.lifted):
        sums *= groups.pairs[:, None, None] > 0
    candidate = rng.random((3, 8)) < 0.8
    pairs = CandidatePairs.of_masks(candidate, candidate & (rng.random((3, 8)) < 0.3))
    found = MeansOverCells.of_group_sums(groups, pairs, part=1, transposed=transposed, lifted=lifted)
    own = (groups.lifted if lifted else groups.plain)[:, 1, int(transposed)]
    chosen = np.array([True, False, True, True])
    held = groups.pairs[chosen].sum(axis=0)
    expected = own[chosen].sum(axis=0) / np.maximum(held, 1)
    assert found(chosen) == pytest.approx(expected[candidate], abs=1e-6)
    held = groups.pairs[[1, 1, 2]].sum(axis=0)
    twice = own[[1, 1, 2]].sum(axis=0) / np.maximum(held, 1)
    assert found(np.array([0, 2, 1, 0])) == pytest.approx(twice[candidate], abs=1e-6)
