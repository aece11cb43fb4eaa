"""How numbers that are read off a curve follow its points, to first order: a refit without refitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.curves.fit import CurveFit

STEP = 1e-4
"""Relative step of numerical derivatives by the parameters."""


def gradient_of_end(fits: Sequence[CurveFit]) -> np.ndarray:
    """Derivative of the averaged asymptote by the value of each point, weights of forms held; shape (points,)."""
    total, gradient = 0.0, np.zeros(len(fits[0].accepted.points.n))
    for fit in fits:
        values = {name: parameter.value for name, parameter in fit.parameters.items()}
        if fit.form.asymptote is None or not fit.weight or not np.isfinite(fit.form.asymptote(values)):
            continue
        total += fit.weight
        gradient += fit.weight * _by_points(fit, values)
    return gradient / total if total else gradient


def _by_points(fit: CurveFit, values: dict[str, float]) -> np.ndarray:
    """Derivative of one form's asymptote by the points: that by its parameters, times theirs by the points."""
    points, form = fit.accepted.points, fit.form
    assert form.asymptote is not None
    columns, of_end = [], []
    for name, value in values.items():
        step = STEP * max(abs(value), 1e-6)
        up, down = values | {name: value + step}, values | {name: value - step}
        columns.append(points.whitened((form.function(points.n, **up) - form.function(points.n, **down)) / (2 * step)))
        of_end.append(float(form.asymptote(up) - form.asymptote(down)) / (2 * step))
    length = np.linalg.norm(columns, axis=1)
    solved = np.linalg.pinv(np.array(columns).T / np.where(length > 0, length, 1.0), rcond=1e-10)
    return (np.array(of_end) / np.where(length > 0, length, 1.0)) @ solved @ points.whitener
