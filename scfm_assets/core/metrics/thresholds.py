"""Where scores lie among the scores of the positives, without sorting them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

AT_ONCE = 1 << 16
"""Scores that are looked up at once: few enough to stay in the cache. No result depends on it."""
FEW = 4096
"""Up to so many scores a binary search is as fast."""
BUCKET_BITS = 17
CROWDED = 40
"""Thresholds in one bucket from which on a binary search is faster."""


def codes_of(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Say where scores lie among thresholds: 2 j between u_{j-1} and u_j, 2 j + 1 at u_j (0-based j).

    Parameters
    ----------
    scores
        Finite numbers of any shape.
    thresholds
        Distinct and ascending, shape (p,), of the scores' type.

    Returns
    -------
    int64 in 0 .. 2 p, of the scores' shape.
    """
    codes = np.zeros(scores.shape, np.int64)
    if len(thresholds) == 0:
        return codes
    place_of = thresholds.searchsorted
    if scores.size > FEW and scores.dtype == thresholds.dtype and scores.dtype in (np.float32, np.float64):
        place_of = _bucket_search(thresholds) or place_of
    ends = np.append(thresholds, thresholds[-1])
    flat, out = np.ascontiguousarray(scores).reshape(-1), codes.reshape(-1)
    for start in range(0, len(flat), AT_ONCE):
        part = flat[start : start + AT_ONCE]
        place = place_of(part)
        at = ends.take(place) == part
        at &= place < len(thresholds)
        np.add(2 * place, at, out=out[start : start + AT_ONCE])
    return codes


def _bucket_search(thresholds: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Look up by the leading bits of a number and step on from there; None where many thresholds share their bits."""
    bits = _ordered_bits(thresholds)
    first, last = int(bits[0]), int(bits[-1])
    shift = max(0, (last - first).bit_length() - BUCKET_BITS)
    base = first >> shift
    bucket_of_threshold = (bits >> shift) - base
    n_buckets = (last >> shift) - base + 1
    filled = np.bincount(bucket_of_threshold, minlength=n_buckets)
    if filled.max() > CROWDED:
        return None
    start_of_bucket = np.cumsum(filled) - filled
    ends = np.append(thresholds, np.inf).astype(thresholds.dtype)
    lowest, highest = bits[0], bits[-1]

    def place_of(values: np.ndarray) -> np.ndarray:
        bucket = np.clip(_ordered_bits(values), lowest, highest)
        bucket >>= shift
        bucket -= base
        place = start_of_bucket.take(bucket)
        place[values > thresholds[-1]] = len(thresholds)
        behind = np.flatnonzero(ends.take(place) < values)
        while len(behind):
            place[behind] += 1
            behind = behind[ends.take(place[behind]) < values[behind]]
        return place

    return place_of


def _ordered_bits(values: np.ndarray) -> np.ndarray:
    """Integers in the order of the numbers: IEEE 754 bits, with the order of the negative ones turned round."""
    signed = np.int32 if values.dtype == np.float32 else np.int64
    bits = (values + values.dtype.type(0)).view(signed)  # -0.0 becomes 0.0
    return bits ^ ((bits >> (bits.itemsize * 8 - 1)) & np.iinfo(signed).max)


def coarser(kept: np.ndarray) -> np.ndarray:
    """Translate codes among many thresholds into codes among some of them.

    Parameters
    ----------
    kept
        Which of the thresholds are kept, boolean (p,).

    Returns
    -------
    The new code of each old one, int64 (2 p + 1,).
    """
    before = np.concatenate([[0], np.cumsum(kept)])
    table = np.empty(2 * len(kept) + 1, np.int64)
    table[0::2] = 2 * before
    table[1::2] = 2 * before[:-1] + kept
    return table
