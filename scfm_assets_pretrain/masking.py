"""Which genes of a cell are masked: a share of them, by a draw that seed and step decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from

if TYPE_CHECKING:
    import torch

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens

    Batch = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Masking(ABC):
    """Makes batches of masked cells.

    Parameters
    ----------
    tokens
        All cells.
    vocabulary
        Genes and special tokens.
    share
        Share of a cell's genes that is masked.
    seed
        Decides which.
    """

    tokens: Tokens
    vocabulary: Vocabulary
    share: float
    seed: int

    def training(self, cells: np.ndarray, step: int) -> Batch:
        """Mask the cells of a step."""
        return self._batch(cells, np.random.default_rng(seed_from("training masks", self.seed, step)))

    def held_out(self, cells: np.ndarray, index: int) -> Batch:
        """Mask held-out cells, the same way at every call."""
        return self._batch(cells, np.random.default_rng(seed_from("held-out masks", self.seed, index)))

    @abstractmethod
    def _batch(self, cells: np.ndarray, rng: np.random.Generator) -> Batch:
        """Lay cells side by side, and mask what `_chosen` says."""

    def _chosen(self, cells: np.ndarray, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Choose genes of cells laid side by side, one at least of each.

        Returns
        -------
        Where there is a token at all, bool of the shape of `ids`; and the chosen places in ``ids.ravel()``.
        """
        is_token = np.arange(ids.shape[1]) < self.tokens.lengths[cells][:, None]
        genes = is_token & ~np.isin(ids, self.vocabulary.special_ids)
        n_masked = np.maximum(1, np.rint(self.share * genes.sum(1))).astype(np.int64)
        draws = np.where(genes, rng.random(ids.shape), 2.0)
        order = draws.argsort(axis=1).argsort(axis=1)
        return is_token, np.flatnonzero(order < n_masked[:, None])
