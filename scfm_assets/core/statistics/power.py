"""Power of tests of a difference, and the smallest difference that they can detect.

The power of a t test is that of the noncentral t distribution (Cohen 1988, Statistical Power Analysis, chapter 2).
It is taken from scipy: where the far tail of a two-sided test is lost in rounding, `TTestPower.power` of statsmodels
is NaN (10 units, alpha 0.001, difference of 10 errors: 0.9997), and its `solve_power`, which begins from small
effects, returns the end of its bracket for few units (2 units, alpha 0.001: 14 errors instead of 816).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from scfm_assets.core.words import ALPHA, POWER

Sided = Literal["two-sided", "greater", "less"]


def power_of_difference(
    difference: float, error: float, *, alpha: float = ALPHA, sided: Sided = "two-sided", units: float = np.inf
) -> float:
    """Chance of telling a difference (of AUROCs, say) with this standard error from 0; NaN without an error.

    Parameters
    ----------
    difference, error
        In units of the metric. The sign is left aside: a one-sided test is taken to point the right way.
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
    """Return the difference that `power_of_difference` detects with this power; NaN without an error."""
    if not error > 0 or units < 2:
        return np.nan

    def lacking(shift: float) -> float:
        return power_of_difference(shift, 1.0, alpha=alpha, sided=sided, units=units) - power

    high = 1.0
    while lacking(high) < 0:
        high *= 2
    return error * _root(lacking, 0.0, high)


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
