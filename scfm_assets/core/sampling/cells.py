"""Nested, stratified cell sets: which cells each repeat holds at each n_cells, and what a slice adds to a smaller one.

Every repeat has one fixed order of cells, and its set of n cells is the first n of that order: sets are nested. The
order follows the cell types' shares so closely that every prefix holds the floor or the ceiling of each type's quota.
Repeats share no cell as long as the atlas has enough of them; after that a repeat borrows the cells that the others
took last.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.sampling.cell_groups import cell_groups
from scfm_assets.errors import ScfmError
from scfm_assets.tables.atlas import CELL_SETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

PLACES = CELL_SETS.without("barcode", "cell_type", "donor")
"""Where cells stand, before it is said what they are."""


@dataclass(frozen=True)
class Increment:
    """The cells that a slice adds to the next smaller one, over all repeats: each is forwarded once.

    Attributes
    ----------
    base
        The n_cells that the increment builds on, 0 for none.
    cells
        Rows of the processed atlas, in the order in which they are forwarded.
    blocks
        For each block of cells, which repeats it belongs to and from which n_cells on, as (repeat, n_cells) pairs.
    block_of_cell
        The block of each entry of `cells`.
    group_of_cell
        The group of cells that each entry of `cells` belongs to, see `scfm_assets.core.sampling.cell_groups`.
    """

    base: int
    cells: np.ndarray
    blocks: tuple[tuple[tuple[int, int], ...], ...]
    block_of_cell: np.ndarray
    group_of_cell: np.ndarray


def stratified_types(shares: np.ndarray, n: int, tiebreak: np.ndarray) -> np.ndarray:
    """Sequence of types each prefix of which follows the shares.

    Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): after every step each type
    has been chosen the floor or the ceiling of its quota ``share * step``.

    Parameters
    ----------
    shares
        Positive shares of the types, shape (n_types,), summing to 1.
    n
        Length of the sequence.
    tiebreak
        A rank per type, shape (n_types,): the smaller goes first where the rule leaves a choice.
    """
    if len(shares) == 1:
        return np.zeros(n, dtype=np.int64)
    slack = 1 / (2 * len(shares) - 2)
    chosen = np.zeros(len(shares), dtype=np.int64)
    sequence = np.empty(n, dtype=np.int64)
    for step in range(n):
        open_now = shares * (step + 1) - chosen >= slack - 1e-12
        due = np.where(open_now, (chosen + 1 - slack) / shares, np.inf)
        soonest = due.min()
        candidates = np.flatnonzero(due <= soonest * (1 + 1e-12))
        pick = candidates[np.argmin(tiebreak[candidates])]
        sequence[step] = pick
        chosen[pick] += 1
    return sequence


def cell_orders(
    cell_types: Sequence[str] | np.ndarray,
    barcodes: Sequence[str] | np.ndarray,
    *,
    repeats: int,
    length: int,
    seed: int,
) -> np.ndarray:
    """Order the cells of every repeat.

    Parameters
    ----------
    cell_types, barcodes
        Type and name of each cell, shape (n_cells,). The orders depend on them and on `seed`, not on the cells' order
        in the file.
    repeats
        Number of repeats.
    length
        Number of cells that each repeat needs.
    seed
        From the catalog.

    Returns
    -------
    Rows of cells, shape (repeats, length).

    Raises
    ------
    ScfmError
        If the atlas has fewer than `length` cells.
    """
    types, names = np.asarray(cell_types, dtype=str), np.asarray(barcodes, dtype=str)
    if len(names) < length:
        problem = f"the largest entry is {length}, but the atlas has {len(names)} cells"
        raise ScfmError("experiment.n_cells", problem, f"Use at most {len(names)}.")
    by_name = np.argsort(names, kind="stable")
    rng = np.random.default_rng(seed_from(names[by_name], types[by_name], seed))
    kinds, kind_of_cell = np.unique(types, return_inverse=True)
    homes = _deal(kind_of_cell, by_name, repeats, rng)
    shares = np.bincount(kind_of_cell) / len(types)
    orders = np.empty((repeats, length), dtype=np.int64)
    for repeat in range(repeats):
        sequence = stratified_types(shares, length, rng.permutation(len(kinds)))
        queues = [deque(_own_then_borrowed(homes, kind, repeat)) for kind in range(len(kinds))]
        orders[repeat] = [queues[kind].popleft() for kind in sequence]
    return orders


def _deal(
    kind_of_cell: np.ndarray, by_name: np.ndarray, repeats: int, rng: np.random.Generator
) -> list[list[list[int]]]:
    """Deal the shuffled cells of each type out to the repeats, as evenly as they go: homes[kind][repeat] -> cells."""
    homes = []
    start = 0
    for kind in range(kind_of_cell.max() + 1):
        cells = rng.permutation(by_name[kind_of_cell[by_name] == kind])
        homes.append([cells[(repeat - start) % repeats :: repeats].tolist() for repeat in range(repeats)])
        start = (start + len(cells)) % repeats
    return homes


def _own_then_borrowed(homes: list[list[list[int]]], kind: int, repeat: int) -> list[int]:
    """Queue a repeat's cells of one type: its own, then those of the others, the ones that they take last first."""
    repeats = len(homes[kind])
    others = [homes[kind][(repeat + step) % repeats][::-1] for step in range(1, repeats)]
    borrowed = (cell for turn in zip_longest(*others) for cell in turn if cell is not None)
    return [*homes[kind][repeat], *borrowed]


