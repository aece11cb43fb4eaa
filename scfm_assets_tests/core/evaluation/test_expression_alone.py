"""The model of expression alone against scikit-learn, and what it must not know."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.expression_alone import PARTS, ExpressionAlone, features_of, logistic_of_ends, parts_of
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse

K, TFS = 60, np.arange(2, 50, 3)


def world(seed: int, *, slope: float = 1.2) -> tuple[Ground, np.ndarray]:
    """Edges that follow a statistic of the target, and the statistics."""
    rng = np.random.default_rng(seed)
    levels = np.exp(rng.normal(size=(5, K)))
    candidate = np.zeros((K, K), bool)
    candidate[TFS] = True
    np.fill_diagonal(candidate, val=False)
    positive = candidate & (rng.random((K, K)) < expit(-2 + slope * np.log(levels[1])))
    return Ground("net", "1", MaskedUniverse("tf_grid", candidate, positive, TFS)), levels


def refitted(ground: Ground, features: np.ndarray, counted: np.ndarray) -> LogisticRegression:
    """The same model by scikit-learn, pair by pair."""
    rows, columns = np.nonzero(counted)
    pairs = np.array([[*features[TFS[row]], *features[column]] for row, column in zip(rows, columns, strict=True)])
    return LogisticRegression(tol=1e-10, max_iter=5000).fit(pairs, ground.universe.positive[TFS][rows, columns])


def test_features_are_normal_scores_and_their_squares():
    _, levels = world(0)
    features = features_of(levels)
    scores = norm.ppf((rankdata(levels[2]) - 0.5) / K)
    np.testing.assert_allclose(features[:, 2], scores)
    np.testing.assert_allclose(features[:, 7], (scores**2 - 1) / np.sqrt(2))
    assert not features_of(np.ones((5, K)))[:, :5].any()


def test_the_fit_is_that_of_scikit_learn():
    ground, levels = world(1)
    features, counted = features_of(levels), ground.universe.candidate[TFS].copy()
    counted[3, 10:30] = False
    ours = logistic_of_ends(features[TFS], features, ground.universe.positive[TFS], counted)
    theirs = refitted(ground, features, counted)
    np.testing.assert_allclose(ours, [*theirs.intercept_, *theirs.coef_[0]], atol=2e-5)


def test_no_edge_or_nothing_but_edges_gives_no_model():
    features = np.random.default_rng(0).normal(size=(6, 2))
    for edges in (np.zeros((6, 6), bool), np.ones((6, 6), bool)):
        assert not logistic_of_ends(features, features, edges, np.ones((6, 6), bool)).any()


def test_a_pair_is_scored_by_pairs_with_neither_its_tf_nor_its_target():
    ground, levels = world(2)
    model, features = ExpressionAlone(ground, levels), features_of(levels)
    scores = model.scores(levels)
    for row, column in ((0, 5), (7, 44), (15, 3)):
        others = (model.row_part != model.row_part[row])[:, None] & (model.column_part != model.column_part[column])
        assert not others[row].any()
        assert not others[:, column].any()
        theirs = refitted(ground, features, ground.universe.candidate[TFS] & others)
        expected = np.r_[features[TFS[row]], features[column]] @ theirs.coef_[0]
        np.testing.assert_allclose(scores[row, column], expected, atol=1e-4)


def test_parts_hold_about_as_many_edges_each():
    edges = np.random.default_rng(3).geometric(0.1, 83)
    part = parts_of(edges, seed=1)
    assert set(np.bincount(part, minlength=PARTS)) <= {16, 17}
    sums = np.bincount(part, edges)
    assert sums.max() - sums.min() <= edges.max()
    assert not np.array_equal(part, parts_of(edges, seed=2))


def test_it_finds_what_a_gene_is_like_and_nothing_where_there_is_nothing():
    found, nothing = [], []
    for seed in range(12):
        for slope, areas in ((1.2, found), (0.0, nothing)):
            ground, levels = world(100 + seed, slope=slope)
            scores = ground.pairs.of(ExpressionAlone(ground, levels).scores(levels))
            areas.append(roc_auc_score(ground.pairs.positive, scores))
    assert np.mean(found) > 0.68
    assert abs(np.mean(nothing) - 0.5) < 0.03


def test_scores_follow_the_statistics_of_other_cells_and_not_their_scale():
    ground, levels = world(4)
    model = ExpressionAlone(ground, levels)
    np.testing.assert_array_equal(model.scores(levels), model.scores(3 * levels))
    other = np.random.default_rng(5).permuted(levels, axis=1)
    both = model.scores(np.stack([levels, other]))
    np.testing.assert_array_equal(both[0], model.scores(levels))
    np.testing.assert_array_equal(both[1], model.scores(other))
    assert not np.array_equal(both[0], both[1])
