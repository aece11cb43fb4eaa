"""What expression alone knows of edges: a model of what single genes are like, for pairs of genes that it never saw.

It is given all of `STATISTICS` of both ends and fitted to the edges of a network in a universe, so that no single null
needs to be the right one. Nothing is told of a pair by what was fitted to it: a pair of a TF of one part and a target
of another part is scored by the model of the pairs with neither a TF of the one nor a target of the other. Scores have
no intercept: an intercept is as high as the other parts have edges, and would order the parts the wrong way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtri
from scipy.stats import rankdata

from scfm_assets.core.base import seed_from

if TYPE_CHECKING:
    from scfm_assets.core.universes import Ground

PARTS = 5
"""Parts of the TFs, and of the targets: each model sees 4 / 5 of either."""
RIDGE = 1.0
"""Penalty of half a squared coefficient, of features with variance 1: that of scikit-learn."""
STEPS, CLOSE = 50, 1e-8
"""Newton steps at most, and the largest change of a coefficient that ends them."""


def features_of(levels: np.ndarray) -> np.ndarray:
    """Make features of genes: normal scores of each statistic over the panel, and their squares.

    Parameters
    ----------
    levels
        Shape (..., n_statistics, K).

    Returns
    -------
    Shape (..., K, 2 n_statistics); 0 where all genes are alike.
    """
    ranks = rankdata(levels, axis=-1)
    scores = ndtri((ranks - 0.5) / levels.shape[-1])
    both = np.concatenate([scores, (scores**2 - 1) / np.sqrt(2)], axis=-2)
    return np.swapaxes(both, -1, -2)


def logistic_of_ends(
    rows: np.ndarray, columns: np.ndarray, edges: np.ndarray, counted: np.ndarray, *, ridge: float = RIDGE
) -> np.ndarray:
    """Fit the logistic model intercept + rows b + columns c to pairs, with a ridge on b and c, by Newton's steps.

    As features belong to ends and not to pairs, a step costs a few passes over the matrix of pairs.

    Parameters
    ----------
    rows, columns
        Features of the genes at either end, shapes (T, p) and (K, p).
    edges
        Whether a pair is an edge, shape (T, K).
    counted
        Whether a pair counts, shape (T, K).

    Returns
    -------
    Intercept, b and c, shape (1 + 2 p,); without edges or without other pairs all 0.
    """
    first, second = (np.column_stack([np.ones(len(part)), part]) for part in (rows, columns))
    width, held = rows.shape[1], edges & counted
    beta, penalty = np.zeros(1 + 2 * width), ridge * np.r_[0.0, np.ones(2 * width)]
    if not held.any() or held.sum() == counted.sum():
        return beta
    share = held.sum() / counted.sum()
    beta[0] = np.log(share / (1 - share))
    for _ in range(STEPS):
        fitted = expit((first @ beta[: 1 + width])[:, None] + columns @ beta[1 + width :])
        miss, weight = (held - fitted) * counted, fitted * (1 - fitted) * counted
        slope = np.r_[miss.sum(axis=1) @ first, miss.sum(axis=0) @ columns] - penalty * beta
        corner = first.T @ weight @ columns
        curve = np.block(
            [
                [(first.T * weight.sum(axis=1)) @ first, corner],
                [corner.T, (second[:, 1:].T * weight.sum(axis=0)) @ columns],
            ]
        )
        step = np.linalg.solve(curve + np.diag(penalty), slope)
        beta += step / max(1.0, float(np.abs(step).max()) / 2)  # far from the end a step may be much too long
        if np.abs(step).max() < CLOSE:
            break
    return beta


def parts_of(edges: np.ndarray, seed: int, parts: int = PARTS) -> np.ndarray:
    """Deal ends out to parts with about as many edges each; part of each end, int (n,)."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(edges))
    order, part = shuffled[np.argsort(-edges[shuffled], kind="stable")], np.empty(len(edges), np.int64)
    dealt = np.concatenate([rng.permutation(parts) for _ in range(-(-len(edges) // parts))])
    part[order] = dealt[: len(edges)]
    return part


class ExpressionAlone:
    """The model of one ground: a coefficient of each feature for each pair of parts.

    Parameters
    ----------
    ground
        The pairs, and the edges among them.
    levels
        What each gene alone is like, (n_statistics, K): the mean over repeats.
    """

    def __init__(self, ground: Ground, levels: np.ndarray) -> None:
        tfs = ground.universe.tfs
        self.tfs = tfs
        edges, counted = ground.universe.positive[tfs], ground.universe.candidate[tfs]
        name = (ground.network, ground.universe.name)
        self.row_part = parts_of(edges.sum(axis=1), seed_from("expression alone", *name, "tfs"))
        self.column_part = parts_of(edges.sum(axis=0), seed_from("expression alone", *name, "targets"))
        features = features_of(levels)
        self.coefficients = np.zeros((PARTS, PARTS, 1 + 2 * features.shape[1]))
        for part in np.unique(self.row_part):
            rows = self.row_part != part
            for other in range(PARTS):
                seen = rows[:, None] & (self.column_part != other)
                self.coefficients[part, other] = logistic_of_ends(features[tfs], features, edges, counted & seen)

    def scores(self, levels: np.ndarray) -> np.ndarray:
        """Score the TFs' pairs where genes are like this, (..., n_statistics, K); shape (..., T, K)."""
        features = features_of(levels)
        width = features.shape[-1]
        scores = np.empty((*features.shape[:-2], len(self.tfs), features.shape[-2]))
        for part in np.unique(self.row_part):
            rows = np.flatnonzero(self.row_part == part)
            of_rows, of_columns = np.split(self.coefficients[part, :, 1:], [width], axis=1)
            ends = features[..., self.tfs[rows], :] @ of_rows.T
            others = np.einsum("...kp,kp->...k", features, of_columns[self.column_part])
            scores[..., rows, :] = ends[..., self.column_part] + others[..., None, :]
        return scores
