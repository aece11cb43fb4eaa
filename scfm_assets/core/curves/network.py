"""What another network of the same kind would change: parts of the points' errors by TF and by target.

A network lends one curve to all points: its TFs and targets are the same at every number of cells, so they move the
curve as a whole and make no scatter about it. They have no place in the covariance that forms are judged by. What they
do to a number that is read off the curve follows from the curve without each of them, to first order: the gradient of
the number by the points, times what the points would change by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNS = {"tfs": 1.0, "targets": 1.0, "tf_targets": -1.0}
"""Two-way clusters: variance over TFs and over targets, less what both count, the pairs (Cameron, Gelbach and Miller
2011, Journal of Business and Economic Statistics 29)."""


NETWORK = "network"
"""Kind of interval whose parts hold those of `SIGNS` one after the other, in thirds."""


class NetworkError(NamedTuple):
    """Standard error of a number over networks, and the independent clusters behind it."""

    error: float
    clusters: float

    def half_width(self, level: float = 0.95) -> float:
        """Half of the interval; infinite with fewer than two clusters."""
        return self.error * float(stdtrit(self.clusters - 1, (1 + level) / 2)) if self.clusters > 1 else np.inf


@dataclass(frozen=True, eq=False)
class NetworkParts:
    """Parts of the errors of all points, by kind of `SIGNS`: (points, units), whose squares sum to a variance.

    ``tfs`` are always known. Units stand at the same place for all points.
    """

    parts: Mapping[str, np.ndarray]

    @classmethod
    def of_thirds(cls, rows: np.ndarray) -> NetworkParts:
        """Take parts that stand one after the other, (points, 3 slots)."""
        return cls(dict(zip(SIGNS, np.split(rows, 3, axis=1), strict=True)))

    def error(self, gradient: np.ndarray) -> NetworkError:
        """Error of a number with this gradient by the points, (points,)."""
        moved = {kind: gradient @ parts for kind, parts in self.parts.items()}
        squares = {kind: float(changes @ changes) for kind, changes in moved.items()}
        single = [kind for kind in squares if SIGNS[kind] > 0]
        total = sum(SIGNS[kind] * squares[kind] for kind in squares)
        variance = max(total, *(squares[kind] for kind in single)) if len(single) > 1 else squares[single[0]]
        clusters = min(squares[kind] ** 2 / max(float((moved[kind] ** 4).sum()), 1e-300) for kind in single)
        return NetworkError(np.sqrt(variance), clusters)
