"""Made-up scores whose answer is known: one method above all nulls everywhere, and none."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.studies.synthetic_truth.data_sets import NONE
from scfm_assets.studies.synthetic_truth.masters import masters
from scfm_assets.studies.synthetic_truth.orderings import orderings, ranks
from scfm_assets.studies.synthetic_truth.scores import NULLS
from scfm_assets.studies.synthetic_truth.settings import Settings
from scfm_assets.studies.synthetic_truth.tables import SCORES

if TYPE_CHECKING:
    import pyarrow as pa

SIMULATORS, CASES, SEEDS, SPREAD = ("linear", "hill"), (NONE, "composition"), 8, 0.01


def one_method_wins() -> dict[str, pa.Table]:
    """Tables of a method at an AUROC of 0.7 and one at 0.5, beside nulls at 0.5."""
    return _tables({"pearson": 0.7, "spearman": 0.5})


def no_method_wins() -> dict[str, pa.Table]:
    """Tables of methods and nulls at an AUROC of 0.5."""
    return _tables({"pearson": 0.5, "spearman": 0.5})


def _tables(levels: dict[str, float]) -> dict[str, pa.Table]:
    rng, rows, settings = np.random.default_rng(0), [], Settings.tiny()
    levels = levels | {null.name: 0.5 for null in NULLS}
    for (name, level), simulator, case, seed in product(levels.items(), SIMULATORS, CASES, range(SEEDS)):
        is_null = any(null.name == name for null in NULLS)
        value = float(level + rng.normal(0, SPREAD))
        row = {"simulator": simulator, "case": case, "seed": seed, "method": name, "is_null": is_null, "value": value}
        row |= {"lo": None, "hi": None, "units": 9, "n_pos": 50, "n_neg": 950, "hardest_null": None}
        row |= {"above_null": None, "p": None, "p_degrees": None, "verdict": "null" if is_null else "made up"}
        rows += [row | {"metric": metric} for metric in ("auroc", "auprc_ratio")]
    scores = SCORES.rows(rows)
    of_orders = {"orderings": orderings(settings, scores), "ranks": ranks(settings, scores)}
    return {"scores": scores, **of_orders, "masters": masters(settings)}
