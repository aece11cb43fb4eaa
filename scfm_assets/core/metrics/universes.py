"""Universes: which pairs are ranked. Everything else, catalogs included, iterates over these records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np


@dataclass(frozen=True)
class Universe:
    """Which ordered pairs (TF end, target end) of the panel are ranked; a gene with itself never is.

    Attributes
    ----------
    rows
        Genes that may stand at the TF's end: every panel gene, or the TFs of the network.
    seen_only
        Whether only pairs count that at least one cell of the slice's repeat holds together.
    """

    name: str
    doc: str
    rows: Literal["panel", "tfs"]
    seen_only: bool = False

    def mask(self, edges: PanelEdges, pairs: np.ndarray) -> np.ndarray:
        """Mark the pairs that are ranked, as `candidates` says."""
        mask = np.zeros((edges.n_genes, edges.n_genes), bool)
        mask[edges.tfs if self.rows == "tfs" else slice(None)] = True
        np.fill_diagonal(mask, val=False)
        return mask & (pairs > 0) if self.seen_only else mask

    def kept(self, edges: PanelEdges, seen: np.ndarray) -> np.ndarray | None:
        """Mark the pairs of the TFs that are ranked, (n_tfs, K), given which some cell holds; None for all of them."""
        if not self.seen_only:
            return None
        kept = seen.copy()
        kept[np.arange(len(edges.tfs)), edges.tfs] = False
        return kept


class AnyUniverse(Protocol):
    """What can be ranked: a `Universe` of any network, or one that is given by its pairs (`MaskedUniverse`)."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def rows(self) -> Literal["panel", "tfs"]:
        """Genes that may stand at the TF's end."""
        ...

    @property
    def seen_only(self) -> bool:
        """Whether only pairs count that some cell holds together."""
        ...

    def mask(self, edges: PanelEdges, pairs: np.ndarray) -> np.ndarray:
        """Mark the pairs that are ranked, (K, K)."""
        ...

    def kept(self, edges: PanelEdges, seen: np.ndarray) -> np.ndarray | None:
        """Mark the pairs of the TFs that are ranked, (n_tfs, K); None for all but a gene with itself."""
        ...


ALL_PAIRS = Universe("all_pairs", "every ordered pair of the panel, the published one", rows="panel")
TF_GRID = Universe("tf_grid", "TFs of the network x panel", rows="tfs")
OBSERVED = Universe("observed", "pairs of tf_grid that some cell holds together", rows="tfs", seen_only=True)
UNIVERSES = (ALL_PAIRS, TF_GRID, OBSERVED)
"""Universes that follow from a network and the cells of a slice."""
MATCHED = ("expression_matched",)
"""Names of those that are made once per tissue, from its network and its genes' levels: `core.universes` makes them."""
COMMON = "common"
"""Name of the pairs of the TF grid that all compared methods can score; made for a slice where some cannot all."""
DEGREE_MATCHED = "degree_matched"
"""Asks for no universe but for many random networks with the degrees of the real one: the table of that name."""


def universe_names() -> tuple[str, ...]:
    """Names of all that a catalog may ask for: universes, and random networks."""
    return (*(universe.name for universe in UNIVERSES), *MATCHED, DEGREE_MATCHED)


@dataclass(frozen=True)
class PanelEdges:
    """A network as far as the panel of one tissue holds it.

    Attributes
    ----------
    n_genes
        K, the size of the panel.
    tfs
        Panel indices of the network's TFs, sorted, shape (n_tfs,); a TF without a target in the panel counts.
    source, target
        Panel indices of the edges with both ends in the panel, shape (n_edges,) each, without self-edges, each once.
    """

    n_genes: int
    tfs: np.ndarray
    source: np.ndarray
    target: np.ndarray

    @cached_property
    def mask(self) -> np.ndarray:
        """True at the edges, shape (K, K), rows are TFs."""
        mask = np.zeros((self.n_genes, self.n_genes), bool)
        mask[self.source, self.target] = True
        return mask
