"""Master regulators of the Hill simulator: what cells show, beside what the stationary law says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from scfm_assets.core.base import seed_from
from scfm_assets.core.simulate import HillNetwork, HillSpec, draw_expression, master_moments
from scfm_assets.studies.documented import documented

RATES = (0.2, 0.35, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Production rates: those of SERGIO's DS1 (0.2 to 1), and larger ones, where the law is nearly normal."""
N_CELLS = 4000
"""The standard error of a variance is then about 2 %."""
REFLECTED = 0.583
"""A normal walk that stops at zero lies below a reflected one by this share of a step: -zeta(1/2) / sqrt(2 pi)."""

MASTERS = pa.schema(
    [
        documented("rate", pa.float64(), "Production rate of the master regulator."),
        documented("dt", pa.float64(), "Time step."),
        documented("n_cells", pa.int32(), "Cells, each from a run of its own."),
        documented("mean", pa.float64(), "Mean expression of the cells."),
        documented("mean_expected", pa.float64(), "Mean of the stationary law, in continuous time."),
        documented("mean_error", pa.float64(), "Standard error of the mean."),
        documented("step_bias", pa.float64(), "By how much time steps may lower the mean near zero, at most."),
        documented("variance", pa.float64(), "Variance of the cells."),
        documented(
            "variance_expected", pa.float64(), "Variance of the stationary law, in steps: over 1 - decay dt / 2."
        ),
        documented("variance_error", pa.float64(), "Standard error of the variance, from the fourth moment."),
    ]
)
"""One row: one master regulator of the Hill simulator, simulated and expected."""


def master_regulators(spec: HillSpec | None = None, *, n_cells: int = N_CELLS, seed: int = 0) -> pa.Table:
    """Run master regulators of `RATES` alone and compare them with their stationary law.

    Parameters
    ----------
    spec
        Kinetics and time step.
    n_cells, seed
        Cells, and what decides them.

    Returns
    -------
    Rows in `MASTERS`.
    """
    basal = np.array(RATES)[:, None]
    names = tuple(f"rate {rate:g}" for rate in RATES)
    network = HillNetwork.of_edges(names, np.empty((0, 2), np.int64), np.empty((0, 2)), basal)
    own = replace(spec or HillSpec(), network=network, n_cells=n_cells)
    rng = np.random.default_rng(seed_from("master regulators", seed))
    cells = draw_expression(network, own, np.zeros(n_cells, np.int64), rng)[0].astype(np.float64)
    mean, variance = master_moments(basal[:, 0], own.decay, own.noise)
    spread = cells.var(axis=0, ddof=1)
    fourth = ((cells - cells.mean(axis=0)) ** 4).mean(axis=0)
    return pa.table(
        {
            "rate": list(RATES),
            "dt": [own.dt] * len(RATES),
            "n_cells": [n_cells] * len(RATES),
            "mean": cells.mean(axis=0),
            "mean_expected": mean,
            "mean_error": np.sqrt(spread / n_cells),
            "step_bias": REFLECTED * own.noise * np.sqrt(basal[:, 0] * own.dt),
            "variance": spread,
            "variance_expected": variance / (1 - own.decay * own.dt / 2),
            "variance_error": np.sqrt(np.maximum(fourth - spread**2, 0) / n_cells),
        },
        schema=MASTERS,
    )
