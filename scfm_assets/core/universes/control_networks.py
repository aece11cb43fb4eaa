"""Control networks: random edges with the numbers of a given network. What scores on them did not learn its edges.

They are `PanelEdges` with the TFs of the network and stand wherever a network stands, in every universe. Some of their
edges are edges of the network by chance: no permutation is free of them, and one that avoids them is not random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.statistics import permuted_degrees, permuted_within_tfs
from scfm_assets.core.universes.universe import TF_GRID, PanelEdges, candidates


def tf_grid_of(edges: PanelEdges) -> np.ndarray:
    """Mark the pairs of `TF_GRID`, which depend on no cells; shape (K, K)."""
    return candidates(TF_GRID, edges, np.empty((0, 0)))


def shuffled_within_tfs(edges: PanelEdges, *, seed: int) -> PanelEdges:
    """Deal each TF as many targets as it has, any of the panel but itself: targets' in-degrees are lost."""
    pairs = CandidatePairs.of_masks(tf_grid_of(edges), edges.mask, edges.tfs)
    return _with_places(edges, pairs.place, permuted_within_tfs(pairs, permutations=1, seed=seed))


def degree_matched(edges: PanelEdges, *, seed: int) -> PanelEdges:
    """Deal targets so that each TF keeps how many it has and each target keeps how many TFs it has."""
    grid = tf_grid_of(edges)
    return _with_places(edges, np.flatnonzero(grid), permuted_degrees(grid, edges.mask, permutations=1, seed=seed))


def _with_places(edges: PanelEdges, place: np.ndarray, permuted: Iterator[np.ndarray]) -> PanelEdges:
    if not len(edges.source):
        return edges
    source, target = np.divmod(np.sort(place[next(permuted)[0]]), edges.n_genes)
    return PanelEdges(edges.n_genes, edges.tfs, source, target)


@dataclass(frozen=True)
class ControlNetwork:
    """One way to make a control: network, seed -> network."""

    name: str
    function: Callable[..., PanelEdges]

    @property
    def doc(self) -> str:
        """What is random in it, and what is not."""
        return (self.function.__doc__ or "").split("\n")[0]


CONTROLS = (
    ControlNetwork("shuffled_within_tfs", shuffled_within_tfs),
    ControlNetwork("degree_matched", degree_matched),
)
