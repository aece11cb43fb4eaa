"""Which forms could have made the points: a small simulation of each, with the noise that the points have.

Data are drawn from the fitted curve of a form, with the covariance of the points, a noise of the estimated size, and as
little knowledge of that size as the points have. All forms are fitted to them. A form that lies further behind the best
other form than its own data would is refuted; whatever the simulation cannot tell apart, the points cannot either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.curves.least_squares import Fan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.curves.profile import Profile

DRAWS = 199
SEED = 20260
SIMULATED_SHAPES = 80
"""Most shapes that a simulated fit tries: a parabola goes through the best and its neighbours."""


def chance_of_gaps(accepted: Sequence[Profile], predicted: Sequence[np.ndarray], *, draws: int = DRAWS) -> np.ndarray:
    """Simulate each form's gap in AICc behind the best other form.

    Parameters
    ----------
    accepted
        What the points accept of each form.
    predicted
        Fitted values of each form at the points.
    draws
        Simulated data sets of each form.

    Returns
    -------
    Share of each form's own data sets, the observed one counted, whose gap is at least the observed; shape (forms,).
    """
    points = accepted[0].points
    fans = [_thinned(profile.fan) for profile in accepted]
    ks = np.array([len(fan.form.parameters) + 1 for fan in fans])
    evidence, freedom = points.evidence, points.freedom

    def gaps(values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Criterion of each form less that of the best other, (forms, sets)."""
        squares = np.stack([fan.least_squares(values) for fan in fans])
        penalty = 2 * ks + 2 * ks * (ks + 1) / (evidence - ks - 1)
        criterion = evidence * np.log(np.maximum(known + squares, np.finfo(float).tiny)) + penalty[:, None]
        order = np.argsort(criterion, axis=0)
        first, second = (np.take_along_axis(criterion, order[i : i + 1], axis=0) for i in (0, 1))
        return criterion - np.where(criterion == first, second, first)

    observed = gaps(points.values[None], np.array([freedom]))[:, 0]
    rng = np.random.default_rng(SEED)
    noise = rng.standard_normal((draws, len(points.y)))
    known = rng.chisquare(freedom, draws) if freedom else np.zeros(draws)
    made, knowledge = [], []
    for fan, values in zip(fans, predicted, strict=True):
        left = float(((points.values - points.whitened(values)) ** 2).sum())
        scale = (freedom + left) / (evidence - len(fan.form.parameters))
        made.append(points.whitened(values) + np.sqrt(scale) * noise)
        knowledge.append(scale * known)
    drawn = gaps(np.concatenate(made), np.concatenate(knowledge)).reshape(len(fans), len(fans), draws)
    behind = drawn[np.arange(len(fans)), np.arange(len(fans))] >= observed[:, None]
    return (1 + np.count_nonzero(behind, axis=1)) / (draws + 1)


def _thinned(fan: Fan) -> Fan:
    step = -(-len(fan.shapes) // SIMULATED_SHAPES)
    return fan if step == 1 else Fan(fan.form, fan.points, fan.shapes[::step])
