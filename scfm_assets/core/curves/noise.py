"""How the errors of the points of one curve hang together: from what every value would be without groups of its cells.

The cell sets of a repeat are nested, so a value at n cells and one at m share the luck of min(n, m) of them. A
jackknife over ten groups of cells sees that, but with nine degrees of freedom it cannot give the covariance of nine
points: its matrix has no inverse. It gives the three numbers of a structure instead,

    cov(e_n, e_m) = s^2 (n m)^(-b/2) (shared cells / max(n, m))^k,

by maximum likelihood of a Wishart matrix. A mean over n independent cells is b = 1, k = 1/2 exactly. Ranking metrics of
noisy scores differ from that: their error falls more slowly (b near 0), and is renewed faster by new cells (k near 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

FALLS = (-1.0, 3.0)
"""Powers b of the cell count by which the variance may fall."""
RENEWED = (0.05, 4.0)
"""Powers k of the shared cells with which errors hang together."""
FLOOR = 1e-6
"""Least eigenvalue of a correlation matrix: sets of several repeats that share cells need not give a proper one."""


@dataclass(frozen=True)
class NestedNoise:
    """The three numbers of the structure."""

    scale: float
    """Standard deviation s at one cell."""
    falls: float
    """Power b."""
    renewed: float
    """Power k."""

    def covariance(self, n: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Covariance of values at cell counts n, (points,), of cell sets that share so many cells, (points, points)."""
        correlation = _proper((shared / np.maximum(n[:, None], n)) ** self.renewed)
        errors = self.scale * n ** (-self.falls / 2)
        return correlation * errors[:, None] * errors


@dataclass(frozen=True, eq=False)
class Deviations:
    """Deviations of the values of one repeat when groups of cells are left out.

    Attributes
    ----------
    n
        Cell counts, shape (points,).
    parts
        Shape (points, groups): summed products over the groups are the jackknife's covariances.
    freedom
        Degrees of freedom: groups that hold cells at every point, less one.
    """

    n: np.ndarray
    parts: np.ndarray
    freedom: int


def nested_noise(repeats: Sequence[Deviations]) -> NestedNoise | None:
    """Fit the structure to jackknife deviations; None where they do not vary, or say nothing of the correlation."""
    known = [(deviations, deviations.parts @ deviations.parts.T) for deviations in repeats if deviations.freedom > 0]
    known = [(deviations, matrix) for deviations, matrix in known if (np.diag(matrix) > 0).all()]
    if not known or max(len(deviations.n) for deviations, _ in known) < 2:
        return None

    def deviance(parameters: np.ndarray) -> float:
        log_scale, falls, renewed = parameters
        noise = NestedNoise(np.exp(log_scale), falls, renewed)
        total = 0.0
        for deviations, matrix in known:
            covariance = noise.covariance(deviations.n, np.minimum(deviations.n[:, None], deviations.n))
            root = np.linalg.cholesky(covariance)
            inner = np.linalg.solve(root, np.linalg.solve(root, matrix).T)
            total += deviations.freedom * (2 * np.log(np.diag(root)).sum() + np.trace(inner))
        return total

    n = np.concatenate([deviations.n for deviations, _ in known])
    logs = np.log(np.concatenate([np.diag(matrix) for _, matrix in known]))
    falls = float(np.clip(-np.polyfit(np.log(n), logs, 1)[0], *FALLS))
    start = np.array([0.5 * (logs + falls * np.log(n)).mean(), falls, 1.0])
    bounds = [(None, None), FALLS, RENEWED]
    log_scale, falls, renewed = minimize(deviance, start, method="L-BFGS-B", bounds=bounds).x
    return NestedNoise(float(np.exp(log_scale)), float(falls), float(renewed))


def _proper(correlation: np.ndarray) -> np.ndarray:
    """Raise eigenvalues that are too small, and keep ones on the diagonal."""
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= FLOOR:
        return correlation
    raised = (vectors * np.maximum(values, FLOOR)) @ vectors.T
    length = np.sqrt(np.diag(raised))
    return raised / length[:, None] / length
