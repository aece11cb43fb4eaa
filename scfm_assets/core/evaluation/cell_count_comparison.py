"""Whether more cells help: paired differences of each n_cells against the largest, over one network.

All numbers of cells rank the same pairs of the same network, and its TFs and targets vary for all of them at once.
Cells are not resampled: cell sets are nested, so that groups of cells of a smaller slice are in the largest one too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.evaluation.method_comparison import over_repeats
from scfm_assets.core.statistics import over_network, side_by_side
from scfm_assets.tables.methods import CELL_COUNT_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.statistics import Difference, TwoWay
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
        n_cells and the methods of its slice, the largest first; only that one is held while the others are taken.
    grounds
        Pairs to rank.
    level
        Confidence.

    Returns
    -------
    Rows of `cell_count_comparison` for every n_cells but the largest, of the methods that the largest one has, over the
    repeats that both have.

    Raises
    ------
    ValueError
        If a later slice holds as many cells as the first, or more.
    """
    largest, most_cells = 0, {}
    rows: list[dict[str, Any]] = []
    for n_cells, methods in slices if grounds else ():
        measured = {
            (method.source.model, method.method, method.layer): (
                method,
                {repeat: _over_network(method, repeat, grounds) for repeat in method.keys},
            )
            for method in methods
        }
        if not largest:
            largest, most_cells = n_cells, measured
            continue
        if n_cells >= largest:
            message = f"a slice of {n_cells} cells after that of {largest}: the largest comes first"
            raise ValueError(message)
        for name, (_, fewer) in measured.items():
            method, most = most_cells.get(name, (None, {}))
            if method is not None and (repeats := sorted(set(fewer) & set(most))):
                same = {"n_cells": n_cells, "n_cells_largest": largest, "n_repeats": len(repeats), **method.names}
                of_repeats = [(fewer[repeat], most[repeat]) for repeat in repeats]
                rows += [{**same, **row} for row in _compared(of_repeats, grounds, level)]
    return CELL_COUNT_COMPARISON.rows(sorted(rows, key=lambda row: row["n_cells"]), stamped=("tissue", "simulated"))


def _compared(
    of_repeats: Sequence[tuple[list[TwoWay], list[TwoWay]]], grounds: Sequence[Ground], level: float
) -> Iterator[dict[str, object]]:
    """Differences of one method between two numbers of cells, over every ground."""
    for place, ground in enumerate(grounds):
        both = [side_by_side([fewer[place], most[place]]) for fewer, most in of_repeats]
        merged = over_repeats([shared.differences([0], [1]) for shared in both])
        for difference in merged.listed(level=level)[0]:
            yield {**ground.names, **_numbers(difference)}


def _over_network(method: Contender, repeat: int, grounds: Sequence[Ground]) -> list[TwoWay]:
    matrix = method.matrix(repeat)
    return [over_network([ground.pairs.rank(ground.pairs.of(matrix[ground.universe.tfs]))]) for ground in grounds]


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
