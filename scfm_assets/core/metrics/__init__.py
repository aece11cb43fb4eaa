"""How well scores rank pairs: bins of ties, AUROC, average precision, early precision, and their scales.

The one way in is ``CandidatePairs.of_masks(candidate, positive, tfs).rank(scores)``. It gives a `RankedPairs`, whose
parts are made when they are asked for, each by the engine that is fastest for it:

- ``.values`` and ``.bins``: all metrics of one ranking, from a look-up of the scores among those of the positives;
- ``.of_tfs`` and ``.others``: the same for each TF's own pairs, which resampling TFs and choosing on halves add up
  (`scfm_assets.core.statistics.over_tfs`, `select`);
- ``.grid``, from which `influence` says what each TF, target and pair adds to each metric;
- ``.ranks``: where every pair stands after one sort, for thousands of other labels over the same scores: permutations
  (`permutation_test`), and labels that are hidden again and again.

Where one matrix of scores is read against several networks, universes and directions, all of them share one look-up of
every pair (`Ranked` in `scfm_assets.core.evaluation.readings`), and come out as a `CountedRanking`: a `Ranking` too.
`bins_of` counts arrays without pairs, with weights if need be.
"""

from scfm_assets.core.metrics.candidate_pairs import CandidatePairs, RankedPairs
from scfm_assets.core.metrics.metrics import (
    CURVE_METRICS,
    METRICS,
    TINY,
    Bins,
    as_bins,
    auroc,
    average_precision,
    bins_of,
    largest_values,
    values_of,
    values_of_several,
)
from scfm_assets.core.metrics.pair_influence import (
    Influence,
    Sums,
    influence,
    squares_of,
    with_average_precision,
)
from scfm_assets.core.metrics.pair_ranks import METRICS_OF_PLACES, PairRanks
from scfm_assets.core.metrics.ranking import BinsByTf, CountedRanking, PlacedPairs, Ranking
from scfm_assets.core.metrics.scales import AT_LEAST, reach, rescaled, slopes
from scfm_assets.core.metrics.thresholds import coarser, codes_of
from scfm_assets.core.metrics.universes import (
    ALL_PAIRS,
    COMMON,
    DEGREE_MATCHED,
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
    "COMMON",
    "CURVE_METRICS",
    "DEGREE_MATCHED",
    "MATCHED",
    "METRICS",
    "METRICS_OF_PLACES",
    "OBSERVED",
    "TF_GRID",
    "TINY",
    "UNIVERSES",
    "AnyUniverse",
    "Bins",
    "BinsByTf",
    "CandidatePairs",
    "CountedRanking",
    "Influence",
    "PairRanks",
    "PanelEdges",
    "PlacedPairs",
    "RankedPairs",
    "Ranking",
    "Sums",
    "Universe",
    "as_bins",
    "auroc",
    "average_precision",
    "bins_of",
    "coarser",
    "codes_of",
    "influence",
    "largest_values",
    "reach",
    "rescaled",
    "slopes",
    "squares_of",
    "universe_names",
    "values_of",
    "values_of_several",
    "with_average_precision",
]
