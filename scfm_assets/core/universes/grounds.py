"""Pairs on which methods are compared: universes that no cell changes, each of one network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics import COMMON, TF_GRID, CandidatePairs
from scfm_assets.core.universes.control_networks import tf_grid_of
from scfm_assets.core.universes.matched_universes import MaskedUniverse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.universes.of_tissue import TissueUniverses
    from scfm_assets.core.universes.universe import PanelEdges

COMPARED = ("tf_grid", "expression_matched")
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
    popularity
        How often other networks name each panel gene as a target (`popularity_in`), (K,); None where there is no other.
    """

    network: str
    network_version: str
    universe: MaskedUniverse
    popularity: np.ndarray | None = None

    @cached_property
    def pairs(self) -> CandidatePairs:
        """Its pairs, from masks whose rows are the network's TFs."""
        return self.pairs_of(self.universe.tfs)

    def pairs_of(self, rows: np.ndarray) -> CandidatePairs:
        """Its pairs, from masks whose rows are some panel genes, ascending; they must hold the network's TFs."""
        tfs = np.searchsorted(rows, self.universe.tfs)
        return CandidatePairs.of_masks(self.universe.candidate[rows], self.universe.positive[rows], tfs, genes=rows)

    @property
    def share(self) -> float:
        """Its pairs over those of the TF grid."""
        return self.pairs.n / max(1, len(self.universe.tfs) * (len(self.universe.candidate) - 1))

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
        Ground(network.network, network.version, universe, popularity_in(others))
        for network in universes.networks
        for others in ([other.edges for other in universes.networks if other is not network],)
        for universe in network.fixed()
    ]
    allowed = names or COMPARED
    return [ground for ground in grounds if ground.universe.name in allowed and ground.can_be_ranked]


def popularity_in(networks: Sequence[PanelEdges]) -> np.ndarray | None:
    """Average over networks what share of the TFs names each panel gene as a target, (K,); None without a network."""
    if not networks:
        return None
    return np.mean([edges.mask.sum(axis=0) / max(1, len(edges.tfs)) for edges in networks], axis=0)


def common_universe(edges: PanelEdges, visible: np.ndarray) -> MaskedUniverse:
    """Take the pairs of the TF grid both of whose genes all methods can see.

    Elsewhere a method that does not see a gene would be ranked by zeros that it never gave: which genes a model knows
    follows expression, so that random weights ranked edges.

    Parameters
    ----------
    edges
        The network.
    visible
        Whether every method sees a gene, (K,).
    """
    candidate = tf_grid_of(edges) & np.outer(visible, visible)
    positive = candidate & edges.mask
    return MaskedUniverse(COMMON, candidate, positive, edges.tfs, int((edges.mask & ~positive).sum()))


def with_common(grounds: Sequence[Ground], visible: np.ndarray) -> list[Ground]:
    """Add to each TF grid the pairs that all methods can score, where these are fewer and can be ranked."""
    if visible.all():
        return list(grounds)
    made = []
    for ground in grounds:
        made.append(ground)
        if ground.universe.name == TF_GRID.name:
            common = replace(ground, universe=common_universe(ground.universe.edges, visible))
            made += [common] if common.can_be_ranked else []
    return made
