"""What the nulls of single genes score in each universe of a tissue: the rows of the table `universe_nulls`.

What genes are like is taken from all cells of the processed atlas, as the universes are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.evaluation.nulls_of_genes import EXPRESSION_ALONE, OfModel, OfPopularity, OfStatistic
from scfm_assets.core.metrics import METRICS
from scfm_assets.core.scores import GENE_NULLS, STATISTICS
from scfm_assets.core.statistics import over_network
from scfm_assets.core.universes import grounds_of
from scfm_assets.tables.networks import UNIVERSE_NULLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from scfm_assets.core.base import Passed
    from scfm_assets.core.evaluation.contender import ScoresOnGrounds
    from scfm_assets.core.universes import Ground, TissueUniverses

AUROC = [metric.name for metric in METRICS].index("auroc")
MATCHED = "expression_matched"
"""The universe in which no null of single genes should know anything."""
FALSE_ALARMS = 0.05
"""Chance that the check fails although no null knows anything, over all nulls of a universe at most."""


def universe_null_rows(universes: TissueUniverses) -> pa.Table:
    """Rank the edges of every network by every null, in each universe that no slice changes and TFs can be left out of.

    Returns
    -------
    Rows of `universe_nulls`; none for a tissue without all of `STATISTICS`.
    """
    rows = []
    for ground in grounds_of(universes):
        named = {name: ground.names[name] for name in ("network", "network_version", "universe")}
        rows += [{**named, **_numbers(name, null, ground)} for name, null in _nulls(universes, ground).items()]
    return UNIVERSE_NULLS.rows(rows)


def _nulls(universes: TissueUniverses, ground: Ground) -> Mapping[str, ScoresOnGrounds]:
    by_name = universes.levels.by_name
    if not set(STATISTICS) <= set(by_name):
        return {}
    levels = {0: np.stack([by_name[name] for name in STATISTICS])[None]}
    popularity = {"target_popularity": OfPopularity()} if ground.popularity is not None else {}
    of_statistics = {name: OfStatistic(null, levels, either_way=False) for name, null in GENE_NULLS.items()}
    return {**of_statistics, EXPRESSION_ALONE: OfModel(levels), **popularity}


def _numbers(name: str, null: ScoresOnGrounds, ground: Ground) -> dict[str, Any]:
    shared = over_network([ground.pairs.rank(null.on(ground, 0))])
    limits = {}
    for ends, level in ((("lo", "hi"), 0.95), (("lo_of_all", "hi_of_all"), 1 - FALSE_ALARMS / len(GENE_NULLS))):
        low, high = (side[0, AUROC] for side in shared.intervals(level=level))
        limits |= {end: float(limit) for end, limit in zip(ends, (low, high), strict=True) if np.isfinite(limit)}
    return {"reference": name, "auroc": float(shared.values[0, AUROC]), **dict.fromkeys(ENDS), **limits}


ENDS = ("lo", "hi", "lo_of_all", "hi_of_all")


def nulls_know_nothing(universes: TissueUniverses) -> Passed:
    """Ask of the expression-matched universes whether some null of single genes still ranks edges there.

    It does where 0.5 lies outside its interval at a level that all nulls of the universe share. The model of all
    statistics may lie below: it is fitted to parts of what was balanced as a whole, and then errs the other way round.
    """
    rows = [row for row in universe_null_rows(universes).to_pylist() if row["universe"] == MATCHED]
    rows = [row for row in rows if row["reference"] != "target_popularity"]
    if not rows:
        return True, "no expression-matched universe"
    worst = max(
        rows, key=lambda row: abs(row["auroc"] - 0.5) if row["reference"] != EXPRESSION_ALONE else row["auroc"] - 0.5
    )
    off = [f"{row['reference']} {row['auroc']:.3f} on {row['network']}" for row in rows if _is_off(row)]
    words = f"of {len(rows)} nulls, {len(off)} are off 0.5 by more than their interval"
    furthest = f"furthest is {worst['reference']} with {worst['auroc']:.3f} on {worst['network']}"
    return not off, f"{words}: {'; '.join(off)}" if off else f"{words}; {furthest}"


def _is_off(row: Mapping[str, Any]) -> bool:
    if row["lo_of_all"] is None:
        return False
    below = row["hi_of_all"] < 0.5 and row["reference"] != EXPRESSION_ALONE
    return row["lo_of_all"] > 0.5 or below