def cell_set_table(
    orders: np.ndarray,
    n_cells: int,
    counts: Sequence[int],
    *,
    n_groups: int = 1,
    seed: int = 0,
    donors: np.ndarray | None = None,
    whole_from: int = 2,
) -> pa.Table:
    """List the cells of one slice.

    Parameters
    ----------
    orders
        From `cell_orders`, shape (repeats, length).
    n_cells
        The slice's number of cells.
    counts
        All numbers of cells of the experiment, ascending.
    n_groups, seed, donors, whole_from
        As in `cell_groups`.

    Returns
    -------
    A row per cell and repeat: ``repeat``, ``position`` in the repeat's order, ``from_n_cells`` (the slice from which on
    the repeat holds the cell: this slice, or a larger one for a cell that another repeat already holds here), ``cell``
    (row of the processed atlas) and ``cell_group``. While the repeats share no cell, a slice's rows do not depend on
    the other entries of `counts`.
    """
    repeats, length = orders.shape
    positions = np.full((repeats, orders.max() + 1), length, dtype=np.int64)
    for repeat in range(repeats):
        positions[repeat, orders[repeat]] = np.arange(length)
    here = np.unique(orders[:, :n_cells])
    largest = max(counts)
    repeat, column = np.nonzero(positions[:, here] < largest)
    position = positions[repeat, here[column]]
    ladder = np.asarray(sorted(n for n in counts if n >= n_cells))
    from_n_cells = ladder[np.searchsorted(ladder, position, side="right")]
    order = np.lexsort((position, repeat))
    cell = here[column][order]
    return PLACES.from_columns(
        {
            "repeat": repeat[order],
            "position": position[order],
            "from_n_cells": from_n_cells[order],
            "cell": cell,
            "cell_group": cell_groups(orders, n_groups=n_groups, seed=seed, donors=donors, whole_from=whole_from)[cell],
        }
    )


def members(cell_sets: pa.Table, n_cells: int) -> dict[int, np.ndarray]:
    """Rows of the processed atlas that each repeat holds at `n_cells`, in the repeat's order."""
    return _of_repeats(cell_sets, n_cells, "cell")


def groups(cell_sets: pa.Table, n_cells: int) -> dict[int, np.ndarray]:
    """Group of each cell that `members` gives, in the same order."""
    return _of_repeats(cell_sets, n_cells, "cell_group")


def _of_repeats(cell_sets: pa.Table, n_cells: int, column: str) -> dict[int, np.ndarray]:
    repeat, position, values = (cell_sets.column(c).to_numpy() for c in ("repeat", "position", column))
    inside = position < n_cells
    return {int(r): values[inside & (repeat == r)] for r in np.unique(repeat[inside])}


def increment(cell_sets: pa.Table, base: int) -> Increment:
    """Cells of a slice that no repeat held at `base` cells, and the blocks in which their sums are kept apart.

    Parameters
    ----------
    cell_sets
        From `cell_set_table`.
    base
        Number of cells of the next smaller slice, 0 for the smallest.
    """
    columns = ("repeat", "position", "from_n_cells", "cell", "cell_group")
    repeat, position, from_n_cells, cell, group = (cell_sets.column(c).to_numpy() for c in columns)
    entry = np.full(cell.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(entry, cell, position)
    belongs: dict[int, list[tuple[int, int]]] = {}
    for row in np.lexsort((repeat, cell)):
        if entry[cell[row]] >= base:
            belongs.setdefault(int(cell[row]), []).append((int(repeat[row]), int(from_n_cells[row])))
    cells = sorted(belongs, key=lambda c: (entry[c], belongs[c]))
    blocks = tuple(sorted({tuple(b) for b in belongs.values()}))
    number = {block: i for i, block in enumerate(blocks)}
    group_of = dict(zip(cell.tolist(), group.tolist(), strict=True))
    return Increment(
        base=base,
        cells=np.asarray(cells, dtype=np.int64),
        blocks=blocks,
        block_of_cell=np.asarray([number[tuple(belongs[c])] for c in cells], dtype=np.int32),
        group_of_cell=np.asarray([group_of[c] for c in cells], dtype=np.int32),
    )


def shared(cell_sets: pa.Table, n_cells: int) -> int:
    """Count the cells that more than one repeat holds at `n_cells`."""
    rows = np.concatenate(list(members(cell_sets, n_cells).values()))
    return int((np.unique(rows, return_counts=True)[1] > 1).sum())
