"""What a number is worth: errors, intervals, permutation, power, tests, selection, reliability, ceilings.

A toolbox for studies, by what is known:

- numbers of independent units (data sets, donors, TFs): `Estimate.of_sample`, and `paired` for two methods on the same
  units; ``.interval()``, ``.p()``, ``.power()``, ``.mde()``, ``.as_test(...)`` of the estimate;
- any other statistic of such units: `leaving_out` with `jackknife_error`, or `block_bootstrap` where it is not smooth;
- rankings of the same pairs by several methods: `over_tfs` and `over_cells` make a `Shared`, whose ``.intervals()`` and
  ``.difference(one, other)`` are on the scale of each metric; a claim needs both kinds;
- whether a ranking knows more than the labels' margins: `permutation_test`, with labels that are permuted within TFs
  (default), keeping degrees (`permuted_degrees`), or anywhere (`permuted_anywhere`, a test of the ranking itself);
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
from scfm_assets.core.statistics.degree_permutation import permuted_degrees
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
from scfm_assets.core.statistics.selection import Selection, of_tfs, select
from scfm_assets.core.statistics.signed_sums import network_parts, signed_sums
from scfm_assets.core.statistics.uncertainty import (
    Difference,
    Shared,
    over_cells,
    over_tfs,
    t_tests,
    verdict_of,
    verdict_of_all,
)

__all__ = [
    "ALPHA",
    "POWER",
    "Difference",
    "Estimate",
    "Labels",
    "PairBootstrap",
    "Permuted",
    "Reliability",
    "Selection",
    "Shared",
    "Sided",
    "Test",
    "apparent_auroc",
    "apparent_average_precision",
    "best_auroc",
    "best_average_precision",
    "block_bootstrap",
    "correlation",
    "hypotheses_table",
    "jackknife_error",
    "jackknife_parts",
    "leaving_out",
    "network_parts",
    "of_tfs",
    "over_cells",
    "over_tfs",
    "paired",
    "permutation_test",
    "permuted_anywhere",
    "permuted_degrees",
    "permuted_within_tfs",
    "power_of_difference",
    "select",
    "signed_sums",
    "smallest_difference",
    "split_half",
    "t_tests",
    "tests_of",
    "tests_table",
    "tf_bootstrap",
    "tf_jackknife",
    "uninformed_average_precision",
    "verdict_of",
    "verdict_of_all",
]
