"""Fit every form of a scaling curve to points (n, y) and say what the points can tell about it.

The shape of a form is scanned over its whole range with amplitude and offset solved exactly (`least_squares`), so no
start value can be missed; least squares then polish the best. Errors of the points may hang together: they have a
covariance. Intervals are profile intervals: where the points set no limit, the limit is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import leastsq

from scfm_assets.core.curves.forms import FORMS, CurveForm
from scfm_assets.core.curves.least_squares import Points, best_shape, leave_one_out, project
from scfm_assets.core.curves.profile import Limits, Profile, profile
from scfm_assets.core.curves.telling_apart import chance_of_gaps
from scfm_assets.errors import ScfmError

__all__ = ["FORMS", "MIN_POINTS", "VERDICTS", "CurveFit", "CurveForm", "WithLimits", "fit_curves", "fit_points"]

REFUTED = 0.015
"""A form is worse if data that were made by it would lie so far behind another form less often than this."""
SPARE = 3
"""Forms are ranked if all of them leave at least so many residuals beside their AICc's own correction."""
MIN_POINTS = 4
VERDICTS = ("best", "indistinguishable", "worse", "degenerate", "too_few_points")


@dataclass(frozen=True)
class WithLimits:
    """A number with its 95 % interval; a limit that the points do not set is None."""

    value: float
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True)
class CurveFit:
    """One form fitted to one series of points."""

    form: CurveForm
    parameters: Mapping[str, WithLimits]
    n_points: int
    sse: float
    """Sum of squared residuals, by the inverse of the covariance."""
    r2: float | None
    """1 - SSE / SSE of the constant; None where all y are equal."""
    aicc: float | None
    """N ln((f + SSE)/N) + 2k + 2k(k+1)/(N-k-1) with N = points + f, f the degrees of freedom of the known noise, and k
    = parameters of the curve + 1 for the noise; None for N <= k + 1."""
    weight: float | None
    """Akaike weight; None where forms are not ranked."""
    loo_rmse: float | None
    """Root mean squared error at each n (weighted) when the curve is fitted to all others."""
    asymptote: WithLimits | None
    """None if the form has none, or if the points say nothing but "beyond"."""
    characteristic_n: WithLimits | None
    """None if the form has none, or if the points bound it on neither side."""
    verdict: str
    """One of `VERDICTS`."""
    accepted: Profile
    """What the points accept of the form."""
    chance: float | None = None
    """How often data made by this form, with the noise of the points, would lie as far behind another form; None where
    forms are not ranked."""

    def predict(self, n: np.ndarray) -> np.ndarray:
        """Evaluate the fitted curve at cell counts `n` (any shape)."""
        return self.form.function(np.asarray(n, float), **{name: e.value for name, e in self.parameters.items()})


def fit_curves(n: np.ndarray, y: np.ndarray, sigma: np.ndarray | None = None) -> tuple[CurveFit, ...]:
    """Fit all `FORMS` to points with independent errors, and judge them against each other.

    Parameters
    ----------
    n
        Cell counts, positive, shape (points,); equal values are separate points.
    y
        Values, e.g. AUROC, shape (points,).
    sigma
        Standard deviations of y up to a common factor, shape (points,); None for equal weights. How large the noise is
        comes from the residuals in either case.

    Returns
    -------
    tuple of CurveFit
        One per form, in the order of `FORMS`.

    Raises
    ------
    ScfmError
        Fewer than four different n, a value that is not finite, an n or sigma that is not positive.
    """
    n, y, sigma = _checked(n, y, sigma)
    order = np.lexsort((sigma, y, n))  # nothing depends on the order of the points
    n, y, logs = n[order], y[order], np.log(sigma[order])
    return fit_points(Points(n, y, np.diag(np.exp(2.0 * (logs - logs.mean())))))


