"""Fits of scaling curves, as `scfm fit` prints them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scfm_assets.warehouse.text_table import text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.curves import Conclusion, CurveFit, HeldOut, WithLimits

INDEPENDENT = (
    "Errors of the points are taken as independent, and as large as the residuals say: a table of points does not tell "
    "whether they share cells. Points of nested cell sets do; then limits and chances are too narrow."
)


def format_fits(fits: Sequence[CurveFit]) -> str:
    """Fits as a text table, best AICc first, with what they say together below."""
    from scfm_assets.core.curves import conclude, held_out

    ranked = sorted(fits, key=lambda fit: math.inf if fit.aicc is None else fit.aicc)
    least = min((fit.aicc for fit in fits if fit.aicc is not None), default=None)
    head = ("form", "R2", "AICc", "dAICc", "weight", "LOO RMSE", "chance", "asymptote [95 %]", "n*", "verdict")
    rows = [
        (
            fit.form.name,
            _number(fit.r2, ".4f"),
            _number(fit.aicc, ".2f"),
            _number(None if fit.aicc is None or least is None else fit.aicc - least, ".2f"),
            _number(fit.weight, ".3f"),
            _number(fit.loo_rmse, ".5f"),
            _number(fit.chance, ".3f"),
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
    lines = text_table(head, rows, right=range(1, 7), ruled=True)
    lines += ["", *text_table(("form", "y(n) =", "parameters [95 %]"), parameters, ruled=True), ""]
    lines += _said(fits, conclude(fits), held_out(fits[0].accepted.points))
    return "\n".join([*lines, ""])


def _said(fits: Sequence[CurveFit], conclusion: Conclusion, held_out: HeldOut | None) -> list[str]:
    trend, lines = conclusion.trend, [f"{fits[0].n_points} points, {conclusion.sentence}."]
    change = f"{trend.change.value:+.4f} [{trend.change.lo:+.4f}, {trend.change.hi:+.4f}] (95 %)"
    lines.append(f"Change along ln(n), smallest to largest n: {change}, p of none {trend.p:.2g}.")
    if conclusion.asymptote is None:
        lines.append("Asymptote over all forms: not bounded by these points.")
    else:
        n_star = _estimate(conclusion.characteristic_n, ".3g")
        lines.append(f"Asymptote over all forms: {_estimate(conclusion.asymptote, '.4f')}, n* (63 %) {n_star}.")
    if held_out is not None:
        word = {True: "inside", False: "OUTSIDE", None: "beside"}[held_out.inside]
        predicted = _estimate(held_out.predicted, ".4f")
        lines.append(f"Value at the largest n, {held_out.value:.4f}: {word} what the others predict, {predicted}.")
    if any(fit.verdict == "degenerate" for fit in fits):
        lines.append("degenerate: the points leave the form's parameters open; ? is a limit that they do not set.")
    return [*lines, *([] if fits[0].accepted.points.freedom else [INDEPENDENT])]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _estimate(estimate: WithLimits | None, form: str) -> str:
    if estimate is None:
        return "-"
    lo, hi = ("?" if limit is None else format(limit, form) for limit in (estimate.lo, estimate.hi))
    return f"{estimate.value:{form}} [{lo}, {hi}]"
