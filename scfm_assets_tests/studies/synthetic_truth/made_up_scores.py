"""Tables of scores whose numbers are given, not simulated."""

import numpy as np

from scfm_assets.studies.synthetic_truth.scores import NULLS
from scfm_assets.studies.synthetic_truth.tables import SCORES

NULL_NAMES = tuple(null.name for null in NULLS)


def made_up(blocks, nulls=0.5, metrics=("auroc",)):
    """Rows of `SCORES`: blocks {(simulator, case): {method: values of the seeds}}; nulls a number or {name: values}."""
    rows = []
    for (simulator, case), of in blocks.items():
        n = len(next(iter(of.values())))
        of_nulls = nulls if isinstance(nulls, dict) else dict.fromkeys(NULL_NAMES, np.full(n, nulls))
        for metric in metrics:
            for method, values in {**of, **of_nulls}.items():
                rows += [
                    {"simulator": simulator, "case": case, "seed": seed, "method": method, "metric": metric}
                    | {"is_null": method in NULL_NAMES, "value": float(value), "lo": None, "hi": None, "units": 9}
                    | {
                        "n_pos": 50,
                        "n_neg": 950,
                        "hardest_null": None,
                        "above_null": None,
                        "p": None,
                        "p_degrees": None,
                        "verdict": "x",
                    }
                    for seed, value in enumerate(values)
                ]
    return SCORES.rows(rows)


def noisy(mean, n=8, sd=0.01, seed=0):
    """Values of n seeds with exactly this mean."""
    values = np.random.default_rng(seed).normal(0, sd, n)
    return mean + values - values.mean()
