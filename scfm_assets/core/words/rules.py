"""The rules: every word that the platform says of a number, and the numbers that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALPHA = 0.05
POWER = 0.8
"""What a claim aims at, and below which a null result says nothing."""


@dataclass(frozen=True)
class Margin:
    """The smallest effect that matters by one metric: what is closer is equivalent, what is told must show this much.

    Attributes
    ----------
    size
        A difference, or for `is_ratio` the logarithm of a ratio.
    is_ratio
        Metrics whose scale changes with the base rate are compared by ratios.
    """

    size: float
    is_ratio: bool = False

    def around(self, reference: float) -> tuple[float, float]:
        """Limits of what is equivalent to a value of the metric."""
        if self.is_ratio:
            return reference * float(np.exp(-self.size)), reference * float(np.exp(self.size))
        return reference - self.size, reference + self.size

    def above(self, reference: float) -> float:
        """Smallest difference that matters to a value above this one."""
        return self.around(reference)[1] - reference

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"a factor of {np.exp(self.size):.2f}" if self.is_ratio else f"{self.size:g}"


MARGINS: Mapping[str, Margin] = {
    "auroc": Margin(0.05),
    "auprc": Margin(0.2, is_ratio=True),
    "auprc_ratio": Margin(0.2, is_ratio=True),
    "epr": Margin(0.2, is_ratio=True),
}
"""Published differences between the AUROC of attention and its nulls are 0.05 to 0.07, either way. For an AUROC of 0.55
to 0.6 of few edges, 0.05 more is a fifth more of average precision: the same effect on the other scales."""


# A value and a known number -------------------------------------------------------------------------------------------

Place = Literal["at", "just above", "just below", "above", "below", "not told apart", "no interval"]


def place_of(low: float | None, high: float | None, reference: float, margin: Margin) -> Place:
    """Say where a value lies, by its interval, from a number that is known without error.

    Parameters
    ----------
    low, high
        The interval; None or NaN where a limit is not known.
    reference
        The number.
    margin
        What is equivalent to it.

    Returns
    -------
    ``at``: the interval holds the number and is inside the margin. ``just above`` (``just below``): it is inside the
    margin, but does not hold the number. ``above`` (``below``): it does not hold the number and reaches beyond the
    margin. ``not told apart``: it holds the number and reaches beyond the margin. ``no interval``: neither limit is
    known.
    """
    bottom, top = _number(low), _number(high)
    if np.isnan(bottom) and np.isnan(top):
        return "no interval"
    least, most = margin.around(reference)
    inside = bottom >= least and top <= most
    if bottom > reference:
        return "just above" if inside else "above"
    if top < reference:
        return "just below" if inside else "below"
    return "at" if inside else "not told apart"


_OF_CHANCE: Mapping[Place, str] = {
    "at": "at chance",
    "just above": "near chance, but above it",
    "just below": "near chance, but below it",
    "above": "above chance",
    "below": "below chance",
    "not told apart": "not told apart from chance",
    "no interval": "no interval to judge it by",
}
_OF_CEILING: Mapping[Place, str] = {
    "at": "reaches its ceiling",
    "just above": "near its ceiling, but above it",
    "just below": "near its ceiling, but below it",
    "above": "above its ceiling",
    "below": "below its ceiling",
    "not told apart": "not told apart from its ceiling",
    "no interval": "no interval to judge it by",
}


def against_chance(low: float | None, high: float | None, *, chance: float = 0.5, metric: str = "auroc") -> str:
    """Say in words where a value lies from chance; the place is that of `place_of`."""
    return _OF_CHANCE[place_of(low, high, chance, MARGINS[metric])]


def against_ceiling(low: float | None, high: float | None, *, ceiling: float, metric: str = "auroc") -> str:
    """Say in words where a value lies from the most that it could be; the place is that of `place_of`."""
    return _OF_CEILING[place_of(low, high, ceiling, MARGINS[metric])]


Confounding = Literal["confounded", "clean", "unknown"]


def confounding_of(low: float | None, high: float | None) -> Confounding:
    """Say whether random weights score away from chance, by the interval of their AUROC.

    ``confounded``: it excludes chance. ``clean``: it is at chance. ``unknown``: it is too wide to say either, or there
    is none.
    """
    place = place_of(low, high, 0.5, MARGINS["auroc"])
    return "clean" if place == "at" else "unknown" if place in {"not told apart", "no interval"} else "confounded"


def is_steady(
    value: float, low: float | None, high: float | None, *, left_out: str, metric: str = "auroc", of_others: bool = True
) -> bool:
    """Say whether other cells would give nearly the same number.

    Parameters
    ----------
    value, low, high
        The number and its interval.
    left_out
        Kind of the interval. Only ``donors`` speaks of other cells: other cells of the same donors are not others.
    metric
        Its margin says what nearly is.
    of_others
        False where so few donors were left out that the interval speaks of these donors alone.
    """
    return left_out == "donors" and of_others and place_of(low, high, value, MARGINS[metric]) == "at"


# Two values, paired ---------------------------------------------------------------------------------------------------

Compared = Literal["better", "worse", "indistinguishable"]


def compared(low: float | None, high: float | None, neutral: float = 0.0) -> Compared:
    """Say whether the interval of a paired difference lies above or below a value; without limits it says nothing.

    ``indistinguishable`` says that these data cannot tell, not that there is no difference: for that, ask `place_of`.
    """
    bottom, top = _number(low), _number(high)
    return "better" if bottom > neutral else "worse" if top < neutral else "indistinguishable"


def is_best(against_others: Iterable[Compared]) -> bool:
    """Say whether something is the best: better than each of the others, of which there is at least one.

    What merely has the highest value is called the highest.
    """
    words = list(against_others)
    return bool(words) and all(word == "better" for word in words)


Trend = Literal["flat", "rises", "falls", "not told apart from flat", "no interval"]


def trend_of(low: float | None, high: float | None, margin: Margin, *, level: float = 0.0) -> Trend:
    """Say what a curve does, by the interval of its change from the fewest cells to the most.

    Parameters
    ----------
    low, high
        Interval of the change: a paired difference, as both ends share cells, TFs and targets.
    margin
        Change that does not matter.
    level
        Value at the fewest cells, from which a margin that is a ratio is counted.

    Returns
    -------
    ``flat``: the interval holds 0 and no change that matters. ``rises``, ``falls``: it does not hold 0. Otherwise the
    points say neither.
    """
    least, most = (end - level for end in margin.around(level))
    place = place_of(low, high, 0.0, Margin(min(-least, most)))
    words: Mapping[Place, Trend] = {
        "at": "flat",
        "just above": "rises",
        "above": "rises",
        "just below": "falls",
        "below": "falls",
        "not told apart": "not told apart from flat",
        "no interval": "no interval",
    }
    return words[place]


# Claims and their power -----------------------------------------------------------------------------------------------

BEATS, WORSE, DOES_NOT_BEAT, UNDERPOWERED = (
    "beats the nulls",
    "worse than a null",
    "does not beat the nulls",
    "underpowered",
)


def is_conclusive(power: float | None) -> bool:
    """Say whether the lack of an effect means something: power for the smallest effect that matters is 0.8 or more.

    A power that is not known is none.
    """
    return _number(power) >= POWER


def verdict_of_test(
    q: float | None, power: float | None, *, alpha: float = ALPHA
) -> Literal["supported", "not supported", "underpowered"]:
    """Say what a test says: ``not supported`` only where the test could have found what matters."""
    if _number(q) <= alpha:
        return "supported"
    return "not supported" if is_conclusive(power) and not np.isnan(_number(q)) else "underpowered"


def against_nulls(
    of_each: Iterable[Compared], *, worse: bool, p_degrees: float | None, power: float | None, alpha: float = ALPHA
) -> str:
    """Say whether a method beats the nulls.

    Parameters
    ----------
    of_each
        Every comparison that the claim needs: each null by each kind of interval, paired.
    worse
        Whether it is worse than some null by every kind of interval, at an alpha that allows for their number.
    p_degrees
        p against networks in which every TF keeps its number of targets and every target its number of TFs.
    power
        Of the whole claim, for the smallest effect that matters.
    alpha
        For `p_degrees`.

    Returns
    -------
    `BEATS`, `WORSE`, `DOES_NOT_BEAT` or `UNDERPOWERED`. A method that is better than each null, but no better than the
    degrees of the network explain, does not beat the nulls.
    """
    if is_best(of_each) and _number(p_degrees) <= alpha:
        return BEATS
    if worse:
        return WORSE
    return DOES_NOT_BEAT if is_conclusive(power) and not np.isnan(_number(p_degrees)) else UNDERPOWERED


def shows_no_knowledge(verdict: str) -> bool:
    """Say whether a method shows no knowledge of edges: it does not beat the nulls, though it could have."""
    return verdict in {DOES_NOT_BEAT, WORSE}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
