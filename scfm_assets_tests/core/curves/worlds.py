"""Curves whose truth is known, with the noise of nested cells or without, and what is concluded of many draws."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.curves.conclusion import Conclusion, HeldOut, conclude, held_out
from scfm_assets.core.curves.fit import CurveFit, WithLimits, judged, weighed_forms
from scfm_assets.core.curves.forms import FORMS
from scfm_assets.core.curves.least_squares import Points
from scfm_assets.core.curves.noise import Deviations, nested_noise
from scfm_assets.core.statistics import jackknife_parts
from scfm_assets.core.words import Margin

N = np.array([25, 50, 100, 150, 200, 300, 500, 750, 1000.0])
GROUPS = 10
AT = 100
"""Cells at which the standard deviation of a value is the world's `sd`."""
FORM_OF = {form.name: form for form in FORMS}
TRUTHS = {
    "exponential": ("exponential_saturation", {"a": 0.0888, "b": 0.00553, "c": 0.5185}),
    "michaelis_menten": ("michaelis_menten", {"a": 0.15, "h": 120.0, "c": 0.5}),
    "power": ("power", {"a": -0.6, "b": -0.5, "c": 0.7}),
    "logarithmic": ("logarithmic", {"a": 0.0224, "c": 0.4572}),
    "steep": ("exponential_saturation", {"a": 0.35, "b": 0.03, "c": 0.55}),
    "flat": ("constant", {"c": 0.5}),
}
"""Curves of the published size, and the steep one of a planted network."""


@dataclass(frozen=True)
class World:
    """A true curve and how its points scatter."""

    truth: str
    nested: bool
    sd: float

    @property
    def form(self):
        return FORM_OF[TRUTHS[self.truth][0]]

    @property
    def parameters(self) -> dict[str, float]:
        return TRUTHS[self.truth][1]

    @property
    def asymptote(self) -> float:
        return float(self.form.asymptote(self.parameters)) if self.form.asymptote else np.inf

    @property
    def characteristic_n(self) -> float | None:
        """Cells at 63 % of the rise."""
        at = self.form.n_at
        return None if at is None else float(at(1 - np.exp(-1), np.array(self.parameters[self.form.shape])))

    def draw(self, rng: np.random.Generator) -> Points:
        """Points of one experiment; nested ones with the covariance that their own groups of cells tell."""
        curve = self.form.function(N, **self.parameters)
        if not self.nested:
            return Points(N, curve + rng.normal(0, self.sd, len(N)), np.eye(len(N)))
        cells = rng.normal(0, self.sd * np.sqrt(AT), int(N.max()))
        group = np.concatenate([rng.permutation(GROUPS) for _ in range(-(-len(cells) // GROUPS))])[: len(cells)]
        luck, parts = [], []
        for n in N.astype(int):
            sizes = np.bincount(group[:n], minlength=GROUPS)
            sums = np.bincount(group[:n], cells[:n], minlength=GROUPS)
            left_out = (sums.sum() - sums) / (n - sizes)
            luck.append(cells[:n].mean())
            parts.append(jackknife_parts(luck[-1], left_out, sizes))
        deviations = Deviations(N, np.array(parts), GROUPS - 1)
        noise = nested_noise([deviations])
        assert noise is not None
        covariance = noise.covariance(N, np.minimum(N[:, None], N))
        return Points(N, curve + np.array(luck), covariance, deviations.freedom)


@dataclass(frozen=True)
class Judged:
    """What is said of one experiment."""

    true_form: CurveFit
    conclusion: Conclusion
    held_out: HeldOut | None


@dataclass(frozen=True)
class Figures:
    """Shares over the experiments of one world; NaN of nothing."""

    given: float
    covered: float
    n_given: float
    n_covered: float
    flat: float
    worse: float
    form_covered: float
    held_out: float
    verdicts: dict[str, int]

    def __str__(self) -> str:
        return (
            f"asymptote given {self.given:.3f}, covered {self.covered:.3f}; n* given {self.n_given:.3f}, covered "
            f"{self.n_covered:.3f}; true form's asymptote {self.form_covered:.3f}; flat {self.flat:.3f}; true form "
            f"worse {self.worse:.3f} {self.verdicts}; held out inside {self.held_out:.3f}"
        )


def judge(points: Points, form: str) -> Judged:
    fits = judged(weighed_forms(points))
    true_form = next(fit for fit in fits if fit.form.name == form)
    return Judged(true_form, conclude(fits, margin=Margin(0.05)), held_out(points))


def figures(world: World, sets: int, seed: int = 0) -> Figures:
    rng = np.random.default_rng([seed, *map(ord, world.truth), int(world.nested), round(1e4 * world.sd)])
    seen = [judge(world.draw(rng), world.form.name) for _ in range(sets)]
    asymptotes = [one.conclusion.asymptote for one in seen]
    counts = [one.conclusion.characteristic_n for one in seen]
    counts = [count if count and None not in (count.lo, count.hi) else None for count in counts]
    of_form = [one.true_form.asymptote for one in seen if one.true_form.verdict in ("best", "indistinguishable")]
    bounded = [end for end in of_form if end and None not in (end.lo, end.hi)]
    predicted = [one.held_out.inside for one in seen if one.held_out]
    return Figures(
        given=_share([end is not None for end in asymptotes]),
        covered=_covered(asymptotes, world.asymptote),
        n_given=_share([count is not None for count in counts]),
        n_covered=_covered(counts, world.characteristic_n),
        flat=_share([one.conclusion.is_flat for one in seen]),
        worse=_share([one.true_form.verdict == "worse" for one in seen]),
        form_covered=_covered(bounded, world.asymptote),
        held_out=_share([inside for inside in predicted if inside is not None]),
        verdicts=dict(Counter(one.true_form.verdict for one in seen)),
    )


def _share(are: list[bool]) -> float:
    return float(np.mean(are)) if are else np.nan


def _covered(numbers: list[WithLimits | None], truth: float | None) -> float:
    if truth is None:
        return np.nan
    return _share([number.lo <= truth <= number.hi for number in numbers if number is not None])
