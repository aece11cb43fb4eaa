"""The candidate shapes of a scaling curve y(n), one record each. Everything else iterates over `FORMS`.

Every form is ``c + a * g(n)``: the amplitude ``a`` and the offset ``c`` enter linearly, and ``g`` bends by at most one
further number, the form's *shape*. That is all the fitting code knows about a form, so a new form is one function and
one record here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SHAPES_TRIED = 96
"""Values of the shape that are scanned before the best one is refined: every start that could matter."""


@dataclass(frozen=True)
class CurveForm:
    """One candidate shape of a scaling curve y(n) = c + a g(n; shape)."""

    name: str
    formula: str
    """As people write it, with the parameter names used in every table."""
    function: Callable[..., np.ndarray]
    """``(n, **parameters) -> y``; parameters broadcast against n."""
    shape: str | None = None
    """Name of the one parameter that bends the curve; None for a straight line in some scale of n."""
    shapes: Callable[[np.ndarray], np.ndarray] | None = None
    """Ascending values of the shape that the given n could tell apart. Beyond the ends the form is a simpler one."""
    singular: float | None = None
    """A value of the shape inside that range where amplitude and offset lose their meaning."""
    asymptote: Callable[[Mapping[str, Any]], Any] | None = None
    """Limit of y for n to infinity, of parameters that may be arrays; not a number where there is none."""
    characteristic_n: Callable[[Mapping[str, float]], float] | None = None
    """The n at which a stated share of the rise is reached."""
    n_at: Callable[[float, np.ndarray], np.ndarray] | None = None
    """(share, shapes) -> the n at which this share of the rise from 0 cells is made; None where that has no meaning."""
    doc: str = ""
    rises: bool = True
    """Whether it has an amplitude: all forms but the constant."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters in the order in which the formula shows them."""
        if not self.rises:
            return ("c",)
        return ("a", "c") if self.shape is None else ("a", self.shape, "c")


def _constant(n: np.ndarray, c: float, a: float = 0.0) -> np.ndarray:  # noqa: ARG001 (it has no amplitude)
    return c + np.zeros_like(n)


def _linear(n: np.ndarray, a: float, c: float) -> np.ndarray:
    return c + a * n


def _logarithmic(n: np.ndarray, a: float, c: float) -> np.ndarray:
    return c + a * np.log(n)


def _power(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return c + a * n**b


def _exponential_saturation(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return c - a * np.expm1(-b * n)


def _michaelis_menten(n: np.ndarray, a: float, h: float, c: float) -> np.ndarray:
    return c + a * n / (h + n)


def _exponents(_: np.ndarray) -> np.ndarray:  # an even number, so that 0 is between two of them
    return np.linspace(-3.0, 3.0, SHAPES_TRIED)


def _rates(n: np.ndarray) -> np.ndarray:
    # slower than the first, the curve is a straight line to within 0.2 % of its rise; faster than the last, 98 % of the
    # rise lies before the smallest n, where nothing was seen
    return np.geomspace(0.01 / n.max(), 4.0 / n.min(), SHAPES_TRIED)


def _half_saturations(n: np.ndarray) -> np.ndarray:  # the same ends for this form
    return np.geomspace(0.02 * n.min(), 100.0 * n.max(), SHAPES_TRIED)


CONSTANT = CurveForm(
    name="constant",
    formula="c",
    function=_constant,
    asymptote=lambda p: p["c"],
    rises=False,
    doc="No cell adds anything.",
)
LINEAR = CurveForm(
    name="linear",
    formula="c + a n",
    function=_linear,
    doc="Every further cell adds the same.",
)
LOGARITHMIC = CurveForm(
    name="logarithmic",
    formula="c + a ln(n)",
    function=_logarithmic,
    doc="Every doubling adds the same.",
)
POWER = CurveForm(
    name="power",
    formula="c + a n^b",
    function=_power,
    shape="b",
    shapes=_exponents,
    singular=0.0,
    asymptote=lambda p: np.where(p["b"] < 0, p["c"], np.nan),
    doc="Unbounded for b > 0, approaches c for b < 0; for b to 0 it is the logarithmic curve and a, c diverge.",
)
EXPONENTIAL_SATURATION = CurveForm(
    name="exponential_saturation",
    formula="c + a (1 - exp(-b n))",
    function=_exponential_saturation,
    shape="b",
    shapes=_rates,
    asymptote=lambda p: p["a"] + p["c"],
    characteristic_n=lambda p: 1.0 / p["b"],
    n_at=lambda share, b: -np.log1p(-share) / b,
    doc="Approaches a + c; 63 % (1 - 1/e) of the rise is reached at n = 1/b.",
)
MICHAELIS_MENTEN = CurveForm(
    name="michaelis_menten",
    formula="c + a n / (h + n)",
    function=_michaelis_menten,
    shape="h",
    shapes=_half_saturations,
    asymptote=lambda p: p["a"] + p["c"],
    characteristic_n=lambda p: p["h"],
    n_at=lambda share, h: h * share / (1.0 - share),
    doc="A Hill curve of order 1: approaches a + c more slowly than the exponential, half of the rise at n = h.",
)

FORMS = (CONSTANT, LINEAR, LOGARITHMIC, POWER, EXPONENTIAL_SATURATION, MICHAELIS_MENTEN)
