"""One estimate: the mean of independent units, or a value with its error, and what a t test says of it.

When it applies: `paired` for two methods on the same data sets, `Estimate.of_sample` for any mean of independent units,
`Estimate(value, error, units)` for a value whose error another way of resampling gave (`blocks.jackknife`,
`jackknife_error`). Values near the end of their range (an AUROC of 0.98) are better told on the scale of their metric:
`Shared.intervals` of `core.statistics.uncertainty`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from scfm_assets.core.metrics import reach
from scfm_assets.core.statistics.hypothesis_tests import Test
from scfm_assets.core.statistics.power import ALPHA, POWER, Sided, power_of_difference, smallest_difference


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and the independent units behind it; NaN where something is not known.

    Attributes
    ----------
    value, error
        In any unit. An error of 0 or NaN is none: nothing varied, so nothing is known.
    units
        Student's t has one degree of freedom less.
    """

    value: float
    error: float
    units: int

    @classmethod
    def of_sample(cls, sample: np.ndarray) -> Estimate:
        """Take the mean of independent numbers, shape (units,)."""
        error = np.std(sample, ddof=1) / np.sqrt(len(sample)) if len(sample) > 1 else np.nan
        return cls(float(np.mean(sample)), float(error), len(sample))

    @property
    def is_testable(self) -> bool:
        """Whether there is an error to test with."""
        return self.error > 0 and self.units >= 2

    @property
    def effect(self) -> float:
        """Value over its standard deviation among the units: Cohen's d, of the differences where paired."""
        return self.value / (self.error * np.sqrt(self.units)) if self.error > 0 else np.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Value -+ t times its error; NaN without an error."""
        half = self.error * float(reach(self.units, level=level)) if self.error > 0 else np.nan
        return self.value - half, self.value + half

    def p(self, sided: Sided = "two-sided") -> float:
        """Chance of a value as far from 0 (or as far above, or below) if the truth is 0; NaN without an error."""
        if not self.is_testable:
            return np.nan
        t = self.value / self.error
        toward = {"two-sided": -abs(t), "greater": -t, "less": t}[sided]
        return float((2 if sided == "two-sided" else 1) * stdtr(self.units - 1, toward))

    def power(self, difference: float, *, sided: Sided = "two-sided", alpha: float = ALPHA) -> float:
        """Chance of telling this difference from 0 with such an error."""
        return power_of_difference(difference, self.error, alpha=alpha, sided=sided, units=self.units)

    def mde(self, *, sided: Sided = "two-sided", alpha: float = ALPHA, power: float = POWER) -> float:
        """Smallest difference that is distinguished from 0 with this power."""
        return smallest_difference(self.error, power=power, alpha=alpha, sided=sided, units=self.units)

    def as_test(
        self,
        study: str,
        family: str,
        hypothesis: str,
        statistic: str,
        *,
        smallest: float,
        sided: Sided = "two-sided",
        units_are: str = "independent units",
    ) -> Test:
        """Test whether it differs from 0.

        Parameters
        ----------
        study, family, hypothesis, statistic
            See `Test`.
        smallest
            Smallest difference of interest, which the test's power is for.
        sided
            ``greater`` or ``less`` where the hypothesis names a side.
        units_are
            What the units are, in the plural.
        """
        return Test(
            study,
            family,
            hypothesis,
            statistic,
            value=self.value,
            p=self.p(sided),
            n=self.units,
            effect=self.effect,
            effect_of=f"Cohen's d over {units_are}",
            power=self.power(smallest, sided=sided),
            mde=self.mde(sided=sided),
        )


def paired(one: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the mean difference ``one - other`` of independent units, shape (units,) each."""
    return Estimate.of_sample(np.asarray(one, float) - np.asarray(other, float))
