"""Groups of cells, which intervals over cells leave out in turn: parts of donors, or whole donors.

Where donors are known, no donor's cells are mixed with a part of another's. Few donors make several groups each, by how
many cells of the atlas are theirs; of enough donors each is a group. Only where there are more donors than groups, a
group holds several whole donors. Which group a cell is in hangs on the atlas and on the cells before it alone, so that
further cells at the end of the orders move none of those before them.
"""

from __future__ import annotations

import numpy as np

from scfm_assets.core.base import seed_from

LEAST_OF_DONOR = 2
"""Groups of one donor at least, where donors are divided: one says nothing of how its cells differ."""


def cell_groups(
    orders: np.ndarray, *, n_groups: int, seed: int, donors: np.ndarray | None = None, whole_from: int = 2
) -> np.ndarray:
    """Deal cells out to groups that are as large as each other in every cell set: intervals over cells leave one out.

    Of every `n_groups` cells (or as many as a donor has groups, of that donor) that follow each other in a repeat's
    order each goes to another group, in a shuffled order. A cell that several repeats hold belongs to the group of its
    first place.

    Parameters
    ----------
    orders
        From `cell_orders`, shape (repeats, length).
    n_groups
        Number of groups.
    seed
        From the catalog.
    donors
        Donor of each cell of the atlas, shape (n_cells,), where they are known.
    whole_from
        Number of donors from which on groups are whole donors.

    Returns
    -------
    Group of every row of the atlas up to the largest in `orders`, int32; rows in no order are -1.
    """
    _, length = orders.shape
    first = np.full(orders.max() + 1, length, dtype=np.int64)
    np.minimum.at(first, orders, np.broadcast_to(np.arange(length), orders.shape))
    if donors is None or n_groups == 1:
        dealt = _dealt(n_groups, length, "cell groups", n_groups, seed)
        return np.where(first < length, dealt[np.minimum(first, length - 1)], -1).astype(np.int32)
    names, donor, size = np.unique(np.asarray(donors, str), return_inverse=True, return_counts=True)
    if len(names) >= whole_from:
        group_of_donor = _whole(size, n_groups)
        return np.where(first < length, group_of_donor[donor[: len(first)]], -1).astype(np.int32)
    groups_of_donor = _divided(size, n_groups)
    start = np.cumsum(groups_of_donor) - groups_of_donor
    group = np.full(len(first), -1, np.int32)
    for number, name in enumerate(names):
        dealt = start[number] + _dealt(groups_of_donor[number], length, "cell groups", n_groups, seed, name)
        for order in orders[::-1]:  # where a cell stands first in two repeats at once, the first repeat decides
            of_donor = donor[order] == number
            place, cell = np.flatnonzero(of_donor), order[of_donor]
            is_first = first[cell] == place
            group[cell[is_first]] = dealt[np.flatnonzero(is_first)]
    return group


def _dealt(n_groups: int, length: int, *seed: str | int) -> np.ndarray:
    """Group of each place in an order, at least `length` of them."""
    rng = np.random.default_rng(seed_from(*seed))
    return np.concatenate([rng.permutation(n_groups) for _ in range(-(-length // n_groups))])


def _whole(size: np.ndarray, n_groups: int) -> np.ndarray:
    """Group of each donor: one of its own, or, of more donors than groups, the largest first to the smallest group."""
    if len(size) <= n_groups:
        return np.arange(len(size))
    group, held = np.empty(len(size), np.int64), np.zeros(n_groups, np.int64)
    for donor in np.argsort(-size, kind="stable"):
        group[donor] = np.argmin(held)
        held[group[donor]] += size[donor]
    return group


def _divided(size: np.ndarray, n_groups: int) -> np.ndarray:
    """Number of groups of each donor, in all `n_groups`: each a group more for the donor whose groups are largest."""
    number = np.full(len(size), LEAST_OF_DONOR)
    while number.sum() < n_groups:
        number[np.argmax(size / number)] += 1
    return number
