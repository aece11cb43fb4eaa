"""A small study, and a table of slopes to be judged."""

from functools import cache

import numpy as np
import pyarrow as pa

from scfm_assets.studies.reference_saturation.hidden_labels import labels_of
from scfm_assets.studies.reference_saturation.measured import measure
from scfm_assets.studies.reference_saturation.settings import Settings
from scfm_assets.studies.reference_saturation.tables import SLOPES

SMALL = Settings(
    n_cells=(60, 120, 240), completeness=(0.25, 0.5, 1.0), densities=(2e-3,), n_seeds=4, n_genes=120, n_tfs=20, draws=3
)


def hide_labels(edges, completeness, hiding="random", seed=0, **how) -> np.ndarray:
    """Labels of one completeness."""
    (labelled,) = labels_of(edges, (completeness,), hiding, seed, **how)
    return labelled


@cache
def small_scores() -> pa.Table:
    return measure(SMALL)


def curve(at: dict[float, tuple[float, float]], interaction: tuple[float, float], **head) -> list[dict]:
    """Rows of one curve from limits: of the slope by completeness, and of the interaction."""
    head = {"density": 1e-3, "noise_growth": 0.0, "method": "pearson", "hiding": "random", "metric": "auroc"} | head
    terms = [("slope", share, limits) for share, limits in at.items()] + [("interaction", None, interaction)]
    return [
        head
        | {"term": term, "completeness": share, "value": sum(limits) / 2, "lo": limits[0], "hi": limits[1]}
        | {"error": (limits[1] - limits[0]) / 4.18, "p": 0.5, "predicted": 0.0, "unit": "seeds", "units": 20}
        | {"excess": 0.0, "excess_lo": limits[0] - sum(limits) / 2, "excess_hi": limits[1] - sum(limits) / 2}
        | {"excess_p": 1.0}
        for term, share, limits in terms
    ]


RISES = curve({0.1: (0.01, 0.03), 1.0: (0.015, 0.025)}, (-0.002, 0.002))
LOST = curve({0.1: (-0.03, -0.01), 1.0: (0.015, 0.025)}, (0.03, 0.05))
UNSURE = curve({0.1: (-0.03, 0.05), 1.0: (0.015, 0.025)}, (-0.03, 0.05))
FALLS = curve({0.1: (-0.03, 0.01), 1.0: (-0.025, -0.015)}, (-0.002, 0.002))


def slopes_table(*curves: list[dict]) -> pa.Table:
    return SLOPES.rows(row for rows in curves for row in rows)


def relabelled(rows: list[dict], **head) -> list[dict]:
    return [row | head for row in rows]
