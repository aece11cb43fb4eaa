"""How well scores rank pairs: bins of ties, AUROC, average precision, early precision, and their scales."""

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.metrics.metrics import (
    METRICS,
    TINY,
    Bins,
    as_bins,
    auroc,
    average_precision,
    bins_of,
    largest_values,
    values_of,
    weights_of,
)
from scfm_assets.core.metrics.scales import AT_LEAST, reach, rescaled
from scfm_assets.core.metrics.thresholds import coarser, codes_of
from scfm_assets.core.metrics.universes import (
    ALL_PAIRS,
    MATCHED,
    OBSERVED,
    TF_GRID,
    UNIVERSES,
    AnyUniverse,
    PanelEdges,
    Universe,
    universe_names,
)

__all__ = [
    "ALL_PAIRS",
    "AT_LEAST",
    "MATCHED",
    "METRICS",
    "OBSERVED",
    "TF_GRID",
    "TINY",
    "UNIVERSES",
    "AnyUniverse",
    "Bins",
    "CandidatePairs",
    "PanelEdges",
    "Universe",
    "as_bins",
    "auroc",
    "average_precision",
    "bins_of",
    "coarser",
    "codes_of",
    "largest_values",
    "reach",
    "rescaled",
    "universe_names",
    "values_of",
    "weights_of",
]
