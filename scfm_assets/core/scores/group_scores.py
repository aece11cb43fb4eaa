"""Scores of a universe's pairs from any choice of the groups of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from scfm_assets.core.attention import GroupSums
    from scfm_assets.core.metrics import CandidatePairs


class ScoresOfGroups(Protocol):
    """Whatever scores the n pairs from the cells of some groups: (n_groups,) how often each counts -> (n,)."""

    def __call__(self, weights: np.ndarray, /) -> np.ndarray:
        """Score the pairs."""
        ...


@dataclass(frozen=True, eq=False)
class MeansOverCells:
    """Scores that are means over the cells that hold both genes; 0 where no cell does.

    Attributes
    ----------
    summed
        Sums over the cells of each group, shape (n_groups, n).
    held
        Cells of each group that hold both genes, shape (n_groups, n).
    """

    summed: np.ndarray
    held: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Score the pairs from the groups, each counted as often as it weighs."""
        chosen = np.asarray(weights, np.float64)
        summed, held = chosen @ self.summed, chosen @ self.held
        return np.divide(summed, held, out=np.zeros_like(summed), where=held > 0)

    @classmethod
    def of_group_sums(
        cls, groups: GroupSums, pairs: CandidatePairs, *, part: int, transposed: bool = False, lifted: bool = False
    ) -> MeansOverCells:
        """Take one layer or head of sums of attention.

        Parameters
        ----------
        groups
            The sums.
        pairs
            The pairs, from masks whose rows are `groups.tfs`.
        part
            Place of the layer or head among `AttentionSums.parts`.
        transposed
            Whether the TF is the key.
        lifted
            Whether attention is lifted.
        """
        sums = (groups.lifted if lifted else groups.plain)[:, part, int(transposed)]
        return cls(pairs.of(sums).astype(np.float64), pairs.of(groups.pairs).astype(np.float64))
