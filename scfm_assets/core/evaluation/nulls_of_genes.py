"""The nulls of single genes as methods that are compared: each made when a ground is ranked, none stored.

A null of one statistic is read the way round that ranks the edges of the ground better, high or low values first:
a method that ranks targets by how little they are expressed knows as little as one that ranks them by how much.
Scores are float32, as those of methods are: else a method that is the null would differ from it by rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.evaluation.contender import Contender
from scfm_assets.core.evaluation.expression_alone import ExpressionAlone
from scfm_assets.core.metrics import auroc
from scfm_assets.core.scores import GENE_NULLS, SYMMETRIC, GeneNull, ScoreKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scfm_assets.core.evaluation.contender import ScoresOnGrounds
    from scfm_assets.core.universes import Ground

EXPRESSION_ALONE, TARGET_POPULARITY = "expression_alone", "target_popularity"


class OfStatistic:
    """Scores by one statistic of single genes, read the way round that ranks better, or as it is."""

    def __init__(self, null: GeneNull, levels: Mapping[int, np.ndarray], *, either_way: bool = True) -> None:
        self.null, self.levels, self.either_way = null, levels, either_way
        self._signs: dict[Ground, int] = {}

    def on(self, ground: Ground, repeat: int) -> np.ndarray:
        """See `ScoresOnGrounds`."""
        return self._sign(ground) * self._plain(ground, self.levels[repeat][0])

    def values_without_groups(self, ground: Ground, repeat: int) -> np.ndarray | None:
        """See `ScoresOnGrounds`: of one end alone, ends are ranked and not pairs."""
        without, end = self.levels[repeat][1:], self.null.end.alone
        if not len(without):
            return None
        if end is None:
            return ground.pairs.values_of_each(self._sign(ground) * self._plain(ground, without))
        of_genes = without[:, self.null.row].astype(np.float32)
        of_ends = of_genes[:, ground.universe.tfs] if end == "tf" else of_genes
        return ground.pairs.values_of_ends(end, self._sign(ground) * of_ends)

    def _plain(self, ground: Ground, levels: np.ndarray) -> np.ndarray:
        return ground.pairs.of(self.null.scores(levels, ground.universe.tfs)).astype(np.float32)

    def _sign(self, ground: Ground) -> int:
        if not self.either_way:
            return 1
        if ground not in self._signs:
            known = [self._plain(ground, levels[0]) for levels in self.levels.values()]
            mean = np.mean([auroc(ground.pairs.rank(scores).bins) for scores in known])
            self._signs[ground] = -1 if mean < 0.5 else 1
        return self._signs[ground]


class OfModel:
    """Scores by the model of all statistics, `ExpressionAlone`, fitted once to each ground."""

    def __init__(self, levels: Mapping[int, np.ndarray]) -> None:
        self.levels = levels
        self._models: dict[Ground, ExpressionAlone] = {}

    def on(self, ground: Ground, repeat: int) -> np.ndarray:
        """See `ScoresOnGrounds`."""
        return self._scores(ground, self.levels[repeat][0])

    def values_without_groups(self, ground: Ground, repeat: int) -> np.ndarray | None:
        """See `ScoresOnGrounds`."""
        without = self.levels[repeat][1:]
        return ground.pairs.values_of_each(self._scores(ground, without)) if len(without) else None

    def _scores(self, ground: Ground, levels: np.ndarray) -> np.ndarray:
        if ground not in self._models:
            mean = np.mean([levels[0] for levels in self.levels.values()], axis=0)
            self._models[ground] = ExpressionAlone(ground, mean)
        return ground.pairs.of(self._models[ground].scores(levels)).astype(np.float32)


class OfPopularity:
    """Scores by how often other networks name a gene as a target."""

    def on(self, ground: Ground, repeat: int) -> np.ndarray:  # noqa: ARG002 (no cell changes it)
        """See `ScoresOnGrounds`."""
        if ground.popularity is None:
            message = f"no other network than {ground.network} says how popular targets are"
            raise ValueError(message)
        size = len(ground.universe.tfs), len(ground.popularity)
        return ground.pairs.of(np.broadcast_to(ground.popularity, size))

    def values_without_groups(self, ground: Ground, repeat: int) -> None:
        """See `ScoresOnGrounds`: it is the same without any group, which `STATIC` says."""


def nulls_of_genes(methods: Sequence[Contender], grounds: Sequence[Ground]) -> list[Contender]:
    """List the nulls of single genes beside some methods: those that are not among them.

    Parameters
    ----------
    methods
        What is compared. The scores of those that are made of counts hold what genes are like (`EdgeScores.levels`, in
        all cells and without each group); where none does there are no nulls.
    grounds
        Where; the popularity of targets is known where another network is.
    """
    source = next((method.source for method in methods if method.source.scores.levels), None)
    if source is None:
        return []
    known, levels = {method.method for method in methods if method.role == "null"}, source.scores.levels
    made: dict[str, ScoresOnGrounds] = {
        name: OfStatistic(null, levels) for name, null in GENE_NULLS.items() if name not in known
    }
    made[EXPRESSION_ALONE] = OfModel(levels)
    if grounds and all(ground.popularity is not None for ground in grounds):
        made[TARGET_POPULARITY] = OfPopularity()
    return [
        Contender(source, name, None, "null", SYMMETRIC, _keys(name, levels), scores) for name, scores in made.items()
    ]


def _keys(name: str, repeats: Iterable[int]) -> dict[int, ScoreKey]:
    return {repeat: ScoreKey(repeat, name, symmetric=True) for repeat in sorted(repeats)}
