"""What a number is worth: errors, intervals, permutation, power, tests, selection, reliability, ceilings."""

from scfm_assets.core.statistics.ceilings import (
    Labels,
    apparent_auroc,
    apparent_average_precision,
    best_auroc,
    best_average_precision,
    uninformed_average_precision,
)
from scfm_assets.core.statistics.degree_permutation import permuted_degrees
from scfm_assets.core.statistics.hypothesis_tests import Test, hypotheses_table, tests_of, tests_table
from scfm_assets.core.statistics.jackknife import jackknife_error, jackknife_interval
from scfm_assets.core.statistics.label_permutation import PermutedLabels, permuted_labels_auroc
from scfm_assets.core.statistics.permutation import Permuted, permutation_test, permuted_within_tfs
from scfm_assets.core.statistics.power import ALPHA, POWER, power_of_difference, smallest_difference
from scfm_assets.core.statistics.reliability import Reliability, correlation, split_half
from scfm_assets.core.statistics.resampling import (
    PairBootstrap,
    auroc_of_resampled_pairs,
    draw_pairs,
    percentile_interval,
    tf_bootstrap,
    tf_jackknife,
    tf_weights,
)
from scfm_assets.core.statistics.selection import Selection, of_tfs, select
from scfm_assets.core.statistics.uncertainty import (
    Difference,
    Shared,
    over_cells,
    over_pairs,
    over_tfs,
    student,
    verdict_of,
    verdict_of_all,
)

__all__ = [
    "ALPHA",
    "POWER",
    "Difference",
    "Labels",
    "PairBootstrap",
    "Permuted",
    "PermutedLabels",
    "Reliability",
    "Selection",
    "Shared",
    "Test",
    "apparent_auroc",
    "apparent_average_precision",
    "auroc_of_resampled_pairs",
    "best_auroc",
    "best_average_precision",
    "correlation",
    "draw_pairs",
    "hypotheses_table",
    "jackknife_error",
    "jackknife_interval",
    "of_tfs",
    "over_cells",
    "over_pairs",
    "over_tfs",
    "percentile_interval",
    "permutation_test",
    "permuted_degrees",
    "permuted_labels_auroc",
    "permuted_within_tfs",
    "power_of_difference",
    "select",
    "smallest_difference",
    "split_half",
    "student",
    "tests_of",
    "tests_table",
    "tf_bootstrap",
    "tf_jackknife",
    "tf_weights",
    "uninformed_average_precision",
    "verdict_of",
    "verdict_of_all",
]
