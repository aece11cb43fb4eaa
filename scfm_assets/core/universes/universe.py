"""Universes: the candidate pairs that are ranked, and the positives among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from scfm_assets.core.networks import IDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from scfm_assets.core.networks import NetworkTable


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


def edges_in_panel(
    network: NetworkTable, gene_ids: Sequence[str], symbols: Sequence[str], *, tissue: str
) -> PanelEdges:
    """Find the network's edges of one tissue (or of all) in the panel, by the kind of name that the network uses.

    A name that several panel genes share stands for each of them. A name that no panel gene has is looked for by the
    id that the network's gene table gives it: a former symbol meets its gene, and no other match is lost by that.
    """
    import pandas as pd

    edges = network.table.select(["tf", "target", "tissue", *IDS.values()]).to_pandas()
    own = edges[edges["tissue"].isna() | (edges["tissue"] == tissue)]
    of_name = pd.Series(range(len(gene_ids)), index=gene_ids if network.ids == "ensembl" else symbols)
    of_id = pd.Series(range(len(gene_ids)), index=gene_ids)
    from_panel = _met(own, "tf", of_name, of_id)
    both = _met(from_panel, "target", of_name, of_id)
    ends = np.unique(both[["tf_at", "target_at"]].to_numpy(np.int64), axis=0)
    source, target = ends[ends[:, 0] != ends[:, 1]].T
    return PanelEdges(len(gene_ids), np.unique(from_panel["tf_at"].to_numpy(np.int64)), source, target)


def _met(edges: pd.DataFrame, end: str, of_name: pd.Series, of_id: pd.Series) -> pd.DataFrame:
    """Give the edges whose end is a panel gene, once for each such gene, with its index in a column ``<end>_at``."""
    import pandas as pd

    at, by_name = f"{end}_at", edges[end].isin(of_name.index.tolist())
    named = edges[by_name].join(of_name.rename(at), on=end, how="inner")
    others = edges[~by_name & edges[IDS[end]].notna()].join(of_id.rename(at), on=IDS[end], how="inner")
    return pd.concat([named, others]) if len(named) and len(others) else others if len(others) else named


def candidates(universe: AnyUniverse, edges: PanelEdges, pairs: np.ndarray) -> np.ndarray:
    """Mark the pairs that are ranked.

    Parameters
    ----------
    universe
        Which pairs count.
    edges
        The network in the panel.
    pairs
        Cells that hold both genes, shape (K, K).

    Returns
    -------
    Boolean mask (K, K); rows are the TF's end.
    """
    return universe.mask(edges, pairs)


def positives(universe: AnyUniverse, edges: PanelEdges, pairs: np.ndarray) -> np.ndarray:
    """Mark the network's edges among the candidates, shape (K, K)."""
    return edges.mask & candidates(universe, edges, pairs)
