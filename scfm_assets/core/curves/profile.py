"""Least squares for curves y = c + a g(n; shape): exact in a and c, a scan in the shape.

Once the shape is given, a and c are a weighted regression on one variable, in closed form. All of this module follows
from that: the best shape of any number of weightings at once (`best_shapes`), leave-one-out predictions
(`leave_one_out`: a left-out point is a point of weight zero) and profile intervals (`Profile`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scfm_assets.core.curves.forms import CurveForm

ZOOM = np.linspace(0.0, 1.0, 33)
ZOOMS = 6
"""Each zoom narrows the bracket sixteenfold: 6 leave 6e-8 of a grid step, less than the curvature can show."""
FAR = 10.0
"""A level of y this many ranges of y away from the points is beyond what they can tell: no limit."""
LEVEL = 0.95


Limits = tuple[float | None, float | None]


class Projection(NamedTuple):
    """Best a and c for given shapes, arrays of any common shape."""

    a: np.ndarray
    c: np.ndarray
    sse: np.ndarray
    total: np.ndarray
    """Sum of the weights."""
    mean: np.ndarray
    """Weighted mean of g."""
    spread: np.ndarray
    """Weighted sum of squares of g about its mean."""


def project(g: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Projection:
    """Regress y on g with weights; all broadcast, the last axis is the points."""
    total = weights.sum(-1)
    mean = (weights * g).sum(-1) / total
    level = (weights * y).sum(-1) / total
    dg, dy = g - mean[..., None], y - level[..., None]
    spread = (weights * dg * dg).sum(-1)
    a = np.divide((weights * dg * dy).sum(-1), spread, out=np.zeros(spread.shape), where=spread > 0)
    rest = dy - a[..., None] * dg
    return Projection(a, level - a * mean, (weights * rest * rest).sum(-1), total, mean, spread)


def basis(form: CurveForm, n: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """g(n; shape) for every shape: the shape of `shapes` with the points as one more axis."""
    bend = {} if form.shape is None else {form.shape: shapes[..., None]}
    return np.broadcast_to(form.function(n, a=1.0, c=0.0, **bend), (*shapes.shape, len(n)))


def best_shapes(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Find the shape of least SSE for each row of `weights` (rows x points); zeros for a form without one.

    A point of weight zero is not there: neither its y nor its n counts.
    """
    if form.shapes is None:
        return np.zeros(len(weights))
    rows = np.arange(len(weights))
    trial = np.stack([form.shapes(n[row > 0]) for row in weights])
    for _ in range(ZOOMS):
        nearest = project(basis(form, n, trial), y, weights[:, None, :]).sse.argmin(1)
        last = trial.shape[1] - 1
        lo, hi = trial[rows, np.maximum(nearest - 1, 0)], trial[rows, np.minimum(nearest + 1, last)]
        trial = lo[:, None] + (hi - lo)[:, None] * ZOOM
    return trial[rows, project(basis(form, n, trial), y, weights[:, None, :]).sse.argmin(1)]


