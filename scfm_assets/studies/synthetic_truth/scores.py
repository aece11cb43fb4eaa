"""What every method scores on every simulated data set, and whether it beats what expression alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.evaluation import NULL
from scfm_assets.core.metrics import METRICS, METRICS_OF_PLACES, CandidatePairs
from scfm_assets.core.scores import NULLS, cells_of, chosen_methods
from scfm_assets.core.statistics import (
    ALPHA,
    ErrorSource,
    Permuted,
    Shared,
    covariance_of_differences,
    errors_between,
    over_network,
    permutation_test,
    power_of_claim,
    series_of_degrees,
)
from scfm_assets.core.words import MARGINS, against_nulls
from scfm_assets.studies.synthetic_truth.data_sets import cases_of, data_sets, donor_of, methods_in
from scfm_assets.studies.synthetic_truth.tables import SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.core.scores import BaselineMethod
    from scfm_assets.core.simulate import Simulated
    from scfm_assets.studies.synthetic_truth.settings import Settings


def measure(
    settings: Settings,
    atlases: Mapping[str, AnnData],
    workers: int = 1,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> pa.Table:
    """Score every method on every data set.

    Parameters
    ----------
    settings
        What is simulated and scored.
    atlases
        By tissue: the copula simulator keeps the marginals of one of them.
    workers
        Processes of grnboost; no number depends on them.
    progress
        Called with the number of data sets that are done, and of all.

    Returns
    -------
    Rows of `SCORES`.

    Raises
    ------
    ScfmError
        If a simulator cannot make such cells, or the copula simulator has no donor.
    """
    rows: list[dict[str, Any]] = []
    donor = donor_of(settings, atlases)
    done, total = 0, settings.seeds * sum(len(cases_of(settings, name)) for name in settings.simulators)
    for simulator in settings.simulators:
        for seed in range(settings.seeds):
            for case, made in data_sets(settings, simulator, donor, seed):
                every = chosen_methods(methods_in(settings, case), made.tfs, workers=workers)
                methods = [method for method in every if not method.null]
                head = {"simulator": simulator, "case": case, "seed": seed}
                rows += [head | row for row in readings(made, methods)]
                done += 1
                progress(done, total)
    return SCORES.rows(rows)


def readings(made: Simulated, methods: Sequence[BaselineMethod]) -> list[dict[str, Any]]:
    """Measure methods and the nulls beside them on one data set, over the pairs of a TF and another gene."""
    cells = cells_of(made.counts, np.arange(len(made.genes)))
    candidate, positive = made.tf_grid()
    pairs = CandidatePairs.of_masks(candidate, positive)
    every = (*methods, *NULLS)
    scores = np.stack([pairs.of(method.function(cells, made.tfs)) for method in every])
    shared = over_network([pairs.rank(of_method) for of_method in scores])
    labels = series_of_degrees(candidate, positive, permutations=PERMUTATIONS, seed=0)
    of_degrees = permutation_test(scores, pairs, metrics=tuple(METRICS_OF_PLACES), labels=iter([labels]))
    low, high = shared.intervals()
    rows = []
    for place, method in enumerate(every):
        against = (
            [NO_NULL] * len(METRICS)
            if method.null
            else _against_nulls(shared, place, len(methods), of_degrees[place], pairs.n / pairs.n_pos)
        )
        for metric, value, lo, hi, comparison in zip(
            METRICS, shared.values[place], low[place], high[place], against, strict=True
        ):
            numbers = {"value": value, "lo": lo, "hi": hi, "above_null": comparison[1], "p": comparison[2]}
            numbers["p_degrees"] = comparison[4]
            rows.append(
                {"method": method.name, "is_null": method.null, "metric": metric.name, "units": shared.units}
                | {"n_pos": pairs.n_pos, "n_neg": pairs.n_neg, "hardest_null": comparison[0], "verdict": comparison[3]}
                | {name: float(number) if np.isfinite(number) else None for name, number in numbers.items()}
            )
    return rows


PERMUTATIONS = 199
"""Networks with the same degrees."""
Against = tuple[str | None, float, float, str, float]
NO_NULL: Against = (None, np.nan, np.nan, NULL, np.nan)


def _against_nulls(
    shared: Shared, place: int, first_null: int, of_degrees: Mapping[str, Permuted], over_base_rate: float
) -> list[Against]:
    """Say of each metric which null is the hardest, by how much it is beaten, p, verdict, and p of the degrees.

    To beat the nulls is to beat each of them, so p is the largest and no null is chosen on the data. To be worse than
    one of them is a claim about any of four, so alpha is divided by four.
    """
    nulls = [first_null + i for i in range(len(NULLS))]
    of_nulls = list(zip(*(shared.difference(place, null) for null in nulls), strict=True))
    errors = np.array([[rival.error for rival in rivals] for rivals in of_nulls])
    covariances = np.nan_to_num(covariance_of_differences(errors, errors_between(shared, nulls)))
    comparisons: list[Against] = []
    for metric, (rivals, covariance) in enumerate(zip(of_nulls, covariances, strict=True)):
        name, of_rivals = METRICS[metric].name, shared.values[nulls, metric]
        # Rises from 0 to 2 as the method falls behind; what cannot be tested is not beaten.
        behind = np.nan_to_num([null.p if null.difference > 0 else 2 - null.p for null in rivals], nan=1.0)
        hardest, highest = int(np.argmax(behind)), float(of_rivals.max())
        permuted = of_degrees["auprc" if name == "auprc_ratio" else name]
        scale = over_base_rate if name == "auprc_ratio" else 1.0
        needed = scale * float(np.quantile(permuted.permuted, 1 - ALPHA))
        source = ErrorSource(covariance, shared.units)
        claim = power_of_claim([source], MARGINS[name].above(highest), highest - of_rivals, also=(highest, needed))
        verdict = against_nulls(
            [null.verdict for null in rivals],
            worse=any(null.difference < 0 and null.p <= ALPHA / len(rivals) for null in rivals),
            p_degrees=permuted.p(),
            power=claim.power,
        )
        p = min(float(behind[hardest]), 1.0)
        comparisons.append((NULLS[hardest].name, rivals[hardest].difference, p, verdict, permuted.p()))
    return comparisons
