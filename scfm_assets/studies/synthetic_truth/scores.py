"""What every method scores on every simulated data set, and whether it beats what expression alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.evaluation import BEATS, DOES_NOT_BEAT, NULL, SMALLEST, UNDERPOWERED, WORSE
from scfm_assets.core.metrics import METRICS, CandidatePairs
from scfm_assets.core.scores import NULLS, cells_of, chosen_methods
from scfm_assets.core.statistics import ALPHA, POWER, Shared, over_tfs, power_of_difference
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
    pairs = CandidatePairs.of_masks(*made.tf_grid())
    every = (*methods, *NULLS)
    shared = over_tfs([pairs.rank(pairs.of(method.function(cells, made.tfs))) for method in every])
    low, high = shared.intervals()
    rows = []
    for place, method in enumerate(every):
        against = [NO_NULL] * len(METRICS) if method.null else _against_nulls(shared, place, len(methods))
        for metric, value, lo, hi, comparison in zip(
            METRICS, shared.values[place], low[place], high[place], against, strict=True
        ):
            numbers = {"value": value, "lo": lo, "hi": hi, "above_null": comparison[1], "p": comparison[2]}
            rows.append(
                {"method": method.name, "is_null": method.null, "metric": metric.name, "units": shared.units}
                | {"n_pos": pairs.n_pos, "n_neg": pairs.n_neg, "hardest_null": comparison[0], "verdict": comparison[3]}
                | {name: float(number) if np.isfinite(number) else None for name, number in numbers.items()}
            )
    return rows


Against = tuple[str | None, float, float, str]
NO_NULL: Against = (None, np.nan, np.nan, NULL)


def _against_nulls(shared: Shared, place: int, first_null: int) -> list[Against]:
    """Say of each metric which null is the hardest, by how much it is beaten, p and verdict.

    To beat the nulls is to beat each of them, so p is the largest and no null is chosen on the data. To be worse than
    one of them is a claim about any of four, so alpha is divided by four.
    """
    of_nulls = [shared.difference(place, first_null + i) for i in range(len(NULLS))]
    comparisons: list[Against] = []
    for rivals in zip(*of_nulls, strict=True):
        # Rises from 0 to 2 as the method falls behind; what cannot be tested is not beaten.
        behind = np.nan_to_num([null.p if null.difference > 0 else 2 - null.p for null in rivals], nan=1.0)
        hardest = int(np.argmax(behind))
        rival = rivals[hardest]
        worse = any(null.difference < 0 and null.p <= ALPHA / len(rivals) for null in rivals)
        power = power_of_difference(SMALLEST["auroc"], rival.error, units=shared.units)
        if behind[hardest] <= ALPHA:
            verdict = BEATS
        elif worse:
            verdict = WORSE
        else:
            verdict = UNDERPOWERED if rival.metric == "auroc" and not power >= POWER else DOES_NOT_BEAT
        comparisons.append((NULLS[hardest].name, rival.difference, min(float(behind[hardest]), 1.0), verdict))
    return comparisons
