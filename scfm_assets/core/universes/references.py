"""Networks as far as a panel holds them, each with the universes in which its edges are ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.universes.universe import PanelEdges, edges_in_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scfm_assets.core.networks import NetworkTable
    from scfm_assets.core.scores import EdgeScores
    from scfm_assets.core.universes.matched_universes import MaskedUniverse
    from scfm_assets.core.universes.universe import AnyUniverse, Universe


@dataclass(frozen=True, eq=False)
class Reference:
    """Edges that are to be found, and the universes in which they are ranked.

    Attributes
    ----------
    network
        Where they come from.
    edges
        The positives: the network's edges in the panel, or those of a universe that has its own.
    universes
        The pairs that are ranked.
    """

    network: NetworkTable
    edges: PanelEdges
    universes: tuple[AnyUniverse, ...]

    @property
    def universes_of_tfs(self) -> tuple[AnyUniverse, ...]:
        """Those that hold pairs of TFs alone."""
        return tuple(universe for universe in self.universes if universe.rows == "tfs")


def references_in_panel(
    networks: Sequence[NetworkTable],
    scores: EdgeScores,
    universes: Sequence[Universe],
    matched: Mapping[str, Sequence[MaskedUniverse]] | None = None,
    *,
    tissue: str,
) -> tuple[list[Reference], list[str]]:
    """Find the edges of networks in the panel of some scores; of networks without any, say why.

    Parameters
    ----------
    networks
        Tidied networks.
    scores
        Scores of the panel.
    universes
        Those that every network has.
    matched
        Further ones, by network: of this panel.
    tissue
        Whose edges count.

    Raises
    ------
    ValueError
        If a matched universe is of another panel or of other TFs.
    """
    references, reasons = [], []
    for network in networks:
        edges = edges_in_panel(network, scores.gene_ids, scores.symbols, tissue=tissue)
        reason = _why_not(network, edges, scores, tissue)
        if reason:
            reasons.append(reason)
            continue
        plain = [Reference(network, edges, tuple(universes))] if universes else []
        references += [
            *plain,
            *(_of_masks(network, edges, universe) for universe in (matched or {}).get(network.name, ())),
        ]
    return references, reasons


def _of_masks(network: NetworkTable, edges: PanelEdges, universe: MaskedUniverse) -> Reference:
    if universe.edges.n_genes != edges.n_genes or not np.array_equal(universe.tfs, edges.tfs):
        message = f"universe '{universe.name}' is not of the panel of network '{network.name}'"
        raise ValueError(message)
    return Reference(network, universe.edges, (universe,))


def _why_not(network: NetworkTable, edges: PanelEdges, scores: EdgeScores, tissue: str) -> str | None:
    """Say why a network cannot be evaluated on this panel, None if it can."""
    if len(edges.source):
        return None
    names = scores.gene_ids if network.ids == "ensembl" else scores.symbols
    panel = f"the {edges.n_genes} panel genes of tissue '{tissue}'"
    if len(edges.tfs):
        return f"network '{network.name}': {len(edges.tfs)} TFs but no edge with both ends among {panel}: no metrics"
    tfs = network.table["tf"].unique().to_pylist()
    return (
        f"network '{network.name}': none of its {len(tfs)} TFs is among {panel}: no metrics. Its TFs are named like "
        f"{', '.join(tfs[:3])}, the panel's {network.ids} names like {', '.join(names[:3])}: "
        "check the network's `organism` and `ids`"
    )
