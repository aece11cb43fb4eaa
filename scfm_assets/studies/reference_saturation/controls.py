"""Made-up scores whose answer is known: labels that hide a rise, and labels that do not."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.studies.reference_saturation.settings import Settings
from scfm_assets.studies.reference_saturation.slopes import slopes
from scfm_assets.studies.reference_saturation.tables import OBSERVED, SCORES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

SEEDS, LADDER, SHARES = range(12), (100, 200, 400), (0.25, 0.5, 1.0)
RISE, SPREAD = 0.03, 0.002
"""Of AUROC and log average precision per doubling of cells with every edge labelled; noise of both."""


def labels_explain() -> dict[str, pa.Table]:
    """Tables of a metric that rises with cells, and falls where most edges have lost their labels."""
    return _tables(lambda share: RISE * (2 * share - 1))


def labels_do_not() -> dict[str, pa.Table]:
    """Tables of a metric that rises with cells as fast whichever edges are labelled."""
    return _tables(lambda _: RISE)


def _tables(rise: Callable[[float], float]) -> dict[str, pa.Table]:
    rng, rows = np.random.default_rng(0), []
    lost = lambda share: RISE * (2 * share - 1)  # noqa: E731
    curves = [(0.0, "random", rise), (0.0, "degree", rise), (0.0, "circular", lost), (0.002, "random", lambda _: -RISE)]
    for (growth, hiding, slope), seed, share, n in product(curves, SEEDS, SHARES, LADDER):
        height = 0.6 + slope(share) * np.log2(n / LADDER[0]) + rng.normal(0, SPREAD)
        n_pos = round(400 * share)
        precision = n_pos / 4000 * np.exp(height)
        rows.append(
            {"density": 0.01, "noise_growth": growth, "method": "pearson", "hiding": hiding, "completeness": share}
            | {"n_cells": n, "seed": seed, "auroc": height, "auprc": precision, "predicted_auroc": height}
            | {"predicted_auprc": precision, "n_edges": 400, "n_pos": n_pos, "n_neg": 4000 - n_pos}
        )
    scores = SCORES.rows(rows)
    return {"scores": scores, "slopes": slopes(Settings(), scores), "observed": OBSERVED.rows([])}
