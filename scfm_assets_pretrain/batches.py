"""Cells of similar length in batches bounded by tokens; every batch is a function of seed and step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.core.tokens import Tokens

POOL = 1024
"""Cells that are drawn at random and then sorted by length, so that batches need little padding."""


def plan(lengths: np.ndarray, steps: int, *, batch_tokens: int, seed: int) -> list[np.ndarray]:
    """Say which cells each step sees.

    Every epoch sees each cell once, in an order of its own.

    Parameters
    ----------
    lengths
        Tokens of each cell, all above zero.
    steps
        Number of batches.
    batch_tokens
        Most tokens of a batch, padding included.
    seed
        Decides the order.
    """
    planned: list[np.ndarray] = []
    epoch = 0
    while len(planned) < steps:
        rng = np.random.default_rng(seed_from("order", seed, epoch))
        batches = list(_epoch(lengths, rng.permutation(len(lengths)), batch_tokens))
        planned += [batches[i] for i in rng.permutation(len(batches))]
        epoch += 1
    return planned[:steps]


def in_order(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Put all cells into batches once, the shortest first."""
    return list(_cut(lengths, np.argsort(lengths, kind="stable"), batch_tokens))


def padded(tokens: Tokens, cells: np.ndarray, pad: int) -> np.ndarray:
    """Lay cells side by side: int64 of shape (cells, longest), padded at their ends."""
    lengths = tokens.lengths[cells]
    ids = np.full((len(cells), int(lengths.max())), pad, dtype=np.int64)
    for row, cell in zip(ids, cells, strict=True):
        cell_ids = tokens.row(int(cell))
        row[: len(cell_ids)] = cell_ids
    return ids


def _epoch(lengths: np.ndarray, order: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    for start in range(0, len(order), POOL):
        pool = order[start : start + POOL]
        yield from _cut(lengths, pool[np.argsort(lengths[pool], kind="stable")], batch_tokens)


def _cut(lengths: np.ndarray, rising: np.ndarray, batch_tokens: int) -> Iterator[np.ndarray]:
    """Cut cells of rising length where one more would exceed the tokens."""
    start = 0
    for i, cell in enumerate(rising.tolist()):
        if i > start and (i - start + 1) * int(lengths[cell]) > batch_tokens:
            yield rising[start:i]
            start = i
    yield rising[start:]
