"""The pairs that are ranked in one panel, and the positives among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics import ALL_PAIRS, OBSERVED, TF_GRID, UNIVERSES, AnyUniverse, PanelEdges, Universe
from scfm_assets.core.networks import IDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from scfm_assets.core.networks import NetworkTable

__all__ = [
    "ALL_PAIRS",
    "OBSERVED",
    "TF_GRID",
    "UNIVERSES",
    "AnyUniverse",
    "PanelEdges",
    "Universe",
    "candidates",
    "edges_in_panel",
    "positives",
]


def edges_in_panel(
    network: NetworkTable, gene_ids: Sequence[str], symbols: Sequence[str], *, tissue: str
) -> PanelEdges:
    """Find the network's edges of one tissue (or of all) in the panel, by the kind of name that the network uses.

    A name that several panel genes share stands for each of them. A name that no panel gene has is looked for by the
    id that the network's gene table gives it: a former symbol meets its gene, and no other match is lost by that.
    """
    import pandas as pd

    edges = network.table.select(["tf", "target", "tissue", *IDS.values()]).to_pandas()
    of_tissue = edges[edges["tissue"].isna() | (edges["tissue"] == tissue)]
    of_name = pd.Series(range(len(gene_ids)), index=gene_ids if network.ids == "ensembl" else symbols)
    of_id = pd.Series(range(len(gene_ids)), index=gene_ids)
    from_panel = _met(of_tissue, "tf", of_name, of_id)
    both = _met(from_panel, "target", of_name, of_id)
    ends = np.unique(both[["tf_at", "target_at"]].to_numpy(np.int64), axis=0)
    source, target = ends[ends[:, 0] != ends[:, 1]].T
    return PanelEdges(len(gene_ids), np.unique(from_panel["tf_at"].to_numpy(np.int64)), source, target)


def _met(edges: pd.DataFrame, end: str, of_name: pd.Series, of_id: pd.Series) -> pd.DataFrame:
    """The edges whose end is a panel gene, once for each such gene, with its index in a column ``<end>_at``."""
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
