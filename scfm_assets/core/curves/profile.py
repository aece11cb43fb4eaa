"""What the points accept of a form: profile intervals of its shape, its parameters and its levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from scfm_assets.core.curves.least_squares import ZOOM, ZOOMS, Fan, Points, Projection, basis, project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scfm_assets.core.curves.forms import CurveForm

FAR = 10.0
"""A level of y this many ranges of y away from the points is beyond what they can tell: no limit."""
LEVEL = 0.95


Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class Profile:
    """The shapes that the points accept at the 95 % level, and the best a and c at each.

    A shape is accepted if its SSE is at most SSE_min + (f + SSE_min) t^2 / (f + points - parameters), f the degrees of
    freedom with which the noise is known beforehand (`Points.freedom`) and t the two-sided quantile of Student's t; at
    a given shape, so is a value of a linear function of a and c. For a form without a shape this is the ordinary t
    interval.
    """

    form: CurveForm
    points: Points
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
        return self.form.shapes is not None and bool(
            np.isclose(self.best, self.form.shapes(self.points.n)[[0, -1]]).any()
        )

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
        value = of_a * self.fit.a + of_c * self.fit.c
        half = np.sqrt(self.fit.variance(of_a, of_c) * self.slack)
        if not np.isfinite(half + value).all():
            return None, None
        return float((value - half).min()), float((value + half).max())

    @cached_property
    def fan(self) -> Fan:
        """Fits at the accepted shapes, densely, and at all others."""
        if self.form.shapes is None:
            return Fan(self.form, self.points, self.shapes)
        return Fan(self.form, self.points, np.unique(np.append(self.shapes, self.form.shapes(self.points.n))))


def profile(form: CurveForm, points: Points, best: tuple[float, float]) -> Profile:
    """Collect the accepted shapes around the best fit.

    Parameters
    ----------
    form, points
        Curve and points.
    best
        Shape (any number for a form without one) and SSE of the best fit.
    """
    shape, sse = best
    spare = points.evidence - len(form.parameters)
    quantile = float(stdtrit(spare, 0.5 + LEVEL / 2)) if spare > 0 else np.inf
    threshold = sse + (points.freedom + sse) * quantile**2 / spare if spare > 0 else np.inf
    shapes, below, above = np.array([shape]), False, False
    if form.shapes is not None:
        grid = form.shapes(points.n)
        grid = np.sort(np.append(grid[grid != shape], shape))
        inside = np.flatnonzero(project(basis(form, points.n, grid), points).sse <= threshold)
        first, last = (inside[0], inside[-1]) if len(inside) else (np.searchsorted(grid, shape),) * 2
        below, above = bool(first == 0), bool(last == len(grid) - 1)
        lo = grid[0] if below else _edge(form, points, (grid[first], grid[first - 1]), threshold)
        hi = grid[-1] if above else _edge(form, points, (grid[last], grid[last + 1]), threshold)
        shapes = np.unique(np.concatenate([grid[first : last + 1], np.linspace(lo, hi, 2 * len(grid)), [lo, hi]]))
    fit = project(basis(form, points.n, shapes), points)
    away = FAR * float(np.ptp(points.y))
    return Profile(
        form=form,
        points=points,
        best=shape,
        shapes=shapes,
        fit=fit,
        slack=np.maximum(threshold - fit.sse, 0.0),
        open_below=below,
        open_above=above,
        reach=(float(points.y.min()) - away, float(points.y.max()) + away),
    )


def _edge(form: CurveForm, points: Points, bracket: tuple[float, float], threshold: float) -> float:
    """Last accepted shape between an accepted and a refused one."""
    inside, outside = bracket
    for _ in range(ZOOMS):
        trial = inside + (outside - inside) * ZOOM
        refused = np.flatnonzero(project(basis(form, points.n, trial), points).sse > threshold)
        first = int(refused[0]) if len(refused) else len(ZOOM) - 1
        inside, outside = trial[max(first - 1, 0)], trial[first]
    return float(inside)
