"""What a number is worth: errors, intervals, permutation, power, tests, selection, reliability, ceilings.

A toolbox for studies, by what is known:

- numbers of independent units (data sets, donors, TFs): `Estimate.of_sample`, and `paired` for two methods on the same
  units; ``.interval()``, ``.p()``, ``.power()``, ``.mde()``, ``.as_test(...)`` of the estimate;
- two groups of units, or pairs, of no known distribution: `exact_permutation`, `signed_ranks` (Wilcoxon), `mcnemar` for
  two classifiers, and `cliffs_delta` as an effect size; `sample_tests` says when each applies;
- any other statistic of such units: `leaving_out` with `jackknife_error`, or `block_bootstrap` where it is not smooth;
- rankings of the same pairs by several methods: `over_network` (TFs and targets) and `over_cells` make a `Shared`,
  whose ``.intervals()`` and ``.difference(one, other)`` are on the scale of each metric; a claim needs both kinds.
  `over_tfs` and `over_targets` let one end of the pairs vary;
- the power of a claim that needs several of those differences at once: `power_of_claim`;
- whether a ranking knows more than the labels' margins: `permutation_test`, with labels that are permuted within TFs
  (default), keeping degrees (`series_of_degrees`; `permuted_degrees` where draws must not hang together), or anywhere
  (`permuted_anywhere`, a test of the ranking itself);
- a layer, head or variant that was chosen: `select`, on halves that did not choose it;
- all tests of all studies: `tests_table`, adjusted inside their families.
"""

from scfm_assets.core.statistics.blocks import block_bootstrap, leaving_out
from scfm_assets.core.statistics.ceilings import (
    Labels,
    apparent_auroc,
    apparent_average_precision,
    best_auroc,
    best_average_precision,
    uninformed_average_precision,
)
from scfm_assets.core.statistics.claim_power import (
    ClaimPower,
    ErrorSource,
    covariance_of_differences,
    errors_between,
    power_of_claim,
)
from scfm_assets.core.statistics.count_sketch import network_parts, signed_sums
from scfm_assets.core.statistics.degree_permutation import permuted_degrees, series_of_degrees
from scfm_assets.core.statistics.donors import ENOUGH, Donors
from scfm_assets.core.statistics.estimate import Estimate, paired
from scfm_assets.core.statistics.hypothesis_tests import Test, hypotheses_table, tests_of, tests_table
from scfm_assets.core.statistics.jackknife import jackknife_error, jackknife_parts
from scfm_assets.core.statistics.permutation import (
    Permuted,
    permutation_test,
    permuted_anywhere,
    permuted_within_tfs,
)
from scfm_assets.core.statistics.power import ALPHA, POWER, Sided, power_of_difference, smallest_difference
from scfm_assets.core.statistics.reliability import Reliability, correlation, split_half
from scfm_assets.core.statistics.resampling import PairBootstrap, tf_bootstrap, tf_jackknife
from scfm_assets.core.statistics.sample_tests import (
    McNemar,
    Tested,
    cliffs_delta,
    exact_permutation,
    mcnemar,
    signed_ranks,
)
from scfm_assets.core.statistics.selection import Selection, of_tfs, select
from scfm_assets.core.statistics.two_way import TwoWay, one_side, over_network, over_targets, side_by_side
from scfm_assets.core.statistics.uncertainty import (
    FEW_CLUSTERS,
    FEW_EDGES,
    Difference,
    Differences,
    Kind,
    Resampled,
    Shared,
    effective_number,
    over_cells,
    over_tfs,
    verdict_of,
    verdict_of_all,
)

__all__ = [
    "ALPHA",
    "ENOUGH",
    "FEW_CLUSTERS",
    "FEW_EDGES",
    "POWER",
    "ClaimPower",
    "Difference",
    "Differences",
    "Donors",
    "ErrorSource",
    "Estimate",
    "Kind",
    "Labels",
    "McNemar",
    "PairBootstrap",
    "Permuted",
    "Reliability",
    "Resampled",
    "Selection",
    "Shared",
    "Sided",
    "Test",
    "Tested",
    "TwoWay",
    "apparent_auroc",
    "apparent_average_precision",
    "best_auroc",
    "best_average_precision",
    "block_bootstrap",
    "cliffs_delta",
    "correlation",
    "covariance_of_differences",
    "effective_number",
    "errors_between",
    "exact_permutation",
    "hypotheses_table",
    "jackknife_error",
    "jackknife_parts",
    "leaving_out",
    "mcnemar",
    "network_parts",
    "of_tfs",
    "one_side",
    "over_cells",
    "over_network",
    "over_targets",
    "over_tfs",
    "paired",
    "permutation_test",
    "permuted_anywhere",
    "permuted_degrees",
    "permuted_within_tfs",
    "power_of_claim",
    "power_of_difference",
    "select",
    "series_of_degrees",
    "side_by_side",
    "signed_ranks",
    "signed_sums",
    "smallest_difference",
    "split_half",
    "tests_of",
    "tests_table",
    "tf_bootstrap",
    "tf_jackknife",
    "uninformed_average_precision",
    "verdict_of",
    "verdict_of_all",
]
