"""Scores of a few methods on a small network, with the scores without each group of cells."""

from __future__ import annotations

import numpy as np

from scfm_assets.core.evaluation.contender import Scored
from scfm_assets.core.scores.edges import EdgeScores, ScoreKey
from scfm_assets.core.scores.left_out import LeftOut
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse

K, TFS, GROUPS = 40, np.arange(3, 39, 3), 10
IDS = tuple(f"G{i}" for i in range(K))
NULLS = frozenset({"mean_product", "detection_product"})
SIZES = np.array([6, 7, 6, 7, 6, 7, 6, 7, 6, 7])


def ground(seed: int, *, share: float = 0.12, name: str = "tf_grid") -> Ground:
    """A network whose edges are drawn at random; all pairs of its 12 TFs are ranked."""
    candidate = np.zeros((K, K), bool)
    candidate[TFS] = True
    np.fill_diagonal(candidate, val=False)
    positive = candidate & (np.random.default_rng([seed, 9]).random((K, K)) < share)
    return Ground("truth", "1", MaskedUniverse(name, candidate, positive, TFS))


def scores_of(keys: dict[ScoreKey, float], edges: np.ndarray, seed: int, *, noise: float = 1.0) -> EdgeScores:
    """Scores of each key that know the edges by so much; each of ten groups of cells adds noise of its own.

    Methods of the same repeat share half of their noise. Rows are the query.
    """
    rng = np.random.default_rng([seed, 1])
    repeats = sorted({key.repeat for key in keys})
    common = {repeat: rng.normal(size=(GROUPS, K, K)) for repeat in repeats}
    matrices, without = [], {}
    for key, knows in keys.items():
        fixed = rng.normal(size=(K, K)) + knows * edges
        of_groups = fixed + noise * np.sqrt(GROUPS) * (0.7 * common[key.repeat] + 0.7 * rng.normal(size=(GROUPS, K, K)))
        if key.symmetric:
            of_groups = of_groups + of_groups.swapaxes(1, 2)
        matrices.append(np.average(of_groups, axis=0, weights=SIZES))
        left = [np.average(np.delete(of_groups, g, 0), axis=0, weights=np.delete(SIZES, g)) for g in range(GROUPS)]
        ends = [np.stack(left)[:, TFS], np.stack(left)[:, :, TFS].swapaxes(1, 2)]
        without[key] = np.stack(ends[: 1 if key.symmetric else 2], axis=1)
    pairs = {repeat: np.full((K, K), 9, np.int32) for repeat in repeats}
    sizes = dict.fromkeys(repeats, SIZES)
    kept = {repeat: np.full((GROUPS, len(TFS), K), 8, np.int32) for repeat in repeats}
    known = {key: own for key, own in without.items() if key.method not in ("hidden_state", "token_embedding")}
    return EdgeScores(IDS, IDS, tuple(keys), np.array(matrices), pairs, LeftOut.of_arrays(TFS, sizes, known, kept))


def sources(seed: int, *, repeats: int = 2, knows: float = 1.5, own: Ground | None = None) -> list[Scored]:
    """Two nulls, a correlation, a model with two layers and a head, and the same on random weights."""
    edges = (own or ground(seed)).universe.positive
    of_counts, of_model, of_random = {}, {}, {}
    for r in range(repeats):
        of_counts |= {ScoreKey(r, name, symmetric=True): 0.1 for name in (*sorted(NULLS), "pearson")}
        of_model |= {ScoreKey(r, "attention", 1): 0.2, ScoreKey(r, "attention", 2): knows}
        of_model |= {ScoreKey(r, "attention", 2, 1): 0.0, ScoreKey(r, "hidden_state", 2, symmetric=True): 0.5}
        of_model |= {ScoreKey(r, "token_embedding", symmetric=True): 0.5}
        of_random |= {ScoreKey(r, "attention", 2): 0.0, ScoreKey(r, "attention", 1): 0.0}
    return [
        Scored("baselines", scores_of(of_counts, edges, seed), "baseline"),
        Scored("mine", scores_of(of_model, edges, seed + 1000), "model", "c1", 2, ("random",)),
        Scored("random", scores_of(of_random, edges, seed + 2000), "random", "c2", 2),
    ]
