"""Permutation p values against counting every permutation, and metrics of ranks against those of bins."""

import itertools

import numpy as np
import pytest

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.metrics.metrics import bins_of, values_of
from scfm_assets.core.metrics.pair_ranks import METRICS_OF_PLACES, PairRanks
from scfm_assets.core.statistics import permutation
from scfm_assets.core.statistics.degree_permutation import permuted_degrees, series_of_degrees
from scfm_assets.core.statistics.permutation import Permuted, exact_p, permutation_test, permuted_within_tfs

NAMES = ("auroc", "auprc", "epr")


def small(seed: int, *, levels: int | None = None, knows: float = 1.0) -> tuple[np.ndarray, CandidatePairs]:
    rng = np.random.default_rng(seed)
    positive = np.array([[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], bool)
    scores = rng.normal(size=(3, 6)) + rng.normal(size=(3, 1)) + knows * positive
    scores = np.round(scores * levels) if levels else scores
    pairs = CandidatePairs.of_masks(np.ones((3, 6), bool), positive)
    return pairs.of(scores), pairs


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("n_pos", [1, 7, 150])
def test_metrics_of_ranks_are_those_of_bins(levels, n_pos):
    rng = np.random.default_rng(n_pos)
    scores = rng.normal(size=200)
    scores = np.round(scores * levels) if levels else scores
    chosen = np.argsort(rng.random((5, 200)), axis=1)[:, :n_pos]
    for own, area, precision, early in zip(
        chosen, *(METRICS_OF_PLACES[name](PairRanks.of(scores), chosen) for name in NAMES), strict=True
    ):
        expected = values_of(bins_of(scores, np.isin(np.arange(200), own)))
        assert [area, precision, early] == pytest.approx([expected[0], expected[1], expected[3]], abs=1e-12)


def test_p_is_one_more_than_the_number_as_large_over_one_more_than_all():
    permuted = np.array([0.1, 0.2, 0.3, 0.3, 0.5])
    assert exact_p(np.array([0.3, 0.6]), permuted).tolist() == [4 / 6, 1 / 6]
    assert exact_p(np.array([0.3]), permuted, "less").tolist() == [5 / 6]
    assert exact_p(np.array([0.6, 0.2]), permuted, "two-sided").tolist() == [2 / 6, 1.0]
    assert exact_p(np.array([0.3 + 1e-12]), permuted).tolist() == [4 / 6]
    one = Permuted(0.6, permuted)
    assert one.p() == 1 / 6
    assert one.effect == pytest.approx((0.6 - permuted.mean()) / permuted.std(ddof=1))
    assert Permuted(0.5, np.full(4, 0.5)).effect == 0


@pytest.mark.parametrize("levels", [None, 1])
def test_p_within_tfs_is_the_share_of_all_permutations(levels):
    scores, pairs = small(3, levels=levels)
    every = []
    for two, one in itertools.product(itertools.combinations(range(6), 2), range(6)):
        labels = np.isin(np.arange(18), [*two, 6 + one])
        every.append(values_of(bins_of(scores, labels))[[0, 1, 3]])
    every = np.array(every)
    own = values_of(bins_of(scores, pairs.positive))[[0, 1, 3]]
    (found,) = permutation_test(scores[None], pairs, permutations=20000, metrics=NAMES)
    for name, value, all_values in zip(NAMES, own, every.T, strict=True):
        assert found[name].value == pytest.approx(value, abs=1e-12)
        share = np.mean(all_values >= value - 1e-9)
        assert found[name].p() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 20000) + 1e-4)
        assert found[name].expected == pytest.approx(all_values.mean(), abs=4 * all_values.std() / np.sqrt(20000))


