"""Pairs on which methods are compared: universes that no cell changes, each of one network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics import CandidatePairs

if TYPE_CHECKING:
    from scfm_assets.core.universes.matched_universes import MaskedUniverse
    from scfm_assets.core.universes.of_tissue import TissueUniverses

COMPARED = ("tf_grid", "expression_matched", "degree_matched")
"""All that a TF can be left out of with all its pairs, and no cell changes."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A universe of a network.

    Attributes
    ----------
    network, network_version
        What stands in a table.
    universe
        The pairs and the edges among them.
    """

    network: str
    network_version: str
    universe: MaskedUniverse

    @cached_property
    def pairs(self) -> CandidatePairs:
        """Its pairs, from masks whose rows are the network's TFs."""
        return self.pairs_of(self.universe.tfs)

    def pairs_of(self, rows: np.ndarray) -> CandidatePairs:
        """Its pairs, from masks whose rows are some panel genes, ascending; they must hold the network's TFs."""
        tfs = np.searchsorted(rows, self.universe.tfs)
        return CandidatePairs.of_masks(self.universe.candidate[rows], self.universe.positive[rows], tfs, genes=rows)

    @property
    def names(self) -> dict[str, object]:
        """The columns that name it and count its pairs."""
        return {
            "network": self.network,
            "network_version": self.network_version,
            "universe": self.universe.name,
            "n_pos": self.pairs.n_pos,
            "n_neg": self.pairs.n_neg,
        }

    @property
    def can_be_ranked(self) -> bool:
        """Whether it has positives and negatives."""
        return 0 < self.pairs.n_pos < self.pairs.n


def grounds_of(universes: TissueUniverses, *names: str) -> list[Ground]:
    """Universes of a tissue over which methods can be compared: those with positives and negatives.

    Parameters
    ----------
    universes
        All that no slice changes.
    names
        Names of universes; those of `COMPARED` if none is given.
    """
    grounds = [
        Ground(network.network, network.version, universe)
        for network in universes.networks
        for universe in network.fixed()
    ]
    allowed = names or COMPARED
    return [ground for ground in grounds if ground.universe.name in allowed and ground.can_be_ranked]
