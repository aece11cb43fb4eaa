"""What the claim of a method to beat the nulls needs beside its differences to them: a test of degrees, and its power.

A method that knows how many targets a TF has and how many TFs a target has ranks edges better than every null of
expression, and knows no edge. So its value is held against those of networks that keep both numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.metrics import COMMON, METRICS, TF_GRID
from scfm_assets.core.statistics import (
    ClaimPower,
    ErrorSource,
    Permuted,
    covariance_of_differences,
    errors_between,
    permutation_test,
    power_of_claim,
    series_of_degrees,
)
from scfm_assets.core.words import MARGINS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.statistics import Shared
    from scfm_assets.core.universes import Ground

PERMUTATIONS, OF_OTHERS = 499, 199
"""Over the universes of the hypotheses, which are adjusted for each other, and over others."""
JUDGED = {"auroc": "auroc", "auprc_ratio": "auprc"}
"""Metrics that are judged, and the one that orders permuted labels as they do."""
NAMES = [metric.name for metric in METRICS]


class OfDegrees(NamedTuple):
    """A value among those of networks with the same degrees: p, and their mean and standard deviation."""

    p: float
    mean: float
    spread: float

    @property
    def needed(self) -> float:
        """Value that is above all but 5 % of them."""
        return self.mean + 1.645 * self.spread


def beside_degrees(methods: Sequence[Contender], ground: Ground) -> list[dict[str, OfDegrees]]:
    """Test the mean value over repeats of every method against networks with the degrees of the ground's.

    The same networks serve all methods and repeats. Returns, for each method, a test by each metric of `JUDGED`;
    nothing for nulls that are made of single genes where a ground is ranked: there are many, and no claim is theirs.
    """
    permutations = PERMUTATIONS if ground.universe.name in (COMMON, TF_GRID.name) else OF_OTHERS
    seed = seed_from("degrees", ground.network, ground.network_version, ground.universe.name)
    candidate, positive = (mask[ground.universe.tfs] for mask in (ground.universe.candidate, ground.universe.positive))
    labels = _series(candidate.shape, candidate.tobytes(), positive.tobytes(), permutations, seed)
    over_base_rate = ground.pairs.n / ground.pairs.n_pos
    tested: list[dict[str, OfDegrees]] = []
    for method in methods:
        if method.on_grounds is not None:
            tested.append({})
            continue
        scores = np.stack([method.scores_on(ground, repeat) for repeat in method.keys])
        of_repeats = permutation_test(scores, ground.pairs, metrics=tuple(JUDGED.values()), labels=iter([labels]))
        by_metric = {}
        for metric, permuted_as in JUDGED.items():
            merged = Permuted(
                float(np.mean([one[permuted_as].value for one in of_repeats])),
                np.mean([one[permuted_as].permuted for one in of_repeats], axis=0),
            )
            scale = over_base_rate if metric == "auprc_ratio" else 1.0
            spread = float(np.std(merged.permuted, ddof=1))
            by_metric[metric] = OfDegrees(merged.p(), merged.expected * scale, spread * scale)
        tested.append(by_metric)
    return tested


@lru_cache(maxsize=16)
def _series(shape: tuple[int, int], candidate: bytes, positive: bytes, permutations: int, seed: int) -> np.ndarray:
    """Labels of masks: the same at every number of cells of a tissue, so that a process makes them once."""
    masks = (np.frombuffer(mask, bool).reshape(shape) for mask in (candidate, positive))
    return series_of_degrees(*masks, permutations=permutations, seed=seed)


def errors_between_nulls(shared_of_kind: Mapping[str, Sequence[Shared]], nulls: Sequence[int]) -> dict[str, np.ndarray]:
    """Errors of the differences of all nulls, shape (n_metrics, J, J), by each kind: those of the first repeat."""
    return {kind: errors_between(shared[0], nulls) for kind, shared in shared_of_kind.items()}


def power_of_method(
    shared_of_kind: Mapping[str, Sequence[Shared]],
    one: int,
    nulls_of_kind: Mapping[str, Sequence[int]],
    between: Mapping[str, np.ndarray],
    degrees: Mapping[str, OfDegrees],
    *,
    nulls: Sequence[int],
    level: float = 0.95,
) -> dict[str, ClaimPower]:
    """Power of the claim that a method beats the nulls, by each metric of `JUDGED`.

    The truth is taken to be the smallest effect that matters above the highest null; the others lie as far below that
    one as they do in the data. Errors are means over repeats, their correlations those of the first one.

    Parameters
    ----------
    shared_of_kind
        Kind of interval to the metrics of all methods in each repeat.
    one
        Place of the method.
    nulls_of_kind
        Places of the nulls that it is compared with, by each kind.
    between
        From `errors_between_nulls`.
    degrees
        Its tests against networks with the same degrees, which the claim needs too.
    nulls
        Places that `between` is of.
    level
        Confidence of the intervals.
    """
    compared = sorted({place for places in nulls_of_kind.values() for place in places})
    if not compared:
        return {metric: ClaimPower(np.nan, np.nan) for metric in JUDGED}
    values = np.mean([of_repeat.values[compared] for of_repeat in next(iter(shared_of_kind.values()))], axis=0)
    covariances = {
        kind: _covariance(shared_of_kind[kind], one, places, between[kind][:, *np.ix_(*[_among(places, nulls)] * 2)])
        for kind, places in nulls_of_kind.items()
    }
    powers = {}
    for metric in JUDGED:
        column = NAMES.index(metric)
        sources = []
        for kind, covariance in covariances.items():
            spread_out = np.full((len(compared), len(compared)), np.nan)
            spread_out[np.ix_(*[_among(nulls_of_kind[kind], compared)] * 2)] = covariance[column]
            sources.append(ErrorSource(spread_out, min(of_repeat.units for of_repeat in shared_of_kind[kind])))
        highest = float(values[:, column].max())
        powers[metric] = power_of_claim(
            sources,
            MARGINS[metric].above(highest),
            highest - values[:, column],
            also=(highest, degrees[metric].needed),
            alpha=1 - level,
        )
    return powers


def _covariance(shared: Sequence[Shared], one: int, nulls: Sequence[int], between: np.ndarray) -> np.ndarray:
    """Covariance of the differences to some nulls, (n_metrics, J, J); 0 where an error is not known."""
    if not nulls:
        return np.empty((len(METRICS), 0, 0))
    of_repeats = [of_repeat.differences([one] * len(nulls), nulls).error.T for of_repeat in shared]
    first, merged = of_repeats[0], np.mean(of_repeats, axis=0)
    scale = np.divide(merged, first, out=np.zeros_like(merged), where=first > 0)
    return np.nan_to_num(covariance_of_differences(first, between) * scale[:, None] * scale[..., None])


def _among(places: Sequence[int], others: Sequence[int]) -> np.ndarray:
    return np.searchsorted(others, places)


OF_CLAIM: tuple[str, ...] = ("p_degrees", "mean_degrees", "spread_degrees", "power", "mde")
"""Columns of `method_comparison` that belong to a method and not to one of its differences."""


def columns_of(metric: str, degrees: Mapping[str, OfDegrees], powers: Mapping[str, ClaimPower]) -> Mapping[str, object]:
    """Columns of one metric; empty where it is not judged."""
    if metric not in degrees:
        return dict.fromkeys(OF_CLAIM)
    power = powers.get(metric, ClaimPower(np.nan, np.nan))
    return dict(zip(OF_CLAIM, (*degrees[metric], *power), strict=True))
