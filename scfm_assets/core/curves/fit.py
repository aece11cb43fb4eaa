"""Fit every form of a scaling curve to points (n, y) and say what the points can tell about it.

The shape of a form is scanned over its whole range with amplitude and offset solved exactly (`curve_profile`), so no
start value can be missed; least squares then polish the best. Intervals are profile intervals: where the points set no
limit, the limit is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import leastsq

from scfm_assets.core.curves.forms import FORMS, CurveForm
from scfm_assets.core.curves.profile import Limits, Profile, best_shapes, leave_one_out, profile, project
from scfm_assets.errors import ScfmError

__all__ = ["FORMS", "MIN_POINTS", "VERDICTS", "CurveFit", "CurveForm", "WithLimits", "fit_curves", "is_flat", "summary"]

INDISTINGUISHABLE = 2.0
"""Forms whose AICc lies within this of the best cannot be told apart (Burnham and Anderson 2002, section 2.6)."""
MIN_POINTS = 4
VERDICTS = ("best", "indistinguishable", "worse", "degenerate", "too_few_points")


@dataclass(frozen=True)
class WithLimits:
    """A number with its 95 % profile interval; a limit that the points do not set is None."""

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
    """Sum of squared residuals, weighted with weights of geometric mean 1."""
    r2: float | None
    """1 - SSE / SST; None where all y are equal."""
    aicc: float | None
    """n ln(SSE/n) + 2k + 2k(k+1)/(n-k-1) with k = parameters of the curve + 1 for the noise; None for n <= k + 1."""
    weight: float | None
    """Akaike weight among the forms that have an AICc."""
    loo_rmse: float | None
    """Root mean squared error at each point (weighted) when the curve is fitted to all others."""
    asymptote: WithLimits | None
    """None if the form has none, or if the points say nothing but "beyond"."""
    characteristic_n: WithLimits | None
    """None if the form has none, or if the points bound it on neither side."""
    verdict: str
    """One of `VERDICTS`."""

    def predict(self, n: np.ndarray) -> np.ndarray:
        """Evaluate the fitted curve at cell counts `n` (any shape)."""
        return self.form.function(np.asarray(n, float), **{name: e.value for name, e in self.parameters.items()})


def fit_curves(n: np.ndarray, y: np.ndarray, sigma: np.ndarray | None = None) -> tuple[CurveFit, ...]:
    """Fit all `FORMS` to the same points and judge them against each other.

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
    n, y, weights = _checked(n, y, sigma)
    return _judged([_fit(form, n, y, weights) for form in FORMS])


def summary(fits: Sequence[CurveFit]) -> str:
    """Say in one sentence what the points tell about the form of the curve."""
    best = next((fit for fit in fits if fit.verdict == "best"), None)
    if best is None or best.aicc is None:
        few = any(fit.verdict == "too_few_points" for fit in fits)
        return "too few points to choose a form" if few else "no form is identified by these points"
    if all(is_flat(fit.r2, fit.n_points, fit.form) for fit in fits if fit.aicc is not None):
        return "flat: a constant explains these points at least as well as any form"
    rivals = [fit.form.name for fit in fits if fit.verdict == "indistinguishable"]
    text = f"indistinguishable: {', '.join([best.form.name, *rivals])}" if rivals else f"best: {best.form.name}"
    closer = [f for f in fits if f.verdict == "degenerate" and f.aicc is not None and f.aicc < best.aicc]
    if closer:
        text += f" ({closer[0].form.name} lies closer, but its parameters are not identified)"
    return text


def is_flat(r2: float | None, points: int, form: CurveForm) -> bool:
    """Say whether a constant explains the points at least as well as a form of this R2, by AICc."""
    if r2 is None or points <= 3:
        return True
    gain = -points * math.log(max(1.0 - r2, np.finfo(float).tiny))
    return gain <= _penalty(points, len(form.parameters) + 1) - _penalty(points, 2)


