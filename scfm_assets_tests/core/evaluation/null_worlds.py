"""Worlds in which nothing but genes is known: edges that follow targets, and methods that follow genes.

In each world some genes are targets more often than others, whatever TF stands at the other end, and no method knows
a pair. What a gene is like is drawn for each set; scores are made of that, or of a property that nobody measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.evaluation.contender import Scored, contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import verdicts
from scfm_assets.core.scores import NULLS, EdgeScores, ScoreKey
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse

K = 200
METHODS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "target_fano": lambda levels, _: np.broadcast_to(levels[2] / levels[0], (K, K)),
    "gene_property": lambda _, hidden: np.broadcast_to(hidden, (K, K)),
    "target_mean": lambda levels, _: np.broadcast_to(levels[0], (K, K)),
    "target_rarity": lambda levels, _: np.broadcast_to(-levels[1], (K, K)),
    "mean_and_detection": lambda levels, _: np.log(levels[0])[:, None] + 2 * levels[1],
}
"""Scores of all pairs from what genes are like, (n_statistics, K), and from a hidden property, (K,)."""


@dataclass(frozen=True)
class World:
    """How targets are drawn: ``in_degree`` is the sigma of a lognormal weight, ``bias`` how it follows the mean."""

    name: str
    n_tfs: int
    in_degree: float = 0.0
    bias: float = 0.0
    advantage: float = 0.0
    """Of the method `planted`: how far edges lie above other pairs, in standard deviations."""

    def draw(self, seed: int) -> tuple[Ground, list[Scored]]:
        """Draw genes, edges and scores."""
        rng = np.random.default_rng([seed, self.n_tfs])
        levels = levels_of_genes(rng)
        tfs = np.sort(rng.choice(K, self.n_tfs, replace=False))
        standardised = (np.log(levels[0]) - np.log(levels[0]).mean()) / np.log(levels[0]).std()
        weight = np.exp(self.in_degree * rng.normal(size=K) + self.bias * standardised)
        positive, candidate = np.zeros((K, K), bool), np.zeros((K, K), bool)
        candidate[tfs] = True
        np.fill_diagonal(candidate, val=False)
        for tf in tfs:
            chances = np.where(np.arange(K) == tf, 0, weight)
            positive[tf, rng.choice(K, rng.integers(5, 18), replace=False, p=chances / chances.sum())] = True
        hidden = rng.normal(size=K)
        scores = {name: make(levels, hidden) for name, make in METHODS.items()}
        if self.advantage:
            scores["planted"] = rng.normal(size=(K, K)) + self.advantage * positive
        names = tuple(f"G{i}" for i in range(K))
        keys = tuple(ScoreKey(0, name, symmetric=True) for name in scores)
        matrices = np.stack([np.asarray(matrix, np.float32) for matrix in scores.values()])
        known = EdgeScores(names, names, keys, matrices, {0: np.ones((K, K), np.int32)}, levels={0: levels[None]})
        return (
            Ground("truth", "1", MaskedUniverse("tf_grid", candidate, positive, tfs)),
            [Scored("baselines", known, "baseline")],
        )


def levels_of_genes(rng: np.random.Generator) -> np.ndarray:
    """Draw what genes are like, as counts make it: related to each other, and each with something of its own."""
    mean = np.exp(rng.normal(-0.5, 1.0, K))
    detection = 1 - np.exp(-mean * np.exp(rng.normal(0, 0.2, K)))
    variance = mean * (0.6 + 0.3 * mean) * np.exp(rng.normal(0, 0.4, K))
    dispersion = np.exp(0.5 * np.log(mean) + rng.normal(0, 0.6, K))
    return np.stack([mean, detection, variance, dispersion, rng.normal(2000, 200, K)])


WORLDS = (
    World("uniform in-degree", 25),
    World("lognormal(1.0) in-degree", 25, in_degree=1.0),
    World("lognormal(1.5) in-degree", 25, in_degree=1.5),
    World("lognormal(1.0) in-degree", 80, in_degree=1.0),
    World("lognormal(1.5) in-degree", 80, in_degree=1.5),
    World("targets by expression", 25, bias=1.5),
    World("targets by expression", 80, bias=1.5),
    World("targets by low expression", 25, bias=-1.5),
)


def verdicts_in(world: World, sets: int) -> dict[str, Counter[str]]:
    """Count the verdicts of every method, and of being above permuted or lucky nulls by chance, over some sets."""
    nulls = {method.name for method in NULLS}
    counted: dict[str, Counter[str]] = {}
    for seed in range(sets):
        ground, sources = world.draw(seed)
        table = verdicts(compare_methods(contenders(sources, nulls, TF_QUERIES), [ground]))
        for row in table.to_pylist():
            if row["metric"] == "auroc" and row["role"] != "null":
                counted.setdefault(row["method"], Counter())[row["verdict"]] += 1
    return counted


def described(world: World, counted: Mapping[str, Counter[str]]) -> str:
    """Write a world's figures down, a line per method."""
    lines = [f"{world.name}, {world.n_tfs} TFs"]
    for method, times in counted.items():
        shares = ", ".join(f"{verdict} {n / times.total():.1%}" for verdict, n in times.most_common())
        lines.append(f"  {method:20s} {shares}")
    return "\n".join(lines)
