"""What the points say together, over all forms: where the curve goes, how fast, and whether it changes at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr, stdtrit

from scfm_assets.core.curves.average import Tail, averaged
from scfm_assets.core.curves.fit import MIN_POINTS, CurveFit, WithLimits, weighed_forms
from scfm_assets.core.curves.forms import LOGARITHMIC
from scfm_assets.core.curves.gradient import gradient_of_end
from scfm_assets.core.curves.least_squares import Points, basis, project
from scfm_assets.core.words import Margin
from scfm_assets.core.words import Trend as TrendWord
from scfm_assets.core.words import trend_of as word_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.curves.least_squares import Fan
    from scfm_assets.core.curves.network import NetworkParts

SEVERAL = 3.0
"""A bounded asymptote is given if the largest n is so many times the characteristic n."""
BOUNDED = 0.99
"""Level at which both limits of an asymptote must exist, lest it be given where luck made the curve look finished."""
RISEN = 1 - np.exp(-1)
"""Share of the rise from 0 cells that is made at the averaged characteristic n."""
NEGLIGIBLE = 0.1
"""Change over the measured n, as a share of the level, below which a curve is flat."""


@dataclass(frozen=True)
class Trend:
    """Change from the smallest to the largest n, along the logarithm of n."""

    change: WithLimits
    p: float
    """Two-sided, of no change."""
    margin: Margin
    level: float
    """Mean value, from which a margin that is a ratio is counted."""

    @property
    def word(self) -> TrendWord:
        """What is said of the change; see `scfm_assets.core.words`."""
        return word_of(self.change.lo, self.change.hi, self.margin, level=self.level)


@dataclass(frozen=True)
class HeldOut:
    """The value at the largest n, and what the points of all smaller n predicted it to be."""

    n: float
    value: float
    predicted: WithLimits

    @property
    def inside(self) -> bool | None:
        """Whether the value lies in its 95 % prediction interval; None without one."""
        lo, hi = self.predicted.lo, self.predicted.hi
        return None if lo is None or hi is None else lo <= self.value <= hi


@dataclass(frozen=True)
class Conclusion:
    """Averages over all forms of one curve; None where the points do not say.

    Attributes
    ----------
    asymptote
        Of the curve of this network with other cells: limits of model-averaged tail areas. None unless a constant is
        refuted, both limits are set even at the level `BOUNDED`, and the largest n is `SEVERAL` times the
        characteristic n. It holds the intervals of all forms that are not refuted; where nothing is known of the noise
        but residuals, those of the level `BOUNDED`.
    asymptote_of_networks
        The same of other networks too: what its TFs and targets add is squared and added to each side (Zou and Donner
        2008, Statistics in Medicine 27). None where nothing is known of them.
    characteristic_n
        Cells at which 63 % (1 - 1/e) of the rise from 0 cells is made, over the forms that have an end and a start.
    trend
        Change over the measured n.
    is_flat
        Whether a constant is not refuted, and a change that matters is.
    sentence
        What can be said of the form.
    """

    asymptote: WithLimits | None
    asymptote_of_networks: WithLimits | None
    characteristic_n: WithLimits | None
    trend: Trend
    is_flat: bool
    sentence: str


def conclude(
    fits: Sequence[CurveFit], *, margin: Margin | None = None, network: NetworkParts | None = None
) -> Conclusion:
    """Average over the forms of one curve.

    Parameters
    ----------
    fits
        From `fit_curves` or `fit_points`.
    margin
        Change over the measured n that does not matter; `NEGLIGIBLE` times the level where None.
    network
        Parts of the points' errors that other TFs and targets are.
    """
    points = fits[0].accepted.points
    trend = trend_of(points, margin)
    asymptote, scale = _asymptote(fits), None
    if asymptote is not None:
        scale = _characteristic_n(fits)
        if scale is None or points.n.max() < SEVERAL * scale.value:
            asymptote, scale = None, None
    wider = None if asymptote is None or network is None else _of_networks(asymptote, fits, network)
    flat = trend.word == "flat" and all(fit.verdict != "worse" for fit in fits if not fit.form.rises)
    return Conclusion(asymptote, wider, scale, trend, flat, _sentence(fits, trend, is_flat=flat))


def _of_networks(asymptote: WithLimits, fits: Sequence[CurveFit], network: NetworkParts) -> WithLimits | None:
    half = network.error(gradient_of_end(fits)).half_width()
    if asymptote.lo is None or asymptote.hi is None or not np.isfinite(half):
        return None
    below, above = np.hypot(asymptote.value - asymptote.lo, half), np.hypot(asymptote.hi - asymptote.value, half)
    return WithLimits(asymptote.value, asymptote.value - float(below), asymptote.value + float(above))


def trend_of(points: Points, margin: Margin | None = None) -> Trend:
    """Fit the straight line in the logarithm of n; see `Trend`."""
    fit = project(basis(LOGARITHMIC, points.n, np.zeros(())), points)
    span = float(np.log(points.n.max() / points.n.min()))
    change, spare = float(fit.a) * span, points.evidence - 2
    noise = (points.freedom + float(fit.sse)) / spare
    error = span * float(np.sqrt(fit.variance(1.0, 0.0) * noise))
    half = float(stdtrit(spare, 0.975)) * error
    p = 2 * float(stdtr(spare, -abs(change) / error)) if error > 0 else float(change == 0)
    level = abs(float(project(np.zeros(len(points.n)), points).c))
    within = Margin(NEGLIGIBLE * level) if margin is None else margin
    return Trend(WithLimits(change, change - half, change + half), p, within, level)


def held_out(points: Points) -> HeldOut | None:
    """Predict the mean at the largest n from all smaller n; None with fewer than four of those, or no ranking.

    The error of a value hangs together with those of the others: the prediction is the best linear one given them.
    """
    last = points.n == points.n.max()
    rest, value = points.chosen(~last), float(points.y[last].mean())
    if len(np.unique(rest.n)) < MIN_POINTS:
        return None
    fits = weighed_forms(rest)
    if any(fit.weight is None for fit in fits):
        return None
    shared = points.covariance[np.ix_(last, ~last)].mean(0) @ rest.whitener.T
    alone = float(points.covariance[np.ix_(last, last)].mean()) - float(shared @ shared)
    tails = []
    for fit in fits:
        fan = fit.accepted.fan
        ahead = basis(fit.form, np.array([points.n.max()]), fan.shapes)[:, 0]
        of_a, of_c = ahead - rest.whitened(fan.g) @ shared, 1.0 - float(rest.ones @ shared)
        predicted = of_a * fan.fit.a + of_c * fan.fit.c + float(rest.values @ shared)
        tails.append(_tail(fit, fan, predicted, fan.fit.variance(of_a, of_c) + alone))
    middle, lo, hi = averaged(tails, _reach(fits))
    return None if middle is None else HeldOut(float(points.n.max()), value, WithLimits(middle, lo, hi))


def _tail(fit: CurveFit, fan: Fan, value: np.ndarray, variance: np.ndarray) -> Tail:
    points, weight = fan.points, fit.weight or 0.0
    spare = points.evidence - len(fit.form.parameters)
    return Tail(weight, value, variance, fan.fit.sse, (points.freedom + fit.sse) / spare, spare)


def _reach(fits: Sequence[CurveFit]) -> tuple[float, float]:
    return fits[0].accepted.reach


def _asymptote(fits: Sequence[CurveFit]) -> WithLimits | None:
    """Average the value at infinitely many cells, with limits that hold what each possible form alone says.

    Weights of forms are too sure of themselves: they come of the few points that the forms do not go through. Where
    residuals alone tell the noise, a curve looks finished by luck too often for limits of 95 %.
    """
    if any(fit.weight is None or (not fit.form.rises and fit.verdict != "worse") for fit in fits):
        return None
    ends, reach = [_end_of(fit) for fit in fits], _reach(fits)
    possible = [[end] for end, fit in zip(ends, fits, strict=True) if fit.verdict != "worse"]
    level = 0.95 if fits[0].accepted.points.freedom else BOUNDED
    middle, *_ = averaged(ends, reach)
    limits = [averaged(tails, reach, level=level)[1:] for tails in (ends, *possible)]
    lows, highs = ([end for end in of_forms if end is not None] for of_forms in zip(*limits, strict=True))
    if middle is None or min(len(lows), len(highs)) < len(limits) or None in averaged(ends, reach, level=BOUNDED):
        return None
    return WithLimits(middle, min(lows), max(highs))


def _end_of(fit: CurveFit) -> Tail:
    """What a form says of the value at infinitely many cells."""
    fan = fit.accepted.fan
    parameters = {} if fit.form.shape is None else {fit.form.shape: fan.shapes}
    end = fit.form.asymptote or (lambda p: np.full(np.shape(p["c"]), np.nan))
    zero = np.zeros(len(fan.shapes))
    of_a, of_c = (zero + end({"a": zero + a, "c": zero + 1.0 - a, **parameters}) for a in (1.0, 0.0))
    bounded = np.isfinite(of_a + of_c)
    a = np.where(fan.fit.a == 0, 1e-100, fan.fit.a)
    value = np.where(bounded, np.nan_to_num(of_a) * fan.fit.a + np.nan_to_num(of_c) * fan.fit.c, np.sign(a) * np.inf)
    variance = np.where(
        bounded,
        fan.fit.variance(np.nan_to_num(of_a), np.nan_to_num(of_c)),
        fan.fit.variance(1.0, 0.0) / a**2,
    )
    return _tail(fit, fan, value, variance)


def _characteristic_n(fits: Sequence[CurveFit]) -> WithLimits | None:
    """Average over the forms that start at 0 cells and end somewhere."""
    tails = []
    for fit in fits:
        if fit.form.n_at is not None:
            fan = fit.accepted.fan
            value = np.log(fit.form.n_at(RISEN, fan.shapes))
            tails.append(_tail(fit, fan, value, np.zeros(len(value))))
    middle, lo, hi = averaged(tails, (-20.0, 40.0))
    if middle is None:
        return None
    return WithLimits(float(np.exp(middle)), *(None if end is None else float(np.exp(end)) for end in (lo, hi)))


def _sentence(fits: Sequence[CurveFit], trend: Trend, *, is_flat: bool) -> str:
    """Say what the points tell about the form of the curve."""
    if is_flat:
        return f"flat: a constant is not refuted (p {trend.p:.2g}), a change of {trend.margin} or more is"
    if any(fit.verdict == "too_few_points" for fit in fits):
        return "too few points to tell forms apart"
    names = [fit.form.name for fit in fits if fit.verdict in ("best", "indistinguishable")]
    left_open = [fit.form.name for fit in fits if fit.verdict == "degenerate"]
    if not names:
        return "no form is identified by these points"
    word = "best" if any(fit.verdict == "best" for fit in fits) else "indistinguishable"
    return f"{word}: {', '.join(names)}" + (f" (parameters left open: {', '.join(left_open)})" if left_open else "")
