"""Power of tests, the smallest effect that they can detect, and how many observations that takes.

One record per test: its power as a function of effect and n. Smallest effects and numbers of observations are found by
turning that function round. Effects are standardised: Cohen's d for means (difference over standard deviation; of the
differences where paired), the correlation itself, and a difference in units of the metric where its standard error is
given. Power of t tests is that of the noncentral t distribution (Cohen 1988, Statistical Power Analysis, chapter 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable

Sided = Literal["two-sided", "greater"]

ALPHA = 0.05
POWER = 0.8
"""What a study aims at, and below which a null result says nothing."""


@dataclass(frozen=True)
class PowerOf:
    """One kind of test.

    Attributes
    ----------
    name
        What it is of.
    power
        (effect, n, alpha, sided) -> chance of detecting an effect >= 0.
    fewest
        Smallest n for which it is defined.
    most
        Largest effect there is.
    """

    name: str
    power: Callable[[float, float, float, Sided], float]
    fewest: float
    most: float = np.inf

    def achieved(self, effect: float, n: float, *, alpha: float = ALPHA, sided: Sided = "two-sided") -> float:
        """Give the power for an effect of this size with n observations; NaN with too few.

        The sign of the effect is left aside: a one-sided test is taken to point the right way.
        """
        if not n >= self.fewest or np.isnan(effect):
            return np.nan
        return self.power(min(abs(effect), self.most), n, alpha, sided)

    def smallest_effect(
        self, n: float, *, power: float = POWER, alpha: float = ALPHA, sided: Sided = "two-sided"
    ) -> float:
        """Give the minimum detectable effect with n observations; NaN with too few, or if there is none so large."""
        if not n >= self.fewest:
            return np.nan
        high = 1.0 if np.isinf(self.most) else self.most * (1 - 1e-12)
        while self.achieved(high, n, alpha=alpha, sided=sided) < power:
            high *= 2
            if high > min(self.most, 1e6):
                return np.nan
        return _root(lambda effect: self.power(effect, n, alpha, sided) - power, 0.0, high)

    def observations(
        self, effect: float, *, power: float = POWER, alpha: float = ALPHA, sided: Sided = "two-sided"
    ) -> float:
        """Give n, not rounded, that detects an effect of this size; round it up. Infinite for no effect."""
        if effect == 0:
            return np.inf
        high = 2 * self.fewest
        while self.achieved(effect, high, alpha=alpha, sided=sided) < power:
            high *= 2
            if high > 1e12:
                return np.inf
        return _root(lambda n: self.power(min(abs(effect), self.most), n, alpha, sided) - power, self.fewest, high)


def paired_power(effect: float, n: float, alpha: float, sided: Sided) -> float:
    """Power of a paired or one-sample t test of n differences."""
    return _t_power(effect * np.sqrt(n), n - 1, alpha, sided)


def two_sample_power(effect: float, n: float, alpha: float, sided: Sided) -> float:
    """Power of a t test of two groups of n each, of one variance."""
    return _t_power(effect * np.sqrt(n / 2), 2 * n - 2, alpha, sided)


def correlation_power(effect: float, n: float, alpha: float, sided: Sided) -> float:
    """Power of a correlation of n pairs: atanh(r) is normal with variance 1 / (n - 3) (Fisher 1921, Metron 1)."""
    return _normal_power(np.arctanh(min(effect, 1 - 1e-15)) * np.sqrt(n - 3), alpha, sided)


PAIRED = PowerOf("paired or one-sample t test", paired_power, fewest=2)
TWO_SAMPLE = PowerOf("two-sample t test, n per group", two_sample_power, fewest=2)
CORRELATION = PowerOf("correlation, Fisher's z", correlation_power, fewest=4, most=1.0)


def power_of_difference(
    difference: float, error: float, *, alpha: float = ALPHA, sided: Sided = "two-sided", units: float = np.inf
) -> float:
    """Give the power to tell a difference (of AUROCs, say) with this standard error from 0.

    Parameters
    ----------
    difference, error
        In units of the metric.
    alpha, sided
        Of the test.
    units
        Independent units behind the error: Student's t for one less. Normal if infinite.
    """
    if not error > 0:
        return np.nan
    shift = abs(difference) / error
    return _normal_power(shift, alpha, sided) if np.isinf(units) else _t_power(shift, units - 1, alpha, sided)


def smallest_difference(
    error: float,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    sided: Sided = "two-sided",
    units: float = np.inf,
) -> float:
    """Give the difference that `power_of_difference` detects with this power; NaN without an error."""
    if not error > 0 or units < 2:
        return np.nan

    def lacking(shift: float) -> float:
        return power_of_difference(shift, 1.0, alpha=alpha, sided=sided, units=units) - power

    high = 1.0
    while lacking(high) < 0:
        high *= 2
    return error * _root(lacking, 0.0, high)


def units_for_difference(
    difference: float,
    error: float,
    units: float,
    *,
    power: float = POWER,
    alpha: float = ALPHA,
    sided: Sided = "two-sided",
) -> float:
    """Give the units (TFs, groups of cells) that detect a difference, if `units` of them have this standard error.

    The error is taken to shrink with the root of the units. Not rounded.
    """
    effect = abs(difference) / (error * np.sqrt(units))
    return PAIRED.observations(effect, power=power, alpha=alpha, sided=sided)


def _t_power(shift: float, freedom: float, alpha: float, sided: Sided) -> float:
    tail = alpha / 2 if sided == "two-sided" else alpha
    beyond = -stdtrit(freedom, tail)
    power = 1 - nctdtr(freedom, shift, beyond)
    # The far tail is below the normal chance of -shift; where it is lost in rounding, scipy gives NaN.
    far = np.nan_to_num(nctdtr(freedom, shift, -beyond)) if sided == "two-sided" else 0.0
    return float(power + far)


def _normal_power(shift: float, alpha: float, sided: Sided) -> float:
    beyond = -ndtri(alpha / 2 if sided == "two-sided" else alpha)
    power = ndtr(shift - beyond)
    return float(power + ndtr(-shift - beyond) if sided == "two-sided" else power)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a rising function is 0; `low` if it already is above there."""
    if function(low) >= 0:
        return low
    return float(brentq(function, low, high, xtol=1e-12, rtol=np.float64(1e-14)))  # pyright: ignore[reportArgumentType]
