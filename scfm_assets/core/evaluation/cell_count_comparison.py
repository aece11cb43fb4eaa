"""Whether more cells help: paired differences of each n_cells against the largest, over shared TFs.

All numbers of cells rank the same pairs of the same network, and each TF is left out of all of them at once. Cells are
not resampled: cell sets are nested, so that groups of cells of a smaller slice are in the largest one too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.evaluation.contender import CONTENDER_FIELDS
from scfm_assets.core.evaluation.method_comparison import over_repeats, side_by_side
from scfm_assets.core.metrics import largest_values
from scfm_assets.core.statistics import over_tfs
from scfm_assets.core.universes import GROUND_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.statistics import Difference, Shared
    from scfm_assets.core.universes import Ground

SCHEMA = pa.schema(
    [
        pa.field("n_cells", pa.int32(), nullable=False),
        pa.field("n_cells_largest", pa.int32(), nullable=False),
        *CONTENDER_FIELDS,
        *GROUND_FIELDS,
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("value_largest", pa.float64(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("lo", pa.float64()),
        pa.field("hi", pa.float64()),
        pa.field("error", pa.float64()),
        pa.field("p", pa.float64()),
        pa.field("effect", pa.float64()),
        pa.field("units", pa.int32(), nullable=False),
        pa.field("n_pos", pa.int64(), nullable=False),
        pa.field("n_neg", pa.int64(), nullable=False),
        pa.field("n_repeats", pa.int32(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
    ]
)
"""One row: how far one metric of one method at one n_cells lies from that at the largest."""

Name = tuple[str, str, "int | None"]
"""Model, method and layer."""


def compare_cell_counts(
    slices: Iterable[tuple[int, Sequence[Contender]]], grounds: Sequence[Ground], *, level: float = 0.95
) -> pa.Table:
    """Say how far every method is from what it reaches at the largest number of cells.

    Parameters
    ----------
    slices
        n_cells and the methods of its slice; taken one after the other, so that one is held at a time.
    grounds
        Pairs to rank.
    level
        Confidence.

    Returns
    -------
    Rows in `SCHEMA` for every n_cells but the largest, of the methods that the largest one has, over the repeats that
    both have.
    """
    known: dict[int, dict[Name, tuple[Contender, dict[int, list[Shared]]]]] = {}
    for n_cells, found in slices if grounds else ():
        known[n_cells] = {
            (own.source.model, own.method, own.layer): (own, {r: _over_tfs(own, r, grounds) for r in own.keys})
            for own in found
        }
    largest = max(known, default=0)
    rows = []
    for n_cells in sorted(set(known) - {largest}):
        for name, (_, here) in known[n_cells].items():
            own, there = known[largest].get(name, (None, {}))
            repeats = sorted(set(here) & set(there))
            if own is None or not repeats:
                continue
            same = {"n_cells": n_cells, "n_cells_largest": largest, "n_repeats": len(repeats), **own.names}
            for place, ground in enumerate(grounds):
                both = [side_by_side([here[r][place], there[r][place]]) for r in repeats]
                most = largest_values(ground.pairs.n_pos / ground.pairs.n)
                told = over_repeats([shared.difference(0, 1, level=level) for shared in both], most, level=level)
                rows += [{**same, **ground.names, **_numbers(difference)} for difference in told]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _over_tfs(own: Contender, repeat: int, grounds: Sequence[Ground]) -> list[Shared]:
    matrix = own.matrix(repeat)
    return [over_tfs([ground.pairs.rank(ground.pairs.of(matrix[ground.universe.tfs]))]) for ground in grounds]


def _numbers(own: Difference) -> dict[str, object]:
    told = {"lo": own.low, "hi": own.high, "error": own.error, "p": own.p, "effect": own.effect}
    return {
        "metric": own.metric,
        "value": own.value,
        "value_largest": own.value_before,
        "difference": own.difference,
        **{name: None if np.isnan(number) else number for name, number in told.items()},
        "units": own.units,
        "verdict": own.verdict,
    }