def _checked(n: np.ndarray, y: np.ndarray, sigma: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points as floats, and weights 1/sigma^2 of geometric mean 1 (then AICc needs no term for the weights)."""
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
    if (different := len(np.unique(n))) < MIN_POINTS:
        place, remedy = "points, n", f"A curve needs at least {MIN_POINTS} different n."
        raise ScfmError(place, f"{different} different values in {len(n)} points", remedy)
    logs = np.log(sigma)
    return n, y, np.exp(2.0 * (logs.mean() - logs))


def _fit(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray) -> CurveFit:
    """Fit one form; its Akaike weight, and whether it is the best, need the others."""
    points, k = len(y), len(form.parameters) + 1
    sst = float(weights @ (y - np.average(y, weights=weights)) ** 2)
    floor = points * (2 * np.finfo(float).eps * float(np.abs(y).max())) ** 2  # what the rounding of y itself leaves
    values = _optimum(form, n, y, weights)
    sse = max(float(weights @ (y - form.function(n, **values)) ** 2), floor)
    accepted = profile(form, n, y, weights, (values.get(form.shape or "", 0.0), sse))
    flat, few = sst <= floor, points <= k + 1
    degenerate = flat or _is_degenerate(form, values, accepted)
    return CurveFit(
        form=form,
        parameters={name: WithLimits(values[name], *_limits(name, accepted)) for name in form.parameters},
        n_points=points,
        sse=sse,
        r2=None if flat else 1.0 - sse / sst,
        aicc=None if flat or few else points * math.log(sse / points) + _penalty(points, k),
        weight=None,
        loo_rmse=_loo_rmse(form, n, y, weights) if points > k else None,
        asymptote=_asymptote(form, values, accepted),
        characteristic_n=_characteristic_n(form, values, accepted),
        verdict="too_few_points" if few else "degenerate" if degenerate else "worse",
    )


def _optimum(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Find the parameters of least SSE: by the scan, polished; a shape at the end of its range stays there."""
    bend: dict[str, float] = {}
    at_end = False
    if form.shape is not None and form.shapes is not None:
        ends = form.shapes(n)[[0, -1]]
        bend = {form.shape: float(best_shapes(form, n, y, weights[None])[0])}
        at_end = bool(np.isclose(bend[form.shape], ends, rtol=1e-6).any())
    line = project(form.function(n, a=1.0, c=0.0, **bend), y, weights)
    start = {"a": float(line.a), "c": float(line.c), **bend}
    names = [name for name in start if not (at_end and name == form.shape)]
    root = np.sqrt(weights)

    def residual(values: np.ndarray) -> np.ndarray:
        return root * (form.function(n, **(start | dict(zip(names, values, strict=True)))) - y)

    first = np.array([start[name] for name in names])
    with np.errstate(all="ignore"):
        polished = leastsq(
            residual, first, ftol=1.5e-8, xtol=1.5e-8, gtol=0.0, epsfcn=1e-10, maxfev=400, full_output=True
        )[0]
        better = (residual(polished) ** 2).sum() < residual(first) @ residual(first)
    return start | dict(zip(names, polished.tolist(), strict=True)) if better else start


def _penalty(points: int, k: int) -> float:
    return 2 * k + 2 * k * (k + 1) / (points - k - 1)


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


def _loo_rmse(form: CurveForm, n: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    errors = leave_one_out(form, n, y, weights) - y
    return math.sqrt(float(np.average(errors**2, weights=weights)))


def _judged(fits: Sequence[CurveFit]) -> tuple[CurveFit, ...]:
    """Fits with Akaike weights, where they have an AICc, and the verdict ``best`` for the best that is identified."""
    known = np.array([math.inf if fit.aicc is None else fit.aicc for fit in fits])
    if not np.isfinite(known).any():
        return tuple(fits)
    shares = np.exp(-(known - known.min()) / 2)
    shares /= shares.sum()
    best = min((fit.aicc for fit in fits if fit.verdict == "worse" and fit.aicc is not None), default=math.inf)
    return tuple(
        replace(
            fit,
            weight=None if fit.aicc is None else float(share),
            verdict=_place(fit.aicc - best) if fit.verdict == "worse" and fit.aicc is not None else fit.verdict,
        )
        for fit, share in zip(fits, shares, strict=True)
    )


def _place(behind: float) -> str:
    return "best" if behind == 0 else "indistinguishable" if behind <= INDISTINGUISHABLE else "worse"
