"""Random halves of units (groups of cells, TFs) that are alike in size."""

from __future__ import annotations

import numpy as np


def balanced_halves(sizes: np.ndarray, *, splits: int, seed: int) -> np.ndarray:
    """Divide units into two halves, many times.

    Units are sorted by size, those of one size at random, and of each two neighbours one goes to either half: for
    units of one size that is every half with the same chance, for others both halves get large and small ones alike.
    Of an odd number one unit, of any size, is added to either half.

    Parameters
    ----------
    sizes
        Size of each unit, shape (n_units,).
    splits
        Number of divisions.
    seed
        Decides them.

    Returns
    -------
    Whether each unit is in the first half, boolean (splits, n_units).
    """
    rng, n_units = np.random.default_rng(seed), len(sizes)
    order = np.lexsort((rng.random((splits, n_units)), np.broadcast_to(sizes, (splits, n_units))), axis=1)
    if n_units % 2:
        alone = rng.integers(n_units, size=splits)
        kept = np.arange(n_units) != alone[:, None]
        order = np.column_stack([order[kept].reshape(splits, n_units - 1), order[~kept]])
    heads = rng.random((splits, (n_units + 1) // 2)) < 0.5
    first = np.empty((splits, n_units), bool)
    pairs = np.stack([heads, ~heads], axis=2).reshape(splits, -1)[:, :n_units]
    np.put_along_axis(first, order, pairs, axis=1)
    return first
