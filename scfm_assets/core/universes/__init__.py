"""Which pairs are ranked, and which of them are edges."""

from scfm_assets.core.universes.grounds import Ground, common_universe, grounds_of, with_common
from scfm_assets.core.universes.matched_universes import LIMIT, Imbalance, MaskedUniverse
from scfm_assets.core.universes.of_tissue import (
    TissueUniverses,
    are_balanced,
    balance_of,
    ceiling_rows,
    tissue_universes,
    universe_rows,
)
from scfm_assets.core.universes.references import Reference, references_in_panel
from scfm_assets.core.universes.universe import (
    TF_GRID,
    UNIVERSES,
    AnyUniverse,
    PanelEdges,
    Universe,
    candidates,
    edges_in_panel,
    positives,
)

__all__ = [
    "LIMIT",
    "TF_GRID",
    "UNIVERSES",
    "AnyUniverse",
    "Ground",
    "Imbalance",
    "MaskedUniverse",
    "PanelEdges",
    "Reference",
    "TissueUniverses",
    "Universe",
    "are_balanced",
    "balance_of",
    "candidates",
    "ceiling_rows",
    "common_universe",
    "edges_in_panel",
    "grounds_of",
    "positives",
    "references_in_panel",
    "tissue_universes",
    "universe_rows",
    "with_common",
]
