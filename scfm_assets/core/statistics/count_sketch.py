"""Many small contributions to an error in a short list that keeps their squares and products on average.

Contributions of hundreds of targets, or of every pair, to the values at several numbers of cells are kept so that their
covariances can be made later. Each is added, with a sign, to one of a fixed number of slots; slot and sign follow from
its place alone, so they are the same for every value. Products of two such lists then expect the sum of the products of
what they are made of (Charikar, Chen and Farach-Colton 2004, Theoretical Computer Science 312, "count sketch"), with a
relative standard error of about sqrt(2 / slots).
"""

from __future__ import annotations

import numpy as np

SLOTS = 128
"""Contributions up to which every one has a slot of its own; with more, a variance is right to one part in eight."""


def signed_sums(contributions: np.ndarray, slots: int = SLOTS) -> np.ndarray:
    """Sum contributions along the last axis into slots, shape (..., slots); as they are, and zeros, where they fit."""
    *_, n = contributions.shape
    if n <= slots:
        return np.concatenate([contributions, np.zeros((*contributions.shape[:-1], slots - n))], axis=-1)
    rng = np.random.default_rng(n)
    slot, sign = rng.integers(slots, size=n), rng.choice([-1.0, 1.0], size=n)
    rows = (contributions * sign).reshape(-1, n)
    summed = np.stack([np.bincount(slot, row, minlength=slots) for row in rows])
    return summed.reshape(*contributions.shape[:-1], slots)


def network_parts(of_tfs: np.ndarray, of_targets: np.ndarray, of_pairs: np.ndarray) -> np.ndarray:
    """Put what TFs, targets and pairs add to a value into one list, shape (3 * SLOTS,).

    The variance over networks is the sum of the squares of its first and second thirds less that of the last, which the
    other two both count (`scfm_assets.core.curves` reads it so).

    Parameters
    ----------
    of_tfs, of_targets, of_pairs
        Influence of every TF, target and pair on the value, one-dimensional; the order is the same for all values.
    """
    return np.concatenate([signed_sums(part) for part in (of_tfs, of_targets, of_pairs)])
