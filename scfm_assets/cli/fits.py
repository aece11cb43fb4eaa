"""Fits of scaling curves, as `scfm fit` prints them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scfm_assets.warehouse.text_table import text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.curves import CurveFit, Estimate


def format_fits(fits: Sequence[CurveFit]) -> str:
    """Fits as a text table, best AICc first, with a sentence below."""
    from scfm_assets.core.curves import summary

    ranked = sorted(fits, key=lambda fit: math.inf if fit.aicc is None else fit.aicc)
    least = min((fit.aicc for fit in fits if fit.aicc is not None), default=None)
    head = ("form", "R2", "AICc", "dAICc", "weight", "LOO RMSE", "asymptote [95 %]", "n*", "verdict")
    rows = [
        (
            fit.form.name,
            _number(fit.r2, ".4f"),
            _number(fit.aicc, ".2f"),
            _number(None if fit.aicc is None or least is None else fit.aicc - least, ".2f"),
            _number(fit.weight, ".3f"),
            _number(fit.loo_rmse, ".5f"),
            _estimate(fit.asymptote, ".4f"),
            _estimate(fit.characteristic_n, ".3g"),
            fit.verdict,
        )
        for fit in ranked
    ]
    parameters = [
        (
            fit.form.name,
            fit.form.formula,
            "   ".join(f"{name} = {_estimate(estimate, '.4g')}" for name, estimate in fit.parameters.items()),
        )
        for fit in ranked
    ]
    conclusion = f"{fits[0].n_points} points, {summary(fits)}."
    if any(fit.verdict == "degenerate" for fit in fits):
        conclusion += "\ndegenerate: the points leave the form's parameters open; ? is a limit that they do not set."
    lines = text_table(head, rows, right=range(1, 6), ruled=True)
    lines += ["", *text_table(("form", "y(n) =", "parameters [95 %]"), parameters, ruled=True), "", conclusion, ""]
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _estimate(estimate: Estimate | None, form: str) -> str:
    if estimate is None:
        return "-"
    lo, hi = ("?" if limit is None else format(limit, form) for limit in (estimate.lo, estimate.hi))
    return f"{estimate.value:{form}} [{lo}, {hi}]"