def test_every_tf_keeps_its_number_of_targets_and_its_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    candidate = rng.random((5, 40)) < 0.7
    positive = candidate & (rng.random((5, 40)) < np.array([0.0, 0.1, 0.3, 0.9, 1.0])[:, None])
    pairs = CandidatePairs.of_masks(candidate, positive, np.array([1, 2, 3, 4]))
    drawn = np.concatenate(list(permuted_within_tfs(pairs, permutations=60, seed=1)))
    for chosen in drawn:
        assert len(set(chosen.tolist())) == pairs.n_pos
        assert np.array_equal(np.bincount(pairs.tf[chosen], minlength=4), pairs.targets)
    assert len({tuple(sorted(chosen)) for chosen in drawn.tolist()}) == 60
    monkeypatch.setattr(permutation, "AT_ONCE", 1)
    again = np.concatenate(list(permuted_within_tfs(pairs, permutations=60, seed=1)))
    assert np.array_equal(np.sort(again, axis=1), np.sort(drawn, axis=1))


def test_all_methods_see_the_same_permutations_and_a_seed_decides_them():
    scores, pairs = small(4)
    one, same, other = permutation_test(np.stack([scores, scores, -scores]), pairs, permutations=50, seed=2)
    assert np.array_equal(one["auroc"].permuted, same["auroc"].permuted)
    assert one["auroc"].permuted + other["auroc"].permuted == pytest.approx(np.ones(50))
    (again,) = permutation_test(scores[None], pairs, permutations=50, seed=2)
    assert np.array_equal(again["auroc"].permuted, one["auroc"].permuted)


def test_knowing_tfs_alone_is_nothing_within_tfs():
    rng = np.random.default_rng(5)
    positive = rng.random((20, 100)) < np.linspace(0.01, 0.3, 20)[:, None]
    pairs = CandidatePairs.of_masks(np.ones((20, 100), bool), positive)
    hubs = pairs.of(np.linspace(0, 5, 20)[:, None] + rng.normal(size=(20, 100)))
    (found,) = permutation_test(hubs[None], pairs, permutations=300)
    assert found["auroc"].value > 0.65
    assert found["auroc"].p() > 0.01
    assert found["auroc"].expected == pytest.approx(found["auroc"].value, abs=0.03)


def test_p_values_of_true_null_hypotheses_are_not_too_small():
    rng = np.random.default_rng(6)
    p = []
    for seed in range(600):
        positive = np.argsort(rng.random((6, 30)), axis=1) < 3
        pairs = CandidatePairs.of_masks(np.ones((6, 30), bool), positive)
        scores = pairs.of(rng.normal(size=(6, 30)) + rng.normal(size=30))
        p.append(permutation_test(scores[None], pairs, permutations=99, seed=seed)[0]["auroc"].p())
    for alpha in (0.05, 0.1, 0.5):
        assert np.mean(np.array(p) <= alpha) == pytest.approx(alpha, abs=4 * np.sqrt(alpha * (1 - alpha) / 600))


def test_without_positives_or_negatives_there_is_nothing_to_permute():
    for positive in (np.zeros((2, 3), bool), np.ones((2, 3), bool)):
        with pytest.raises(ValueError, match="no positives or no negatives"):
            permutation_test(np.zeros((1, 6)), CandidatePairs.of_masks(np.ones((2, 3), bool), positive))


def test_degrees_and_candidates_are_kept():
    rng = np.random.default_rng(7)
    candidate = rng.random((9, 30)) < 0.8
    positive = candidate & (rng.random((9, 30)) < 0.25)
    pairs = CandidatePairs.of_masks(candidate, positive)
    seen = set()
    for chosen in permuted_degrees(candidate, positive, permutations=30, seed=0):
        network = np.zeros(candidate.size, bool)
        network[pairs.place[chosen[0]]] = True
        network = network.reshape(candidate.shape)
        assert not (network & ~candidate).any()
        assert np.array_equal(network.sum(axis=0), positive.sum(axis=0))
        assert np.array_equal(network.sum(axis=1), positive.sum(axis=1))
        seen.add(network.tobytes())
    assert len(seen) == 30
    with pytest.raises(ValueError, match="no candidate"):
        next(permuted_degrees(candidate, np.ones_like(candidate), permutations=1, seed=0))


