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

BISECTIONS = 40


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

    def below(self, x: float) -> float:
        """Tail area: how much of the form's weight lies below x."""
        best = int(self.squares.argmin())
        bounded = np.isfinite(self.value)
        if not bounded.any():
            return self._endless()
        least = self._least_at(x, bounded)
        gain = max(least - float(self.squares[best]), 0.0)
        centre = self.value[best]
        return float(stdtr(self.spare, np.sign(x - centre) * np.sqrt(gain / self.noise)))

    def _least_at(self, x: float, bounded: np.ndarray) -> float:
        """Least squares where the number is x."""
        value, squares = self.value[bounded], self.squares[bounded]
        if not self.variance[bounded].any():  # the shape alone says it
            order = np.argsort(value)
            return float(np.interp(x, value[order], squares[order]))
        return float((squares + (x - value) ** 2 / self.variance[bounded]).min())

    def _endless(self) -> float:
        """A line without an end: the weight lies on the side to which it goes, as far as that is known."""
        best = int(self.squares.argmin())
        error = np.sqrt(self.variance[best] * self.noise)
        return float(stdtr(self.spare, -np.sign(self.value[best]) / error)) if error > 0 else 0.5


def averaged(tails: Sequence[Tail], reach: tuple[float, float], *, level: float = 0.95) -> tuple[float | None, ...]:
    """Median and limits of a number over all forms; None where it lies outside `reach` or nowhere."""
    total = sum(tail.weight for tail in tails)

    def below(x: float) -> float:
        return sum(tail.weight * tail.below(x) for tail in tails) / total

    return tuple(_solved(below, share, reach) for share in (0.5, (1 - level) / 2, (1 + level) / 2))


def _solved(below: Callable[[float], float], share: float, reach: tuple[float, float]) -> float | None:
    lo, hi = reach
    if not below(lo) < share < below(hi):
        return None
    for _ in range(BISECTIONS):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if below(middle) < share else (lo, middle)
    return (lo + hi) / 2
