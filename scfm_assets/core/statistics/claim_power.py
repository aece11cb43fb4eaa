"""Power of a claim that needs several comparisons at once: each of them, by every kind of interval, has to exclude 0.

The power of the least certain comparison is only an upper limit of it. Where four comparisons by two kinds of intervals
have a power of 0.8 each, the claim has 0.5 to 0.7. So the differences are drawn together, from the covariance that the
data have, with standard errors that are estimated anew in every draw.

What the kinds leave out (TFs and targets; groups of cells or donors) are different sources of chance of the *same*
difference: an experiment with other TFs and other cells moves it by both, and it is held against the interval of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core.metrics import reach
from scfm_assets.core.words import ALPHA, POWER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.statistics.uncertainty import Shared

DRAWS = 2000
"""The error of a power of 0.8 is then 0.009."""


@dataclass(frozen=True, eq=False)
class ErrorSource:
    """What one kind of interval says of J differences.

    Attributes
    ----------
    covariance
        Shape (J, J), of the errors of the differences; NaN in the rows and columns of those that it says nothing of. An
        error of 0 is none: then no power is known either.
    units
        Independent units behind it: Student's t has one degree of freedom less.
    """

    covariance: np.ndarray
    units: float

    @property
    def says(self) -> np.ndarray:
        """Which of the differences it speaks of, boolean (J,)."""
        return ~np.isnan(np.diag(self.covariance))


class ClaimPower(NamedTuple):
    """Chance that a claim is made, and the smallest effect for which it is 0.8; NaN where something is not known."""

    power: float
    mde: float


def errors_between(shared: Shared, places: Sequence[int]) -> np.ndarray:
    """Errors of the differences of each two of some methods, by each of `METRICS`, shape (n_metrics, J, J)."""
    errors = np.zeros((shared.values.shape[1], len(places), len(places)))
    ones, others = np.triu_indices(len(places), 1)
    at = np.asarray(places)
    of_pairs = shared.errors_of_differences(at[ones].tolist(), at[others].tolist()).T
    errors[:, ones, others] = errors[:, others, ones] = of_pairs
    return errors


def covariance_of_differences(errors: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Covariance of the differences of one method to J others, shape (..., J, J).

    From errors alone, so that it holds however they were made: cov(a, b) = (var(a) + var(b) - var(a - b)) / 2, where
    the difference of two differences is that of the two others.

    Parameters
    ----------
    errors
        Of the difference to each of the others, shape (..., J).
    between
        Of the differences of the others, see `errors_between`, shape (..., J, J).
    """
    variances = errors**2
    return (variances[..., None, :] + variances[..., :, None] - between**2) / 2


def power_of_claim(
    sources: Sequence[ErrorSource],
    smallest: float,
    ahead: np.ndarray,
    *,
    also: tuple[float, float] | None = None,
    alpha: float = ALPHA,
    draws: int = DRAWS,
    seed: int = 0,
) -> ClaimPower:
    """Simulate how often all differences exclude 0 at once, if the truth is the smallest effect that matters.

    Parameters
    ----------
    sources
        One for each kind of interval that the claim needs.
    smallest
        Difference to the hardest rival.
    ahead
        How far each rival lies behind the hardest one, shape (J,): the difference to it is larger by so much.
    also
        A further test that the claim needs: how far the hardest rival lies above what this test expects, and what the
        value has to be above it.
    alpha
        Of the two-sided intervals.
    draws, seed
        Of the simulation.
    """
    sources, ahead = [source for source in sources if source.says.any()], np.asarray(ahead, float)
    if not sources or not smallest > 0 or any(not _is_known(source) for source in sources):
        return ClaimPower(np.nan, np.nan)
    rng, shape = np.random.default_rng(seed), (draws, len(ahead))
    moved, least = np.zeros(shape), np.full(draws, -np.inf)
    limits = []
    for source in sources:
        says, error = source.says, np.sqrt(np.diag(source.covariance)[source.says])
        alike = source.covariance[np.ix_(says, says)] / np.outer(error, error)
        moved[:, says] += rng.standard_normal((draws, len(error))) @ _root(alike).T * error
        spread = _chi_square(rng.standard_normal((draws, len(error))) @ _root(alike**2).T, source.units - 1)
        limits.append((says, error * np.sqrt(spread) * reach(source.units, level=1 - alpha)))
    for says, limit in limits:
        least = np.maximum(least, ((limit - moved[:, says] - ahead[says]) / smallest).max(axis=1))
    if also is not None:
        above, needed = also
        least = np.maximum(least, (needed - above - moved[:, int(np.argmin(ahead))]) / smallest)
    needed_effect = max(float(np.quantile(least, POWER)), 0.0) * smallest
    return ClaimPower(float(np.mean(least < 1)), needed_effect)


def _is_known(source: ErrorSource) -> bool:
    return source.units >= 2 and bool((np.diag(source.covariance)[source.says] > 0).all())


def _root(correlations: np.ndarray) -> np.ndarray:
    """Square root; what rounding or a difference of variances has made negative is taken as 0, the diagonal as 1."""
    values, vectors = np.linalg.eigh(np.clip(np.nan_to_num(correlations), -1, 1))
    root = vectors * np.sqrt(np.maximum(values, 0))
    return root / np.maximum(np.linalg.norm(root, axis=1, keepdims=True), np.finfo(float).tiny)


def _chi_square(normal: np.ndarray, freedom: float) -> np.ndarray:
    """Turn normal numbers into chi square over its degrees of freedom (Wilson and Hilferty 1931, PNAS 17)."""
    spread = 2 / (9 * freedom)
    return np.maximum(1 - spread + normal * np.sqrt(spread), 0) ** 3
