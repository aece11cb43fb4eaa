"""Boosting: the TFs that make a gene are found; scikit-learn's boosting agrees; nothing but seed and cells decides."""

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingRegressor

from scfm_assets.core.scores.methods.boosting import METHOD, BoostingSpec, boosted
from scfm_assets_tests.core.scores.methods.small_cells import small_cells

TFS = np.array([0, 1, 2, 3, 4, 5, 6, 7])


def driven(n_cells: int = 400) -> np.ndarray:
    """Eight TFs, and four targets: of TF 1, of TFs 2 and 3 against each other, of chance, and one that never varies."""
    rng = np.random.default_rng(0)
    tfs = rng.normal(size=(n_cells, 8))
    noise = rng.normal(0, 0.5, (n_cells, 3))
    targets = [np.abs(tfs[:, 1]), tfs[:, 2] - tfs[:, 3], np.zeros(n_cells), np.full(n_cells, 1.0)]
    return np.column_stack([tfs, np.column_stack(targets[:3]) + noise, targets[3]])


def test_the_tfs_that_make_a_gene_score_highest_and_a_gene_of_chance_ends_early():
    scores = boosted(driven(), TFS, np.arange(8, 12))
    assert np.argmax(scores[:, 0]) == 1
    assert set(np.argsort(scores[:, 1])[-2:]) == {2, 3}
    n_trees = scores.sum(axis=0)
    np.testing.assert_allclose(n_trees, np.rint(n_trees), atol=1e-9)
    assert min(n_trees[:2]) > 100
    assert 25 <= n_trees[2] < 60
    assert not scores[:, 3].any()


def test_importances_are_those_of_scikit_learns_boosting():
    values, n_trees = driven(), 150
    spec = BoostingSpec(n_trees=n_trees, window=n_trees + 1, learning_rate=0.05, features=1.0)
    found = boosted(values, TFS, np.array([8, 9, 10]), spec=spec) / n_trees
    for place, gene in enumerate((8, 9, 10)):
        reference = GradientBoostingRegressor(
            n_estimators=n_trees, learning_rate=0.05, subsample=0.9, max_depth=3, random_state=0
        ).fit(values[:, TFS], values[:, gene])
        np.testing.assert_allclose(found[:, place], reference.feature_importances_, atol=0.03)


def test_the_stopping_rule_of_scikit_learn_is_noise_and_ours_is_not():
    """Its improvement subtracts losses over different cells, so that an easy target ends at once, too."""
    values = driven()

    def stop(tree, model, _):
        return tree >= 24 and model.oob_improvement_[tree - 24 : tree + 1].mean() < 0

    ends = []
    for seed in range(10):
        model = GradientBoostingRegressor(
            n_estimators=500, learning_rate=0.01, subsample=0.9, max_features=0.2, random_state=seed
        )
        ends.append(len(model.fit(values[:, TFS], values[:, 9], monitor=stop).estimators_))
    ours = [boosted(values, TFS, np.array([9]), spec=BoostingSpec(seed=seed)).sum() for seed in range(3)]
    assert np.median(ends) < 60
    assert min(ours) > 150


def test_neither_workers_nor_other_targets_change_a_score_and_seeds_do():
    values, told = driven(150), []
    alone = boosted(values, TFS, np.array([9]))
    together = boosted(values, TFS, progress=lambda done, total: told.append((done, total)))
    assert np.array_equal(alone[:, 0], together[:, 9])
    assert np.array_equal(boosted(values, TFS, workers=2), together)
    assert told == [(i, 12) for i in range(1, 13)]
    other = boosted(values, TFS, np.array([9]), spec=BoostingSpec(seed=1))
    assert not np.array_equal(other, alone)
    assert spearmanr(other[:, 0], alone[:, 0]).statistic > 0.5


def test_as_a_method_it_scores_rows_of_tfs_and_no_tf_tells_itself():
    cells, tfs = small_cells(), np.array([1, 3, 9])
    method = METHOD.bound(tfs)
    every = method.function(cells, slice(None))
    assert every.shape == (12, 12)
    assert not np.delete(every, tfs, axis=0).any()
    assert not every.diagonal().any()
    assert every[tfs].any(axis=1).all()
    assert np.array_equal(method.function(cells, tfs), every[tfs])
    assert (method.name, method.null, method.expensive) == ("grnboost", False, True)
    assert "boosted trees" in method.doc


def test_a_tf_alone_and_two_cells_give_finite_scores():
    values = driven()
    assert not boosted(values, np.array([8]), np.array([8])).any()
    assert np.isfinite(boosted(values[:2], TFS)).all()
    assert np.isfinite(boosted(values, TFS, np.array([9]), spec=BoostingSpec(cells=1.0, n_trees=30))).all()
