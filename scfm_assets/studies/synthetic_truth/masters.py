"""Master regulators of the Hill simulator: what cells show, beside what the stationary law says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.simulate import HillNetwork, HillSpec, draw_expression, master_moments
from scfm_assets.studies.synthetic_truth.tables import MASTERS

if TYPE_CHECKING:
    import pyarrow as pa

    from scfm_assets.studies.synthetic_truth.settings import Settings

RATES = (0.2, 0.35, 0.6, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Production rates: those of SERGIO's DS1 (0.2 to 1), and larger ones, where the law is nearly normal."""
REFLECTED = 0.583
"""A normal walk that stops at zero lies below a reflected one by this share of a step: -zeta(1/2) / sqrt(2 pi)."""


def masters(settings: Settings) -> pa.Table:
    """Rows of `MASTERS`: `master_regulators` of the simulator's own kinetics and time step."""
    return master_regulators(n_cells=settings.n_master_cells)


def master_regulators(spec: HillSpec | None = None, *, n_cells: int, seed: int = 0) -> pa.Table:
    """Run master regulators of `RATES` alone and compare them with their stationary law.

    Parameters
    ----------
    spec
        Kinetics and time step.
    n_cells, seed
        Cells, and what decides them.

    Returns
    -------
    Rows of `MASTERS`.
    """
    basal = np.array(RATES)[:, None]
    names = tuple(f"rate {rate:g}" for rate in RATES)
    network = HillNetwork.of_edges(names, np.empty((0, 2), np.int64), np.empty((0, 2)), basal)
    kinetics = replace(spec or HillSpec(), network=network, n_cells=n_cells)
    rng = np.random.default_rng(seed_from("master regulators", seed))
    cells = draw_expression(network, kinetics, np.zeros(n_cells, np.int64), rng)[0].astype(np.float64)
    mean, variance = master_moments(basal[:, 0], kinetics.decay, kinetics.noise)
    spread = cells.var(axis=0, ddof=1)
    fourth = ((cells - cells.mean(axis=0)) ** 4).mean(axis=0)
    columns = {
        "mean": cells.mean(axis=0),
        "mean_expected": mean,
        "mean_error": np.sqrt(spread / n_cells),
        "step_bias": REFLECTED * kinetics.noise * np.sqrt(basal[:, 0] * kinetics.dt),
        "variance": spread,
        "variance_expected": variance / (1 - kinetics.decay * kinetics.dt / 2),
        "variance_error": np.sqrt(np.maximum(fourth - spread**2, 0) / n_cells),
    }
    return MASTERS.rows(
        {"rate": rate, "dt": kinetics.dt, "n_cells": n_cells} | {name: values[i] for name, values in columns.items()}
        for i, rate in enumerate(RATES)
    )
