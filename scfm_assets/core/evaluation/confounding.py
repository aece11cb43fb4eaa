"""Random weights are the yardstick: where a method ranks with them, it does not rank by what a model has learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.metrics import auroc, bins_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scfm_assets.core.metrics import CandidatePairs

CHANCE = 0.5
"""AUROC of a method that knows nothing."""
EXPLAINS = 0.1
"""Correlation (absolute) from which on a null is named: what correlates less with the scores explains none of them."""

Verdict = Literal["confounded", "clean", "unknown"]


@dataclass(frozen=True)
class ControlReading:
    """The AUROC of one method on a model with random weights, with its own interval.

    Attributes
    ----------
    name
        What tells it apart: method, model, layer.
    value, low, high
        The AUROC and its limits; NaN limits where no interval could be made.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Confounding:
    """What random weights say of a method.

    Attributes
    ----------
    reading
        The AUROC on random weights.
    verdict
        ``confounded`` where the interval excludes chance, ``clean`` where it holds it, ``unknown`` without limits.
    null
        The null whose scores correlate best with the method's, whichever sign; None where none reaches `EXPLAINS`.
    correlations
        Spearman correlation with each null over the pairs of the universe; 0 where either is constant.
    null_values
        AUROC of each null over the same pairs: a null explains an AUROC only if its own is away from chance too.
    """

    reading: ControlReading
    verdict: Verdict
    null: str | None
    correlations: Mapping[str, float] = field(default_factory=dict)
    null_values: Mapping[str, float] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        own = self.reading
        scored = f"{own.name} scores {own.value:.3f} [{own.low:.3f}, {own.high:.3f}] on random weights"
        if self.verdict != "confounded":
            return f"{scored}: {self.verdict}."
        if self.null is None:
            return f"{scored}: confounded, by none of the nulls ({', '.join(self.correlations)})."
        of_null = f"correlation {self.correlations[self.null]:.2f}, itself {self.null_values[self.null]:.3f}"
        return f"{scored}: confounded, like {self.null} ({of_null})."


def confounding(
    readings: Sequence[ControlReading],
    scores: Mapping[str, np.ndarray],
    nulls: Mapping[str, np.ndarray],
    pairs: CandidatePairs,
) -> list[Confounding]:
    """Say of each method whether random weights score away from chance, and which null its scores resemble.

    Parameters
    ----------
    readings
        AUROCs with intervals on random weights, over `pairs`.
    scores
        By the name of a reading: the scores of its random weights, (R, K), turned so that rows are the TF's end.
    nulls
        By name: scores (R, K) of the gene-level nulls on the same cells.
    pairs
        The universe.

    Raises
    ------
    ValueError
        If a reading has no scores.
    """
    missing = [reading.name for reading in readings if reading.name not in scores]
    if missing:
        message = f"no scores of {', '.join(missing)}"
        raise ValueError(message)
    of_nulls = {name: pairs.of(matrix) for name, matrix in nulls.items()}
    ranks = {name: _standard_ranks(own) for name, own in of_nulls.items()}
    values = {name: float(auroc(bins_of(own, pairs.positive))) for name, own in of_nulls.items()}
    found = []
    for reading in readings:
        own = _standard_ranks(pairs.of(scores[reading.name]))
        correlations = {name: float(own @ of_null) for name, of_null in ranks.items()}
        best = max(correlations, key=lambda name: abs(correlations[name]), default=None)
        named = best if best is not None and abs(correlations[best]) >= EXPLAINS else None
        found.append(Confounding(reading, verdict_of(reading), named, correlations, values))
    return found


def verdict_of(reading: ControlReading) -> Verdict:
    """Say whether the interval of a reading excludes chance."""
    if not np.isfinite([reading.low, reading.high]).all():
        return "unknown"
    return "clean" if reading.low <= CHANCE <= reading.high else "confounded"


def _standard_ranks(scores: np.ndarray) -> np.ndarray:
    """Midranks, centred, of length 1 (of length 0 where all are equal): their products are Spearman correlations."""
    ranks = rankdata(scores)
    ranks -= ranks.mean()
    length = np.sqrt((ranks**2).sum())
    return ranks / length if length > 0 else ranks
