"""Pairs of masks, and their bins by TF, against counting by hand."""

import numpy as np
import pytest

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.metrics.metrics import bins_of, values_of


def grid(seed: int, *, levels: int | None = None) -> tuple[np.ndarray, CandidatePairs, np.ndarray, np.ndarray]:
    """Scores (6, 30), their pairs with rows 1, 2 and 4 as TFs, and both masks."""
    rng = np.random.default_rng(seed)
    candidate, scores = rng.random((6, 30)) < 0.8, rng.normal(size=(6, 30))
    positive = candidate & (rng.random((6, 30)) < 0.2)
    positive[[0, 3, 5]] = False
    scores = np.round(scores * levels) if levels else scores
    return scores, CandidatePairs.of_masks(candidate, positive, np.array([1, 2, 4])), candidate, positive


def test_pairs_stand_in_the_order_of_the_matrix_and_know_their_tf():
    scores, pairs, candidate, positive = grid(0)
    assert np.array_equal(pairs.of(scores), scores[candidate])
    assert np.array_equal(pairs.of(np.stack([scores, -scores]))[1], -scores[candidate])
    assert np.array_equal(pairs.positive, positive[candidate])
    assert np.array_equal(pairs.tf, np.array([-1, 0, 1, -1, 2, -1])[np.nonzero(candidate)[0]])
    assert (pairs.n, pairs.n_pos, pairs.n_neg) == (candidate.sum(), positive.sum(), (candidate & ~positive).sum())
    assert pairs.targets.tolist() == positive[[1, 2, 4]].sum(axis=1).tolist()
    with pytest.raises(ValueError, match="shape"):
        CandidatePairs.of_masks(candidate, positive[:5])


@pytest.mark.parametrize("levels", [None, 0.3, 1, 2])
def test_rankings_at_once_are_rankings_one_by_one(levels):
    rng = np.random.default_rng(3)
    candidate = rng.random((5, 40)) < 0.8
    for share in (0.01, 0.1, 0.5, 0.95):
        pairs = CandidatePairs.of_masks(candidate, candidate & (rng.random((5, 40)) < share))
        if not pairs.n_pos or not pairs.n_neg:
            continue
        scores = rng.normal(size=(7, pairs.n)).astype(np.float32)
        scores[0] = pairs.positive  # a perfect ranking, its reverse, and one that says nothing
        scores[1], scores[2] = -scores[0], 0
        scores = np.round(scores * levels) if levels else scores
        one_by_one = [pairs.rank(of_row).values for of_row in scores]
        np.testing.assert_allclose(pairs.values_of_each(scores), one_by_one, rtol=1e-13)
        for end, of_pair, size in (("tf", pairs.tf, 5), ("target", pairs.target, 40)):
            of_ends = rng.normal(size=(6, size)).astype(np.float32)
            of_ends = np.round(of_ends * levels) if levels else of_ends
            one_by_one = [pairs.rank(of_row[of_pair]).values for of_row in of_ends]
            np.testing.assert_allclose(pairs.values_of_ends(end, of_ends), one_by_one, rtol=1e-13)


@pytest.mark.parametrize("levels", [None, 2])
def test_bins_of_tfs_and_of_the_others_add_up_to_those_of_all(levels):
    scores, pairs, candidate, positive = grid(1, levels=levels)
    of_tfs, others = pairs.rank(pairs.of(scores)).by_tf
    whole = bins_of(scores[candidate], positive[candidate])
    assert np.array_equal((of_tfs.total() + others).below, whole.below)
    assert np.array_equal((of_tfs.total() + others).tied, whole.tied)
    for place, row in enumerate((1, 2, 4)):
        own = bins_of(scores[row][candidate[row]], positive[row][candidate[row]])
        assert values_of(of_tfs[place]) == pytest.approx(values_of(own), abs=1e-12)
    assert CandidatePairs.of_masks(candidate, positive).rank(pairs.of(scores)).by_tf[1] is None