def test_a_series_keeps_degrees_and_candidates_too_and_its_seed_decides_it():
    rng = np.random.default_rng(9)
    candidate = rng.random((9, 30)) < 0.8
    positive = candidate & (rng.random((9, 30)) < 0.25)
    pairs = CandidatePairs.of_masks(candidate, positive)
    drawn = series_of_degrees(candidate, positive, permutations=40, seed=1)
    assert drawn.shape == (40, pairs.n_pos)
    for chosen in drawn:
        network = np.zeros(candidate.size, bool)
        network[pairs.place[chosen]] = True
        network = network.reshape(candidate.shape)
        assert not (network & ~candidate).any()
        assert np.array_equal(network.sum(axis=0), positive.sum(axis=0))
        assert np.array_equal(network.sum(axis=1), positive.sum(axis=1))
    assert len({frozenset(chosen) for chosen in drawn.tolist()}) == 40
    assert np.array_equal(drawn, series_of_degrees(candidate, positive, permutations=40, seed=1))
    assert not np.array_equal(drawn, series_of_degrees(candidate, positive, permutations=40, seed=2))
    assert series_of_degrees(candidate, positive, permutations=0, seed=1).shape == (0, pairs.n_pos)
    with pytest.raises(ValueError, match="no candidate"):
        series_of_degrees(candidate, np.ones_like(candidate), permutations=1, seed=0)


def test_p_of_a_series_is_exact_though_neighbours_are_alike():
    """One round between neighbours, the observed network itself drawn from those of its degrees: 300 times."""
    rng, p = np.random.default_rng(10), []
    first = rng.random((6, 14)) < np.linspace(0.1, 0.6, 14)
    candidate = np.ones(first.shape, bool)
    scores = rng.normal(size=first.shape)
    worlds = permuted_degrees(candidate, first, permutations=300, seed=3, rounds=5)
    for seed, world in enumerate(worlds):
        positive = np.zeros(first.size, bool)
        positive[world[0]] = True
        pairs = CandidatePairs.of_masks(candidate, positive.reshape(first.shape))
        labels = series_of_degrees(candidate, positive.reshape(first.shape), permutations=19, seed=seed, rounds=1)
        (tested,) = permutation_test(pairs.of(scores)[None], pairs, labels=iter([labels]))
        p.append(tested["auroc"].p())
    for alpha in (0.05, 0.1, 0.5):
        assert np.mean(np.array(p) <= alpha) == pytest.approx(alpha, abs=3 * np.sqrt(alpha * (1 - alpha) / 300))


def test_networks_of_given_degrees_are_equally_likely():
    positive = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]], bool)
    candidate = np.ones((3, 4), bool)
    candidate[0, 3] = False
    rows = [[row for row in itertools.product((0, 1), repeat=4) if sum(row) == 2]] * 3
    every = {
        np.array(network, bool).tobytes()
        for network in itertools.product(*rows)
        if np.array_equal(np.sum(network, axis=0), positive.sum(axis=0)) and not network[0][3]
    }
    counted = dict.fromkeys(every, 0)
    for chosen in permuted_degrees(candidate, positive, permutations=3000, seed=0):
        network = np.zeros(12, bool)
        network[np.flatnonzero(candidate)[chosen[0]]] = True
        counted[network.tobytes()] += 1
    expected = 3000 / len(every)
    assert sum((n - expected) ** 2 / expected for n in counted.values()) < len(every) + 5 * np.sqrt(2 * len(every))


def test_knowing_targets_alone_is_nothing_if_degrees_are_kept():
    rng = np.random.default_rng(8)
    positive = rng.random((25, 80)) < np.linspace(0.0, 0.35, 80)
    pairs = CandidatePairs.of_masks(np.ones((25, 80), bool), positive)
    scores = pairs.of(np.linspace(0, 3, 80) + rng.normal(size=(25, 80)))[None]
    (within,) = permutation_test(scores, pairs, permutations=99)
    labels = permuted_degrees(np.ones((25, 80), bool), positive, permutations=99, seed=0)
    (degrees,) = permutation_test(scores, pairs, labels=labels)
    assert within["auroc"].p() == 0.01
    assert degrees["auroc"].p() > 0.02
