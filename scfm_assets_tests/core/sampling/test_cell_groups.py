"""Groups of cells lie in donors, stay as they are when cells are added, and are as large as each other."""

import numpy as np
import pytest

from scfm_assets.core.sampling.cell_groups import cell_groups

N = 600


def orders_of(length: int, repeats: int = 2) -> np.ndarray:
    return np.stack([np.random.default_rng([3, repeat]).permutation(N)[:length] for repeat in range(repeats)])


def donors_of(n: int, *, uneven: bool = False) -> np.ndarray:
    share = np.arange(1, n + 1) if uneven else np.ones(n)
    drawn = np.random.default_rng(n).choice(n, N, p=share / share.sum())
    return np.array([f"D{i:02}" for i in drawn])


@pytest.mark.parametrize(("n_donors", "uneven"), [(1, False), (2, True), (4, False), (4, True), (5, False), (9, True)])
def test_no_group_holds_cells_of_two_donors(n_donors, uneven):
    donors = donors_of(n_donors, uneven=uneven)
    groups = cell_groups(orders_of(300), n_groups=10, seed=5, donors=donors, whole_from=5)
    held = groups >= 0
    assert np.array_equal(np.flatnonzero(held), np.unique(orders_of(300)))
    donors_of_group = [set(donors[: len(groups)][groups == group]) for group in np.unique(groups[held])]
    assert all(len(found) == 1 for found in donors_of_group)
    if n_donors >= 5:
        assert len(donors_of_group) == n_donors
    else:
        assert len(donors_of_group) == 10
        assert all(donors_of_group.count({name}) >= 2 for name in set(donors))


def test_more_donors_than_groups_share_groups_with_all_their_cells():
    donors = donors_of(16)
    groups = cell_groups(orders_of(400), n_groups=10, seed=5, donors=donors, whole_from=5)
    for name in set(donors):
        assert len(set(groups[(donors[: len(groups)] == name) & (groups >= 0)])) == 1
    sizes = np.bincount(groups[groups >= 0])
    assert len(sizes) == 10
    assert sizes.max() < 3 * sizes.min()


@pytest.mark.parametrize("n_donors", [None, 3, 7])
def test_cells_at_the_end_of_the_orders_move_no_other(n_donors):
    donors = None if n_donors is None else donors_of(n_donors)
    short, long = (cell_groups(orders_of(n), n_groups=10, seed=5, donors=donors, whole_from=5) for n in (120, 500))
    first = np.unique(orders_of(120))
    assert np.array_equal(short[first], long[first])


def test_groups_of_one_donor_are_as_large_as_each_other_in_every_cell_set():
    donors, (order,) = donors_of(3), orders_of(300, repeats=1)
    groups = cell_groups(order[None], n_groups=10, seed=5, donors=donors, whole_from=5)
    for n in (60, 150, 300):
        for name in set(donors):
            mine = order[:n][donors[order[:n]] == name]
            sizes = np.bincount(groups[mine])
            assert np.ptp(sizes[sizes > 0]) <= 1


def test_donors_of_one_group_are_not_told_apart():
    assert set(cell_groups(orders_of(50), n_groups=1, seed=5, donors=donors_of(3), whole_from=5)) <= {-1, 0}
