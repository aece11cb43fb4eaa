"""Generalised least squares for curves y = c + a g(n; shape): exact in a and c, a scan in the shape.

Points are multiplied by the inverse of a root of their covariance, which makes their errors independent and alike.
Once the shape is given, a and c are then a regression on two known columns, in closed form. All fits follow from that:
the best shape (`best_shape`), predictions of points that are left out (`leave_one_out`), and `Fan`, the fits at every
shape that could matter, from which profiles, model averages and simulations are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from scfm_assets.core.curves.forms import CurveForm

ZOOM = np.linspace(0.0, 1.0, 33)
ZOOMS = 6
"""Each zoom narrows the bracket sixteenfold: 6 leave 6e-8 of a grid step, less than the curvature can show."""
ROUGH = 4
"""Zooms where only predictions are wanted, which follow the shape to second order."""
ROUNDING = 1e-12
"""Share of a sum of squares below which a difference of sums is rounding."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points of one curve with the covariance of their errors.

    Attributes
    ----------
    n, y
        Cell counts and values, shape (points,).
    covariance
        Of the errors of y, up to a common factor, shape (points, points).
    freedom
        Degrees of freedom with which that factor is known to be 1: 0 where only the residuals tell how large the noise
        is. It counts as that many residuals of variance 1.
    """

    n: np.ndarray
    y: np.ndarray
    covariance: np.ndarray
    freedom: float = 0.0

    @cached_property
    def whitener(self) -> np.ndarray:
        """Inverse of the lower Cholesky root of the covariance."""
        return np.linalg.inv(np.linalg.cholesky(self.covariance))

    @cached_property
    def ones(self) -> np.ndarray:
        """The column of the offset c, whitened."""
        return self.whitened(np.ones(len(self.n)))

    @cached_property
    def values(self) -> np.ndarray:
        """Y, whitened."""
        return self.whitened(self.y)

    def whitened(self, values: np.ndarray) -> np.ndarray:
        """Make errors independent and alike; the last axis is the points."""
        return values @ self.whitener.T

    @property
    def evidence(self) -> float:
        """Points, and what is known of their noise, as a number of residuals."""
        return len(self.n) + self.freedom

    @cached_property
    def without_each_n(self) -> list[tuple[np.ndarray, Points]]:
        """Which points are of one n, and all others; for every n."""
        return [(out, self.chosen(~out)) for out in (self.n == n for n in np.unique(self.n))]

    def chosen(self, kept: np.ndarray) -> Points:
        """Some of the points, by a mask."""
        return Points(self.n[kept], self.y[kept], self.covariance[np.ix_(kept, kept)], self.freedom)


class Projection(NamedTuple):
    """Best a and c for given shapes, arrays of any common shape."""

    a: np.ndarray
    c: np.ndarray
    sse: np.ndarray
    """Sum of squared whitened residuals."""
    total: np.ndarray
    """Squared length of the column of c."""
    mean: np.ndarray
    """What g is, by regression, of the column of c."""
    spread: np.ndarray
    """Squared length of what is left of g."""

    def variance(self, of_a: np.ndarray | float, of_c: np.ndarray | float) -> np.ndarray:
        """Variance of ``of_a * a + of_c * c`` per unit of noise."""
        varies = self.spread > 0
        tilt = np.divide((of_a - of_c * self.mean) ** 2, self.spread, out=np.zeros_like(self.spread), where=varies)
        return tilt + np.square(of_c) / self.total


def project(g: np.ndarray, points: Points) -> Projection:
    """Regress y on g, unwhitened, shape (..., points)."""
    ones, y = points.ones, points.values
    g = points.whitened(g)
    total = ones @ ones
    mean = g @ ones / total
    level = y @ ones / total
    dg, dy = g - mean[..., None] * ones, y - level * ones
    spread = (dg * dg).sum(-1)
    spread = np.where(spread > 1e-24 * (g * g).sum(-1), spread, 0.0)
    a = np.divide(dg @ dy, spread, out=np.zeros(spread.shape), where=spread > 0)
    rest = dy - a[..., None] * dg
    return Projection(a, level - a * mean, (rest * rest).sum(-1), np.full(spread.shape, total), mean, spread)


def basis(form: CurveForm, n: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """g(n; shape) for every shape: the shape of `shapes` with the points as one more axis."""
    bend = {} if form.shape is None else {form.shape: shapes[..., None]}
    return np.broadcast_to(form.function(n, a=1.0, c=0.0, **bend), (*shapes.shape, len(n)))


def best_shape(form: CurveForm, points: Points, zooms: int = ZOOMS) -> float:
    """Find the shape of least squares; 0 for a form without one."""
    if form.shapes is None:
        return 0.0
    trial = form.shapes(points.n)
    for _ in range(zooms):
        nearest = int(project(basis(form, points.n, trial), points).sse.argmin())
        lo, hi = trial[max(nearest - 1, 0)], trial[min(nearest + 1, len(trial) - 1)]
        trial = lo + (hi - lo) * ZOOM
    return float(trial[project(basis(form, points.n, trial), points).sse.argmin()])


def leave_one_out(form: CurveForm, points: Points) -> np.ndarray:
    """Predict the points of every n from a fit to those of all others, shape (points,)."""
    predicted = np.empty(len(points.n))
    for out, rest in points.without_each_n:
        shape = np.array(best_shape(form, rest, ROUGH))
        fit = project(basis(form, rest.n, shape), rest)
        predicted[out] = fit.c + fit.a * basis(form, points.n[out], shape)
    return predicted


@dataclass(frozen=True, eq=False)
class Fan:
    """Fits of one form at every shape that could matter.

    Attributes
    ----------
    form, points
        What is fitted to what.
    shapes
        Ascending, shape (shapes,); one number for a form without a shape.
    """

    form: CurveForm
    points: Points
    shapes: np.ndarray

    @cached_property
    def g(self) -> np.ndarray:
        """The form at every shape, (shapes, points)."""
        return basis(self.form, self.points.n, self.shapes)

    @cached_property
    def fit(self) -> Projection:
        """Best a and c at every shape."""
        return project(self.g, self.points)

    @cached_property
    def columns(self) -> np.ndarray:
        """Two orthonormal columns that span the whitened curves of every shape, (shapes, points, 2)."""
        ones, fit = self.points.ones, self.fit
        rest = self.points.whitened(self.g) - fit.mean[:, None] * ones
        length = np.sqrt(np.where(fit.spread > 0, fit.spread, np.inf))[:, None]
        return np.stack([np.broadcast_to(ones / np.sqrt(ones @ ones), rest.shape), rest / length], axis=-1)

    def least_squares(self, values: np.ndarray) -> np.ndarray:
        """Least sum of squares of other whitened values, (sets, points), over all shapes; shape (sets,).

        Between two shapes it is taken from the parabola through the best and its neighbours.
        """
        shapes, points, _ = self.columns.shape
        values = (
            values - (values @ self.points.ones / (self.points.ones @ self.points.ones))[:, None] * self.points.ones
        )
        explained = values @ self.columns.transpose(1, 0, 2).reshape(points, -1)
        explained = (explained.reshape(len(values), shapes, 2) ** 2).sum(-1)
        best = explained.argmax(1)
        rows = np.arange(len(values))
        top = explained[rows, best]
        if shapes > 2:
            middle = np.clip(best, 1, shapes - 2)
            at = [self.shapes[middle + step] for step in (-1, 0, 1)]
            of = [explained[rows, middle + step] for step in (-1, 0, 1)]
            top = np.maximum(top, np.minimum(_top_of_parabola(at, of), top + np.ptp(of, axis=0)))
        total = (values**2).sum(1)
        return np.maximum(total - top, ROUNDING * total)


def _top_of_parabola(at: list[np.ndarray], of: list[np.ndarray]) -> np.ndarray:
    """Largest value of the parabola through three points inside them; the largest point where it opens upwards."""
    left, right = at[1] - at[0], at[2] - at[1]
    before, after = (of[1] - of[0]) / left, (of[2] - of[1]) / right
    bend = (after - before) / (left + right)
    slope = (before * right + after * left) / (left + right)
    step = np.clip(np.divide(-slope, 2 * bend, out=np.zeros_like(slope), where=bend < 0), -left, right)
    return np.maximum(of[1] + slope * step + bend * step**2, np.max(of, axis=0))
