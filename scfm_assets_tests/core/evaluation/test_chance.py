"""Methods against permuted labels: scipy's permutation test, and what knows and does not know the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.chance import chance_tests
from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, sources


def told(knows: float, *, permutations: int = 999):
    arena = ground(5)
    found = contenders(sources(5, knows=knows, own=arena), NULLS, TF_QUERIES)
    tests = chance_tests(found, [arena], tissue="blood", permutations=permutations)
    return arena, found, {test.hypothesis.split(" ranks ")[0]: test for test in tests}


def test_what_knows_the_edges_is_above_chance_and_random_weights_are_not():
    _, _, tests = told(2.0)
    knows, knows_nothing = tests["attention of mine, layer 2"], tests["attention of random, layer 2"]
    assert knows.p == pytest.approx(1 / 1000)
    assert knows.effect > 5
    assert knows_nothing.p > 0.05
    assert {test.family for test in tests.values()} == {"above_chance_blood"}
    assert len(tests) == len({test.hypothesis for test in tests.values()})


def test_value_and_p_are_those_of_sklearn_and_of_a_permutation_by_hand():
    """AUROC, the mean over repeats, to 1e-12; p against 4,000 permutations by hand within their Monte Carlo error."""
    arena, found, tests = told(0.2, permutations=4000)
    (own,) = [c for c in found if (c.source.model, c.method, c.layer) == ("mine", "attention", 2)]
    mask, rng = ~np.eye(K, dtype=bool)[TFS], np.random.default_rng(0)
    positive, scores = arena.universe.positive[TFS], [own.matrix(repeat)[TFS] for repeat in own.keys]
    ranks = [stats.rankdata(each[mask]) for each in scores]
    n_pos, n = int(positive[mask].sum()), int(mask.sum())

    def auroc(labels: np.ndarray) -> float:
        chosen = labels[mask]
        sums = [float(own[chosen].sum()) for own in ranks]
        return float(np.mean([(total - n_pos * (n_pos + 1) / 2) / (n_pos * (n - n_pos)) for total in sums]))

    test = tests["attention of mine, layer 2"]
    of_sklearn = np.mean([roc_auc_score(positive[mask], each[mask]) for each in scores])
    assert test.value == pytest.approx(of_sklearn, abs=1e-12)
    assert auroc(positive) == pytest.approx(of_sklearn, abs=1e-12)
    permuted = np.empty(4000)
    for i in range(len(permuted)):
        labels = np.zeros_like(positive)
        for row in range(len(TFS)):
            places = np.flatnonzero(mask[row])
            labels[row, rng.choice(places, int(positive[row].sum()), replace=False)] = True
        permuted[i] = auroc(labels)
    by_hand = np.mean(permuted >= test.value)
    assert abs(test.p - by_hand) <= 4 * np.sqrt(2 * max(by_hand, 0.005) / 4000) + 2 / 4000
    assert test.n == np.count_nonzero(positive.any(axis=1))
