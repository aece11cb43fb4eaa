"""What a matrix of edge scores is called, and which end of its pairs is the TF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


@dataclass(frozen=True)
class Direction:
    """Which end of an attended pair is the TF."""

    name: str
    doc: str
    transposed: bool = False

    def orient(self, scores: np.ndarray) -> np.ndarray:
        """Turn scores (K, K) [query, key] so that rows are the TF's end; a view."""
        return scores.T if self.transposed else scores


TF_QUERIES = Direction("tf_queries", "the TF is the query and attends its target: score[tf, target], the published one")
TF_KEYS = Direction("tf_keys", "the TF is the key and is attended by its target: score[target, tf]", transposed=True)
SYMMETRIC = Direction("symmetric", "the score knows no query and no key: rows are the TF's end")
DIRECTIONS = (TF_QUERIES, TF_KEYS)


@dataclass(frozen=True)
class ScoreKey:
    """Names one matrix of edge scores; layer and head are None where they do not apply.

    `symmetric` says that there is no query and no key, so that the matrix is read once, rows at the TF's end: by most
    such methods both ends score the same.
    """

    repeat: int
    method: str
    layer: int | None = None
    head: int | None = None
    symmetric: bool = False

    def directions(self, wanted: Sequence[Direction] = DIRECTIONS) -> tuple[Direction, ...]:
        """Directions in which this matrix is read."""
        return (SYMMETRIC,) if self.symmetric else tuple(wanted)
