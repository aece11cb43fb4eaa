"""Scores against networks: metrics with intervals, comparisons, verdicts, and checks of what is stored."""

from scfm_assets.core.evaluation.cell_count_comparison import compare_cell_counts
from scfm_assets.core.evaluation.chance import chance_tests
from scfm_assets.core.evaluation.checks import (
    are_finite,
    enough_positives,
    fingerprint_is_declared,
    genes_are_distinct,
    matrix_of_layer,
    network_has_edges,
    panel_holds_tfs,
    panel_is_complete,
    permuted_labels_score_half,
    repeats_hold_their_cells,
    scores_are_finite,
    seen_together,
    sums_hold_their_cells,
    vocabulary_covers,
)
from scfm_assets.core.evaluation.comparison import Comparison, compare, not_compared
from scfm_assets.core.evaluation.contender import Contender, Scored, contenders
from scfm_assets.core.evaluation.degree_matched import degree_matched_table
from scfm_assets.core.evaluation.intervals import Intervals
from scfm_assets.core.evaluation.layer_selection import optimism_of, selection_table
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import (
    BEATS,
    DOES_NOT_BEAT,
    NULL,
    SMALLEST,
    UNDERPOWERED,
    WORSE,
    counted,
    hypotheses,
    name_of,
    random_beats_no_null,
    rows_judged,
    verdicts,
)
from scfm_assets.core.evaluation.metric_rows import NoNetwork, evaluate, networks_of, no_rows
from scfm_assets.core.evaluation.nulls_in_universes import nulls_know_nothing, universe_null_rows
from scfm_assets.core.evaluation.reliability_rows import from_attention, from_counts, reliability_table

__all__ = [
    "BEATS",
    "DOES_NOT_BEAT",
    "NULL",
    "SMALLEST",
    "UNDERPOWERED",
    "WORSE",
    "Comparison",
    "Contender",
    "Intervals",
    "NoNetwork",
    "Scored",
    "are_finite",
    "chance_tests",
    "compare",
    "compare_cell_counts",
    "compare_methods",
    "contenders",
    "counted",
    "degree_matched_table",
    "enough_positives",
    "evaluate",
    "fingerprint_is_declared",
    "from_attention",
    "from_counts",
    "genes_are_distinct",
    "hypotheses",
    "matrix_of_layer",
    "name_of",
    "network_has_edges",
    "networks_of",
    "no_rows",
    "not_compared",
    "nulls_know_nothing",
    "optimism_of",
    "panel_holds_tfs",
    "panel_is_complete",
    "permuted_labels_score_half",
    "random_beats_no_null",
    "reliability_table",
    "repeats_hold_their_cells",
    "rows_judged",
    "scores_are_finite",
    "seen_together",
    "selection_table",
    "sums_hold_their_cells",
    "universe_null_rows",
    "verdicts",
    "vocabulary_covers",
]
