"""Scores that are no means over cells, such as correlations, made anew from any choice of the groups of cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.metrics import CandidatePairs
    from scfm_assets.core.scores.baselines import BaselineMethod, Cells
    from scfm_assets.core.scores.group_scores import ScoresOfGroups


@dataclass(frozen=True, eq=False)
class ScoresOfCells:
    """The TFs' pairs, scored by several methods at once; each choice of groups is scored once and remembered.

    Attributes
    ----------
    cells
        All cells.
    group
        Group of each, shape (n_cells,).
    tfs
        Panel indices of the TFs, ascending, shape (T,).
    methods
        How pairs are scored.
    """

    cells: Cells
    group: np.ndarray
    tfs: np.ndarray
    methods: Sequence[BaselineMethod]
    _known: dict[bytes, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def sizes(self) -> np.ndarray:
        """Cells of each group, shape (n_groups,)."""
        return np.bincount(self.group)

    def of(self, method: BaselineMethod, pairs: CandidatePairs) -> ScoresOfGroups:
        """Score pairs, from masks whose rows are `tfs`, by one of the methods."""
        return lambda weights: pairs.of(self._scored(weights)[method.name])

    def _scored(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Scores (T, K) of each method from the cells of groups that count `weights` times each."""
        times = np.asarray(weights, np.int64)
        if (key := times.tobytes()) not in self._known:
            chosen = self.cells.chosen(np.repeat(np.arange(len(self.group)), times[self.group]))
            scores = {method.name: method.function(chosen, self.tfs) for method in self.methods}
            self._known[key] = {name: matrix.astype(np.float32) for name, matrix in scores.items()}
        return self._known[key]