def leave_one_out(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Predict every point from a fit to all others, shape (points,)."""
    rows = weights * (1.0 - np.eye(len(n)))
    g = basis(form, n, best_shapes(form, n, y, rows))
    fit = project(g, y, rows)
    return fit.c + fit.a * np.diagonal(g)


@dataclass(frozen=True)
class Profile:
    """The shapes that the points accept at the 95 % level, and the best a and c at each.

    A shape is accepted if its SSE is at most SSE_min (1 + t^2 / (points - parameters)), t the two-sided quantile of
    Student's t; at a given shape, so is a value of a linear function of a and c. For a form without a shape this is the
    ordinary t interval.
    """

    form: CurveForm
    n: np.ndarray
    best: float
    shapes: np.ndarray
    """Accepted values of the shape, ascending, the first and the last being the limits."""
    fit: Projection
    """Best a and c at each."""
    slack: np.ndarray
    """What the threshold leaves above the SSE at each shape."""
    open_below: bool
    open_above: bool
    reach: tuple[float, float]
    """The values of y that are not `FAR` from the points."""

    @property
    def is_open(self) -> bool:
        """Whether the accepted shapes reach an end of what the points can tell, or a singular value."""
        singular = self.form.singular
        inside = singular is not None and self.shapes[0] <= singular <= self.shapes[-1]
        return self.open_below or self.open_above or inside

    @property
    def at_end(self) -> bool:
        """Whether the best shape is an end of its range, so that it says nothing but "beyond"."""
        return self.form.shapes is not None and bool(np.isclose(self.best, self.form.shapes(self.n)[[0, -1]]).any())

    def shape_interval(self) -> Limits:
        """Limits of the shape; None at an open end."""
        lo, hi = float(self.shapes[0]), float(self.shapes[-1])
        return (None if self.open_below else lo), (None if self.open_above else hi)

    def amplitude_interval(self) -> Limits:
        """Limits of a; None where the shape is open, for then a takes any value."""
        return (None, None) if self.is_open else self._interval(np.ones_like(self.shapes), np.zeros_like(self.shapes))

    def level_interval(self, level: Callable[[Mapping[str, Any]], Any]) -> Limits:
        """Limits of a level of y, linear in a and c; for a form with a shape None beyond the reach of the points."""
        bend = {} if self.form.shape is None else {self.form.shape: self.shapes}
        of_a, of_c = (np.zeros_like(self.shapes) + level({"a": a, "c": 1.0 - a, **bend}) for a in (1.0, 0.0))
        lo, hi = self._interval(of_a, of_c)
        if self.form.shape is None:
            return lo, hi
        nearest, farthest = self.reach
        return (None if lo is None or lo < nearest else lo), (None if hi is None or hi > farthest else hi)

    def _interval(self, of_a: np.ndarray, of_c: np.ndarray) -> Limits:
        """Limits of ``of_a * a + of_c * c``, the coefficients given at each accepted shape."""
        fit = self.fit
        value = of_a * fit.a + of_c * fit.c
        varies = fit.spread > 0
        tilt = np.divide((of_a - of_c * fit.mean) ** 2, fit.spread, out=np.zeros_like(value), where=varies)
        half = np.sqrt((tilt + of_c**2 / fit.total) * self.slack)
        if not np.isfinite(half + value).all():
            return None, None
        return float((value - half).min()), float((value + half).max())


def profile(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray, best: tuple[float, float]) -> Profile:
    """Collect the accepted shapes around the best fit.

    Parameters
    ----------
    form, n, y, weights
        Curve and points, each array of shape (points,).
    best
        Shape (any number for a form without one) and SSE of the best fit.
    """
    shape, sse = best
    spare = len(y) - len(form.parameters)
    threshold = sse * (1.0 + float(stdtrit(spare, 0.5 + LEVEL / 2)) ** 2 / spare) if spare > 0 else np.inf
    shapes, below, above = np.array([shape]), False, False
    if form.shapes is not None:
        grid = form.shapes(n)
        grid = np.sort(np.append(grid[grid != shape], shape))
        inside = np.flatnonzero(project(basis(form, n, grid), y, weights).sse <= threshold)
        first, last = (inside[0], inside[-1]) if len(inside) else (np.searchsorted(grid, shape),) * 2
        below, above = bool(first == 0), bool(last == len(grid) - 1)
        lo = grid[0] if below else _edge(form, (n, y, weights), (grid[first], grid[first - 1]), threshold)
        hi = grid[-1] if above else _edge(form, (n, y, weights), (grid[last], grid[last + 1]), threshold)
        shapes = np.unique(np.concatenate([grid[first : last + 1], np.linspace(lo, hi, 2 * len(grid)), [lo, hi]]))
    fit = project(basis(form, n, shapes), y, weights)
    slack = np.maximum(threshold - fit.sse, 0.0)
    away = FAR * float(np.ptp(y))
    return Profile(
        form=form,
        n=n,
        best=shape,
        shapes=shapes,
        fit=fit,
        slack=slack,
        open_below=below,
        open_above=above,
        reach=(float(y.min()) - away, float(y.max()) + away),
    )


def _edge(
    form: CurveForm, points: tuple[np.ndarray, np.ndarray, np.ndarray], bracket: tuple[float, float], threshold: float
) -> float:
    """Last accepted shape between an accepted and a refused one."""
    n, y, weights = points
    inside, outside = bracket
    for _ in range(ZOOMS):
        trial = inside + (outside - inside) * ZOOM
        refused = np.flatnonzero(project(basis(form, n, trial), y, weights).sse > threshold)
        first = int(refused[0]) if len(refused) else len(ZOOM) - 1
        inside, outside = trial[max(first - 1, 0)], trial[first]
    return float(inside)
