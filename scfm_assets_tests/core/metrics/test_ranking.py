"""Rankings of pairs: each engine behind `CandidatePairs.rank` against bins that are counted by hand."""

import numpy as np
import pytest
from scipy.stats import rankdata

from scfm_assets.core.metrics import CandidatePairs, CountedRanking, PairRanks, bins_of, values_of


@pytest.mark.parametrize("levels", [None, 3])
def test_bins_of_some_edges_are_those_of_a_ranking_of_its_own(levels):
    rng = np.random.default_rng(0)
    scores, edges = rng.normal(size=500), rng.random(500) < 0.1
    scores = np.round(scores * levels) if levels else scores
    for _ in range(5):
        labelled = rng.random(edges.sum()) < 0.4
        positive = np.zeros(500, bool)
        positive[np.flatnonzero(edges)[labelled]] = True
        expected, found = bins_of(scores, positive), PairRanks.of(scores).bins(np.flatnonzero(positive))
        for name in ("positive", "tied", "below", "n_neg"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name


def small(levels: int | None) -> tuple[np.ndarray, CandidatePairs]:
    rng = np.random.default_rng(1)
    positive = rng.random((6, 40)) < 0.15
    scores = rng.normal(size=(6, 40)) + positive
    scores = np.round(scores * levels) if levels else scores
    candidate = rng.random((6, 40)) < 0.9
    pairs = CandidatePairs.of_masks(candidate, positive & candidate, np.arange(1, 6))
    return pairs.of(scores), pairs


@pytest.mark.parametrize("levels", [None, 2])
def test_all_ways_to_rank_pairs_agree(levels):
    scores, pairs = small(levels)
    ranked = pairs.rank(scores)
    expected = values_of(bins_of(scores, pairs.positive))
    assert ranked.values == pytest.approx(expected, abs=1e-12)
    assert CountedRanking(ranked.by_tf, lambda: ranked.grid).values == pytest.approx(expected, abs=1e-12)
    assert values_of(ranked.ranks.bins(np.flatnonzero(pairs.positive))) == pytest.approx(expected, abs=1e-12)
    assert ranked.others is not None
    assert ranked.has_both


@pytest.mark.parametrize("levels", [None, 2])
def test_ranks_are_those_of_scipy(levels):
    scores, _ = small(levels)
    ranks = PairRanks.of(scores)
    assert (ranks.below + ranks.upto + 1) / 2 == pytest.approx(rankdata(scores))
    assert PairRanks.of(np.empty(0)).n == 0