def fit_points(points: Points) -> tuple[CurveFit, ...]:
    """Fit all `FORMS` to points whose errors hang together; otherwise as `fit_curves`."""
    if (different := len(np.unique(points.n))) < MIN_POINTS:
        place, remedy = "points, n", f"A curve needs at least {MIN_POINTS} different n."
        raise ScfmError(place, f"{different} different values in {len(points.n)} points", remedy)
    return tuple(replace(fit, loo_rmse=_loo_rmse(fit.form, points)) for fit in judged(weighed_forms(points)))


def weighed_forms(points: Points) -> list[CurveFit]:
    """Fit all `FORMS`, with their Akaike weights where forms are ranked, without a verdict among them."""
    fits = [_fit(form, points) for form in FORMS]
    if not all(_is_ranked(fit) for fit in fits):
        return [fit if fit.aicc is None else replace(fit, verdict="too_few_points") for fit in fits]
    known = np.array([fit.aicc for fit in fits], float)
    shares = np.exp(-(known - known.min()) / 2)
    return [replace(fit, weight=float(share)) for fit, share in zip(fits, shares / shares.sum(), strict=True)]


def _checked(n: np.ndarray, y: np.ndarray, sigma: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points as floats; refuse what is none."""
    n, y = np.asarray(n, float), np.asarray(y, float)
    sigma = np.ones_like(y) if sigma is None else np.asarray(sigma, float)
    for name, values in (("n", n), ("y", y), ("sigma", sigma)):
        place = f"points, {name}"
        if values.ndim != 1 or values.shape != n.shape:
            problem = f"has shape {values.shape}, n has shape {n.shape}"
            raise ScfmError(place, problem, "All are one-dimensional and equally long.")
        wrong = ~np.isfinite(values) if name == "y" else ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            row = int(wrong.argmax())
            allowed = "a finite number" if name == "y" else "a positive, finite number"
            remedy = f"Every {name} must be {allowed}. Leave out the points that have none."
            raise ScfmError(place, f"{values[row]} in row {row + 1}", remedy)
    return n, y, sigma


def _fit(form: CurveForm, points: Points) -> CurveFit:
    """Fit one form; its Akaike weight, and its verdict among the others, need them."""
    y, k = points.y, len(form.parameters) + 1
    constant = float(project(np.zeros(len(y)), points).sse)
    # what the rounding of y itself leaves
    floor = len(y) * (2 * np.finfo(float).eps * float(np.abs(y).max())) ** 2 / float(np.diag(points.covariance).min())
    values = _optimum(form, points)
    sse = max(float((points.whitened(y - form.function(points.n, **values)) ** 2).sum()), floor)
    accepted = profile(form, points, (values.get(form.shape or "", 0.0), sse))
    flat, spare = constant <= floor, points.evidence - k - 1
    degenerate = flat or _is_degenerate(form, values, accepted)
    return CurveFit(
        form=form,
        parameters={name: WithLimits(values[name], *_limits(name, accepted)) for name in form.parameters},
        n_points=len(y),
        sse=sse,
        r2=None if flat else 1.0 - sse / constant,
        aicc=None if flat or spare <= 0 else _aicc(sse, k, points),
        weight=None,
        loo_rmse=None,
        asymptote=_asymptote(form, values, accepted),
        characteristic_n=_characteristic_n(form, values, accepted),
        verdict="too_few_points" if spare < SPARE else "degenerate" if degenerate else "worse",
        accepted=accepted,
    )


def _aicc(sse: float, k: int, points: Points) -> float:
    evidence = points.evidence
    return evidence * math.log((points.freedom + sse) / evidence) + 2 * k + 2 * k * (k + 1) / (evidence - k - 1)


def _optimum(form: CurveForm, points: Points) -> dict[str, float]:
    """Find the parameters of least SSE: by the scan, polished; a shape at the end of its range stays there."""
    n = points.n
    bend: dict[str, float] = {}
    at_end = False
    if form.shape is not None and form.shapes is not None:
        ends = form.shapes(n)[[0, -1]]
        bend = {form.shape: best_shape(form, points)}
        at_end = bool(np.isclose(bend[form.shape], ends, rtol=1e-6).any())
    line = project(form.function(n, a=1.0, c=0.0, **bend), points)
    if not form.rises:
        return {"c": float(line.c)}
    start = {"a": float(line.a), "c": float(line.c), **bend}
    names = [name for name in start if not (at_end and name == form.shape)]

    def residual(values: np.ndarray) -> np.ndarray:
        return points.whitened(form.function(n, **(start | dict(zip(names, values, strict=True)))) - points.y)

    first = np.array([start[name] for name in names])
    with np.errstate(all="ignore"):
        polished = leastsq(
            residual, first, ftol=1.5e-8, xtol=1.5e-8, gtol=0.0, epsfcn=1e-10, maxfev=400, full_output=True
        )[0]
        better = (residual(polished) ** 2).sum() < residual(first) @ residual(first)
    return start | dict(zip(names, polished.tolist(), strict=True)) if better else start


def _offset(parameters: Mapping[str, Any]) -> Any:
    return parameters["c"]


def _limits(name: str, accepted: Profile) -> Limits:
    if name == accepted.form.shape:
        return accepted.shape_interval()
    return accepted.amplitude_interval() if name == "a" else accepted.level_interval(_offset)


def _asymptote(form: CurveForm, values: Mapping[str, float], accepted: Profile) -> WithLimits | None:
    if form.asymptote is None or not math.isfinite(value := float(form.asymptote(values))):
        return None
    limits = accepted.level_interval(form.asymptote)
    nowhere = limits == (None, None) or (None in limits and accepted.at_end)
    return None if nowhere else WithLimits(value, *limits)


def _characteristic_n(form: CurveForm, values: Mapping[str, float], accepted: Profile) -> WithLimits | None:
    if form.characteristic_n is None or form.shape is None or accepted.at_end:
        return None
    scale = form.characteristic_n
    ends = [None if shape is None else scale({**values, form.shape: shape}) for shape in accepted.shape_interval()]
    falls = scale({**values, form.shape: 1.0}) > scale({**values, form.shape: 2.0})
    lo, hi = reversed(ends) if falls else ends
    return None if lo is None and hi is None else WithLimits(scale(values), lo, hi)


def _is_degenerate(form: CurveForm, values: Mapping[str, float], accepted: Profile) -> bool:
    """Whether the points leave the shape open, or the level that the curve comes from or goes to."""
    if form.shape is None:
        return False
    ends_somewhere = form.asymptote is not None and math.isfinite(form.asymptote(values))
    levels = [_offset, form.asymptote] if ends_somewhere else [_offset]
    return accepted.is_open or any(None in accepted.level_interval(level) for level in levels if level)


def _is_ranked(fit: CurveFit) -> bool:
    return fit.aicc is not None and fit.verdict != "too_few_points"


def _loo_rmse(form: CurveForm, points: Points) -> float | None:
    if len(points.n) <= len(form.parameters) + 1:
        return None
    errors = leave_one_out(form, points) - points.y
    return math.sqrt(float(np.average(errors**2, weights=1 / np.diag(points.covariance))))


def judged(fits: Sequence[CurveFit]) -> tuple[CurveFit, ...]:
    """Give fits their verdicts; one is the best if data of no other would look like this.

    A form whose shape the points leave open is a simpler one as far as they can tell, and does not compete.
    """
    if any(fit.weight is None for fit in fits):
        return tuple(fits)
    chances = chance_of_gaps([fit.accepted for fit in fits], [fit.predict(fit.accepted.points.n) for fit in fits])
    possible = [fit for fit, chance in zip(fits, chances, strict=True) if chance >= REFUTED]
    alone = sum(fit.verdict == "worse" for fit in possible) == 1
    return tuple(
        replace(fit, chance=float(chance), verdict=_place(fit, chance, alone=alone))
        for fit, chance in zip(fits, chances, strict=True)
    )


def _place(fit: CurveFit, chance: float, *, alone: bool) -> str:
    if chance < REFUTED:
        return "worse"
    if fit.verdict == "degenerate":
        return "degenerate"
    return "best" if alone else "indistinguishable"
