"""Cell sets are nested, proportional, reproducible, and every cell is forwarded once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.sampling.cells import (
    cell_groups,
    cell_orders,
    cell_set_table,
    groups,
    increment,
    members,
    shared,
    stratified_types,
)
from scfm_assets.errors import ScfmError

COUNTS = (25, 50, 100, 150, 200, 300, 450, 600)


def atlas(
    n: int, shares: tuple[float, ...] = (0.4, 0.3, 0.15, 0.1, 0.05), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.choice(list("ABCDE")[: len(shares)], n, p=shares), np.array([f"cell{i}" for i in range(n)])


def orders_of(n: int, repeats: int = 2, length: int = 600, seed: int = 0) -> np.ndarray:
    types, barcodes = atlas(n)
    return cell_orders(types, barcodes, repeats=repeats, length=length, seed=seed)


def tables_of(orders: np.ndarray, counts: tuple[int, ...] = COUNTS) -> dict:
    return {n: cell_set_table(orders, n, counts) for n in counts}


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=40),
    st.integers(1, 300),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_prefix_holds_the_floor_or_ceiling_of_each_types_quota(weights: list[float], n: int, seed: int) -> None:
    shares = np.array(weights) / np.sum(weights)
    sequence = stratified_types(shares, n, np.random.default_rng(seed).permutation(len(shares)))
    counts = np.cumsum(np.eye(len(shares))[sequence], axis=0)
    quota = shares * np.arange(1, n + 1)[:, None]
    assert (np.abs(counts - quota) < 1 + 1e-9).all()


def test_sets_are_nested_and_of_the_right_size() -> None:
    tables = tables_of(orders_of(1300))
    before = {0: set(), 1: set()}
    for n in COUNTS:
        for repeat, rows in members(tables[n], n).items():
            assert len(rows) == len(set(rows)) == n
            assert before[repeat] <= set(rows)
            before[repeat] = set(rows)


def test_small_sets_hold_the_proportions_as_well_as_integers_allow() -> None:
    types, _ = atlas(1300)
    share = {t: (types == t).mean() for t in "ABCDE"}
    for n in (25, 50):
        for rows in members(tables_of(orders_of(1300))[n], n).values():
            for t in "ABCDE":
                assert abs((types[rows] == t).sum() - n * share[t]) < 1


def test_repeats_share_no_cell_while_the_atlas_has_enough() -> None:
    tables = tables_of(orders_of(1300))
    assert [shared(tables[n], n) for n in COUNTS] == [0] * len(COUNTS)


def test_repeats_differ_and_borrow_late_when_the_atlas_is_small() -> None:
    tables = tables_of(orders_of(700))
    assert shared(tables[300], 300) == 0
    assert shared(tables[600], 600) >= 500
    assert shared(tables[450], 450) < 300


def test_the_order_of_the_file_does_not_change_the_draw() -> None:
    types, barcodes = atlas(500)
    mixed = np.random.default_rng(1).permutation(500)
    one = cell_orders(types, barcodes, repeats=2, length=100, seed=3)
    other = cell_orders(types[mixed], barcodes[mixed], repeats=2, length=100, seed=3)
    assert (barcodes[one] == barcodes[mixed][other]).all()
    assert (one != cell_orders(types, barcodes, repeats=2, length=100, seed=4)).any()


@pytest.mark.parametrize("n_atlas", [600, 700, 1000, 1300])
def test_increments_hold_every_cell_of_the_largest_sets_exactly_once(n_atlas: int) -> None:
    orders = orders_of(n_atlas)
    tables = tables_of(orders)
    forwarded = [c for n in COUNTS for c in increment(tables[n], max((m for m in COUNTS if m < n), default=0)).cells]
    assert len(forwarded) == len(set(forwarded))
    assert set(forwarded) == set(orders.ravel())


@pytest.mark.parametrize("n_atlas", [600, 700, 1300])
def test_blocks_of_increments_add_up_to_the_cells_of_each_repeat(n_atlas: int) -> None:
    tables = tables_of(orders_of(n_atlas))
    increments = {n: increment(tables[n], max((m for m in COUNTS if m < n), default=0)) for n in COUNTS}
    for n in COUNTS:
        for repeat, rows in members(tables[n], n).items():
            summed = [
                cell
                for piece in (increments[m] for m in COUNTS if m <= n)
                for cell, block in zip(piece.cells, piece.block_of_cell, strict=True)
                if any(r == repeat and start <= n for r, start in piece.blocks[block])
            ]
            assert sorted(summed) == sorted(rows)


def test_a_new_count_leaves_the_other_slices_as_they_are() -> None:
    orders = orders_of(1300)
    more = (*COUNTS[:4], 175, *COUNTS[4:])
    for n in COUNTS:
        assert cell_set_table(orders, n, COUNTS).equals(cell_set_table(orders, n, more))
    longer = orders_of(1300, length=650)
    assert (longer[:, :600] == orders).all()


def test_an_increment_may_build_on_any_smaller_count() -> None:
    tables = tables_of(orders_of(1300))
    assert set(increment(tables[200], 100).cells) == set(increment(tables[150], 100).cells) | set(
        increment(tables[200], 150).cells
    )


def test_too_few_cells_are_refused_with_both_numbers() -> None:
    with pytest.raises(ScfmError, match=r"largest entry is 600.*has 500 cells"):
        orders_of(500)


@pytest.mark.parametrize("n_atlas", [600, 700, 1300])
def test_groups_of_cells_are_as_large_as_each_other_and_a_cell_keeps_its_group(n_atlas: int) -> None:
    orders = orders_of(n_atlas)
    tables = {n: cell_set_table(orders, n, COUNTS, n_groups=10, seed=5) for n in COUNTS}
    group_of_cell: dict[int, int] = {}
    for n in COUNTS:
        held, dealt = members(tables[n], n), groups(tables[n], n)
        for repeat, rows in held.items():
            for cell, group in zip(rows.tolist(), dealt[repeat].tolist(), strict=True):
                assert group_of_cell.setdefault(cell, group) == group
            if n_atlas == 1300:  # no cell is borrowed, so that every repeat's groups are its own
                assert np.ptp(np.bincount(dealt[repeat], minlength=10)) <= 1
        added = increment(tables[n], max((m for m in COUNTS if m < n), default=0))
        assert added.group_of_cell.tolist() == [group_of_cell[cell] for cell in added.cells.tolist()]


def test_a_larger_count_moves_no_cell_to_another_group() -> None:
    types, barcodes = atlas(700)
    short, long = (cell_orders(types, barcodes, repeats=2, length=length, seed=1) for length in (300, 600))
    before, after = (cell_groups(orders, n_groups=10, seed=5) for orders in (short, long))
    held = np.flatnonzero(before >= 0)
    assert len(held) == 600
    assert (before[held] == after[held]).all()


def test_groups_mix_the_cell_types() -> None:
    types, _ = atlas(1300)
    dealt = cell_groups(orders_of(1300), n_groups=10, seed=5)
    largest = types == "A"
    share = np.array([np.mean(largest[: len(dealt)][dealt == group]) for group in range(10)])
    # 60 cells of each repeat per group, at the same places of similar orders: within four standard errors.
    assert (np.abs(share - 0.4) < 4 * np.sqrt(0.4 * 0.6 / 60)).all()
