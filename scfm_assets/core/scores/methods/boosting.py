"""GRNBoost2-style boosting: each gene is predicted from the TFs, and a TF scores by how much it helps.

Moerman et al. 2019, Bioinformatics 35. The trees are those of scikit-learn, as there. The boosting around them is our
own: `GradientBoostingRegressor.oob_improvement_` of scikit-learn 1.9 compares losses over two different sets of cells
out of the bag (before it kept `oob_scores_` it took one), which is mostly noise and ends most targets at the first
window; a test holds that. The histogram form of scikit-learn has no importances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.scores.baselines import EVERY, BaselineMethod, Cells, Genes
from scfm_assets.errors import ScfmError

TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class BoostingSpec:
    """What decides the scores; the values are GRNBoost2's.

    Parameters
    ----------
    learning_rate
        Share of each tree that is added to the prediction.
    n_trees
        Trees of a target, at most.
    depth
        Splits from the root of a tree to a leaf.
    features, cells
        Shares of the TFs that each split, and of the cells that each tree looks at.
    window
        Trees over which the mean improvement out of the bag must be positive; the first window in which it is not
        ends the boosting of a target.
    seed
        Seed of all that is drawn.
    """

    learning_rate: float = 0.01
    n_trees: int = 5000
    depth: int = 3
    features: float = 0.1
    cells: float = 0.9
    window: int = 25
    seed: int = 0


def grnboost(
    cells: Cells,
    genes: Genes = EVERY,
    *,
    tfs: np.ndarray,
    spec: BoostingSpec | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Score a TF by its importance for predicting the other gene by boosted trees, as GRNBoost2 does.

    `tfs` are panel indices, genes that are no TF score 0; `spec`, `workers` and `progress` those of `boosted`.
    """
    values = cells.expression
    scores = np.zeros((values.shape[1],) * 2)
    scores[tfs] = boosted(values, tfs, spec=spec, workers=workers, progress=progress)
    return scores[genes]


def boosted(
    values: np.ndarray,
    tfs: np.ndarray,
    targets: np.ndarray | None = None,
    *,
    spec: BoostingSpec | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Score TFs by how much they help to predict each target.

    A target's score of a TF is its share of what all splits of all trees gain (sums to 1 over the TFs), times the
    number of trees: targets that the TFs do not predict end early and score low, as in GRNBoost2. A TF does not predict
    itself. Each target has a random stream of its own, so that neither the number of workers nor the other targets
    change its scores.

    Parameters
    ----------
    values
        Expression, shape (n_cells, K).
    tfs, targets
        Panel indices; every gene is a target by default.
    spec
        Settings.
    workers
        Processes.
    progress
        Called with the number of targets that are done, and of all.

    Returns
    -------
    Scores, shape (n_tfs, n_targets); 0 for a TF or target that does not vary.

    Raises
    ------
    ScfmError
        Where scikit-learn is not installed.
    """
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        problem = "boosting needs scikit-learn, which is not installed"
        raise ScfmError("method grnboost", problem, "Install scikit-learn, or leave the method out.") from error
    genes = np.arange(values.shape[1]) if targets is None else np.asarray(targets)
    settings = spec or BoostingSpec()
    features = np.ascontiguousarray(values[:, tfs], np.float32)
    tasks = (
        delayed(_boosted_target)(features, values[:, gene], np.asarray(tfs) != gene, int(gene), settings)
        for gene in genes
    )
    scores = np.zeros((len(tfs), len(genes)))
    done = Parallel(n_jobs=workers, return_as="generator")(tasks)
    for place, column in enumerate(done):
        scores[:, place] = column
        if progress is not None:
            progress(place + 1, len(genes))
    return scores


def _boosted_target(
    features: np.ndarray, target: np.ndarray, allowed: np.ndarray, gene: int, spec: BoostingSpec
) -> np.ndarray:
    """Scores of all TFs (n_tfs,) for one target; `allowed` are those that may predict it."""
    scores = np.zeros(len(allowed))
    if allowed.any() and target.min() < target.max():
        predictors = np.ascontiguousarray(features[:, allowed])
        gains, n_trees = _boost(predictors, target, np.random.default_rng(seed_from("grnboost", spec.seed, gene)), spec)
        scores[allowed] = gains / max(gains.sum(), TINY) * n_trees
    return scores


def _boost(
    features: np.ndarray, target: np.ndarray, rng: np.random.Generator, spec: BoostingSpec
) -> tuple[np.ndarray, int]:
    """Gain of the splits by each feature over all trees, (n_features,), and the number of trees."""
    from sklearn.tree import DecisionTreeRegressor

    n_cells, n_features = features.shape
    split_on = max(1, int(spec.features * n_features))
    rest, gains, better = target - target.mean(), np.zeros(n_features), np.zeros(spec.n_trees)
    n_drawn = min(max(1, int(spec.cells * n_cells)), n_cells - 1)
    for i in range(spec.n_trees):
        order = rng.permutation(n_cells)
        drawn, out = order[:n_drawn], order[n_drawn:]
        tree = DecisionTreeRegressor(
            max_depth=spec.depth, max_features=split_on, random_state=int(rng.integers(2**31))
        ).fit(features[drawn], rest[drawn], check_input=False)
        gains += tree.tree_.compute_feature_importances(normalize=False)
        before = (rest[out] ** 2).mean()
        rest -= spec.learning_rate * tree.predict(features, check_input=False)
        better[i] = before - (rest[out] ** 2).mean()
        if i + 1 >= spec.window and better[i + 1 - spec.window : i + 1].mean() < 0:
            return gains, i + 1
    return gains, spec.n_trees


METHOD = BaselineMethod("grnboost", grnboost, null=False, needs_tfs=True, expensive=True)
