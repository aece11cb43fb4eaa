"""Whether more cells help: paired differences of each n_cells against the largest, over shared TFs.

All numbers of cells rank the same pairs of the same network, and each TF is left out of all of them at once. Cells are
not resampled: cell sets are nested, so that groups of cells of a smaller slice are in the largest one too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.evaluation.method_comparison import over_repeats, side_by_side
from scfm_assets.core.metrics import largest_values
from scfm_assets.core.statistics import over_tfs
from scfm_assets.tables.methods import CELL_COUNT_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.statistics import Difference, Shared
    from scfm_assets.core.universes import Ground


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
    Rows of `cell_count_comparison` for every n_cells but the largest, of the methods that the largest one has, over the
    repeats that both have.
    """
    known: dict[int, dict[Name, tuple[Contender, dict[int, list[Shared]]]]] = {}
    for n_cells, methods in slices if grounds else ():
        known[n_cells] = {
            (method.source.model, method.method, method.layer): (
                method,
                {repeat: _over_tfs(method, repeat, grounds) for repeat in method.keys},
            )
            for method in methods
        }
    largest = max(known, default=0)
    rows = []
    for n_cells in sorted(set(known) - {largest}):
        for name, (_, fewer) in known[n_cells].items():
            method, most_cells = known[largest].get(name, (None, {}))
            repeats = sorted(set(fewer) & set(most_cells))
            if method is None or not repeats:
                continue
            same = {"n_cells": n_cells, "n_cells_largest": largest, "n_repeats": len(repeats), **method.names}
            for place, ground in enumerate(grounds):
                both = [side_by_side([fewer[r][place], most_cells[r][place]]) for r in repeats]
                most = largest_values(ground.pairs.n_pos / ground.pairs.n)
                merged = over_repeats([shared.difference(0, 1, level=level) for shared in both], most, level=level)
                rows += [{**same, **ground.names, **_numbers(difference)} for difference in merged]
    return CELL_COUNT_COMPARISON.rows(rows, stamped=("tissue", "simulated"))


def _over_tfs(method: Contender, repeat: int, grounds: Sequence[Ground]) -> list[Shared]:
    matrix = method.matrix(repeat)
    return [over_tfs([ground.pairs.rank(ground.pairs.of(matrix[ground.universe.tfs]))]) for ground in grounds]


def _numbers(difference: Difference) -> dict[str, object]:
    return {
        "metric": difference.metric,
        "value": difference.value,
        "value_largest": difference.value_before,
        "difference": difference.difference,
        "lo": difference.low,
        "hi": difference.high,
        "error": difference.error,
        "p": difference.p,
        "effect": difference.effect,
        "units": difference.units,
        "verdict": difference.verdict,
    }
