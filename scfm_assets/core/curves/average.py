"""Numbers that no single form decides: averages over the forms by their Akaike weights, with limits.

Limits are those of model-averaged tail areas (Turek and Fletcher 2012, Computational Statistics and Data Analysis 56,
2809-2815): the value below which the tail areas of the forms' own profiles, weighted, come to 2.5 %. They hold what the
forms disagree about. A form in which the number does not exist, for the curve grows without end, has its whole weight
beyond every value: where such a form is not refuted there is no limit on that side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COARSE, FINE, REFINED = 129, 17, 5
"""Steps over the whole reach, and in each refinement between two of them: to 1e-8 of the reach."""


@dataclass(frozen=True, eq=False)
class Tail:
    """What one form says of a number: its profile over the shapes of a fan.

    Attributes
    ----------
    weight
        Of the form among all.
    value
        The number at every shape, infinite where it has no end, shape (shapes,).
    variance
        Of the number at every shape, per unit of noise, (shapes,); of its slope, relative to it, where it has no end.
    squares
        Least squares at every shape, (shapes,).
    noise
        Variance of the noise, per unit of the covariance.
    spare
        Degrees of freedom of `noise`.
    """

    weight: float
    value: np.ndarray
    variance: np.ndarray
    squares: np.ndarray
    noise: float
    spare: float

    def below(self, x: np.ndarray) -> np.ndarray:
        """Tail areas: how much of the form's weight lies below each x, (xs,)."""
        best = int(self.squares.argmin())
        bounded = np.isfinite(self.value)
        if not bounded.any():
            return np.full(len(x), self._endless())
        gain = np.maximum(self._least_at(x, bounded) - self.squares[best], 0.0)
        return stdtr(self.spare, np.sign(x - self.value[best]) * np.sqrt(gain / self.noise))

    def _least_at(self, x: np.ndarray, bounded: np.ndarray) -> np.ndarray:
        """Least squares where the number is x."""
        value, squares, variance = self.value[bounded], self.squares[bounded], self.variance[bounded]
        if not variance.any():  # the shape alone says it
            order = np.argsort(value)
            return np.interp(x, value[order], squares[order])
        return (squares + (x[:, None] - value) ** 2 / variance).min(1)

    def _endless(self) -> float:
        """A line without an end: the weight lies on the side to which it goes, as far as that is known."""
        best = int(self.squares.argmin())
        error = np.sqrt(self.variance[best] * self.noise)
        return float(stdtr(self.spare, -np.sign(self.value[best]) / error)) if error > 0 else 0.5


def averaged(tails: Sequence[Tail], reach: tuple[float, float], *, level: float = 0.95) -> tuple[float | None, ...]:
    """Median and limits of a number over all forms; None where it lies outside `reach` or nowhere."""
    total = sum(tail.weight for tail in tails)

    def below(x: np.ndarray) -> np.ndarray:
        return sum((tail.weight * tail.below(x) for tail in tails), np.zeros(len(x))) / total

    coarse = np.linspace(*reach, COARSE)
    areas = below(coarse)
    return tuple(_solved(below, share, coarse, areas) for share in (0.5, (1 - level) / 2, (1 + level) / 2))


def _solved(below: Callable[[np.ndarray], np.ndarray], share: float, x: np.ndarray, areas: np.ndarray) -> float | None:
    """Where the tail area passes a share, by ever finer steps between the x that it was passed at."""
    if not areas[0] < share < areas[-1]:
        return None
    for _ in range(REFINED):
        after = max(int((areas >= share).argmax()), 1)
        x = np.linspace(x[after - 1], x[after], FINE)
        areas = below(x)
    after = max(int((areas >= share).argmax()), 1)
    return float((x[after - 1] + x[after]) / 2)
