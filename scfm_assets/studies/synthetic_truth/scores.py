"""What every method scores on every simulated data set, and whether it beats what expression alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scfm_assets.core.evaluation import BEATS, DOES_NOT_BEAT, NULL, SMALLEST, UNDERPOWERED, WORSE
from scfm_assets.core.metrics import METRICS, CandidatePairs
from scfm_assets.core.scores import NULLS, cells_of, chosen_methods
from scfm_assets.core.statistics import ALPHA, POWER, Shared, over_tfs, power_of_difference
from scfm_assets.studies.documented import documented
from scfm_assets.studies.synthetic_truth.spec import SyntheticTruthSpec, data_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets.core.scores import BaselineMethod
    from scfm_assets.core.simulate import Donor, Simulated


DATA_SET = (
    documented("simulator", pa.string(), "Simulator that made the cells: linear, hill, copula."),
    documented("case", pa.string(), "Adversarial case that misleads, or none."),
    documented("seed", pa.int32(), "Number of the independent data set, from 0."),
)
SCORES = pa.schema(
    [
        *DATA_SET,
        documented("method", pa.string(), "What scores the edges, a gene-level null or not."),
        documented("is_null", pa.bool_(), "Whether the method is a gene-level null."),
        documented("metric", pa.string(), "auroc, auprc, auprc_ratio or epr, over TFs x genes."),
        documented("value", pa.float64(), "Value of the metric; NULL without edges.", nullable=True),
        documented("lo", pa.float64(), "Lower end of the interval over TFs (jackknife).", nullable=True),
        documented("hi", pa.float64(), "Upper end of the interval over TFs.", nullable=True),
        documented("units", pa.int32(), "TFs with an edge, the units behind the interval."),
        documented("n_pos", pa.int64(), "Pairs of a TF and another gene that are edges."),
        documented("n_neg", pa.int64(), "Pairs that are not."),
        documented("hardest_null", pa.string(), "The null that the method beats least surely.", nullable=True),
        documented("above_null", pa.float64(), "Value minus that of the hardest null.", nullable=True),
        documented(
            "p", pa.float64(), "Largest p over the nulls, paired over TFs; 1 where it is not above one.", nullable=True
        ),
        documented("verdict", pa.string(), "Against all nulls on this data set, by TFs; underpowered for AUROC only."),
    ]
)
"""One row: one metric of one method on one simulated data set."""


def measure(
    spec: SyntheticTruthSpec,
    donor: Donor | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    workers: int = 1,
) -> pa.Table:
    """Score every method on every data set.

    Parameters
    ----------
    spec
        What is simulated and scored.
    donor
        The atlas whose marginals the copula simulator keeps.
    progress
        Called with the number of data sets that are done, and of all.
    workers
        Processes of grnboost; no number depends on them.

    Returns
    -------
    Rows in `SCORES`.

    Raises
    ------
    ScfmError
        If a simulator cannot make such cells, or the copula simulator has no donor.
    """
    rows: list[dict[str, Any]] = []
    done, total = 0, spec.seeds * sum(len(spec.cases_of(name)) for name in spec.simulators)
    for simulator in spec.simulators:
        for seed in range(spec.seeds):
            for case, made in data_sets(spec, simulator, donor, seed):
                every = chosen_methods(spec.methods_in(case), made.tfs, workers=workers)
                methods = [method for method in every if not method.null]
                head = {"simulator": simulator, "case": case, "seed": seed}
                rows += [head | row for row in readings(made, methods)]
                done += 1
                if progress is not None:
                    progress(done, total)
    return pa.Table.from_pylist(rows, schema=SCORES)


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
        for metric, value, lo, hi, own in zip(
            METRICS, shared.values[place], low[place], high[place], against, strict=True
        ):
            numbers = {"value": value, "lo": lo, "hi": hi, "above_null": own[1], "p": own[2]}
            rows.append(
                {"method": method.name, "is_null": method.null, "metric": metric.name, "units": shared.units}
                | {"n_pos": pairs.n_pos, "n_neg": pairs.n_neg, "hardest_null": own[0], "verdict": own[3]}
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
    found: list[Against] = []
    for rivals in zip(*of_nulls, strict=True):
        # Rises from 0 to 2 as the method falls behind; what cannot be tested is not beaten.
        behind = np.nan_to_num([own.p if own.difference > 0 else 2 - own.p for own in rivals], nan=1.0)
        hardest = int(np.argmax(behind))
        rival = rivals[hardest]
        worse = any(own.difference < 0 and own.p <= ALPHA / len(rivals) for own in rivals)
        power = power_of_difference(SMALLEST["auroc"], rival.error, units=shared.units)
        if behind[hardest] <= ALPHA:
            said = BEATS
        elif worse:
            said = WORSE
        else:
            said = UNDERPOWERED if rival.metric == "auroc" and not power >= POWER else DOES_NOT_BEAT
        found.append((NULLS[hardest].name, rival.difference, min(float(behind[hardest]), 1.0), said))
    return found
