"""Permutation p values of rankings: the labels are shuffled, the scores are ranked once.

Two null hypotheses. *Within TFs*: a TF's edges could be any of its candidate pairs, as many as it has; what a method
knows about TFs alone (hubs) is kept. *Degrees*: as before, and every target keeps its number of TFs
(`scfm_assets.core.statistics.degree_permutation`); what a method knows about targets alone (expression) is kept too.

p = (1 + #{permuted >= observed}) / (1 + B), never 0 and never too small (Phipson and Smyth 2010, Statistical
Applications in Genetics and Molecular Biology 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scfm_assets.core.metrics import CandidatePairs

Alternative = Literal["greater", "less", "two-sided"]

AT_ONCE = 1 << 21
"""Numbers that are held at once. No result depends on it."""
CLOSE = 1e-9
"""Statistics closer than this, relatively, are taken as equal: sums in another order differ by rounding."""


@dataclass(frozen=True, eq=False)
class Permuted:
    """A statistic, and the same of permuted labels, shape (B,)."""

    value: float
    permuted: np.ndarray

    @property
    def expected(self) -> float:
        """Mean under permutation."""
        return float(self.permuted.mean())

    @property
    def effect(self) -> float:
        """Distance from `expected` in standard deviations of the permuted values; 0 where nothing varies."""
        spread = float(self.permuted.std(ddof=1)) if len(self.permuted) > 1 else 0.0
        return (self.value - self.expected) / spread if spread > 0 else 0.0

    def p(self, alternative: Alternative = "greater") -> float:
        """Give the p value; two-sided is twice the smaller one, at most 1."""
        return float(exact_p(np.array([self.value]), self.permuted[None], alternative)[0])


def exact_p(values: np.ndarray, permuted: np.ndarray, alternative: Alternative = "greater") -> np.ndarray:
    """Give (1 + #{permuted >= value}) / (1 + B).

    Parameters
    ----------
    values
        Observed statistics, shape (...).
    permuted
        The same of permuted labels, shape (..., B).
    alternative
        ``greater``, ``less`` or ``two-sided``: twice the smaller of the two, at most 1.
    """
    room = CLOSE * np.maximum(np.abs(values), 1e-300)
    least, most = (values - room)[..., None], (values + room)[..., None]
    above, below = (
        (1 + np.count_nonzero(beyond, axis=-1)) / (1 + permuted.shape[-1])
        for beyond in (permuted >= least, permuted <= most)
    )
    if alternative == "two-sided":
        return np.minimum(1, 2 * np.minimum(above, below))
    return above if alternative == "greater" else below


class RankedOnce:
    """What metrics of any labels of these scores need: ranks, and how many pairs stand at least as high.

    Parameters
    ----------
    scores
        Finite scores of the n pairs, shape (n,).
    """

    def __init__(self, scores: np.ndarray) -> None:
        self.n = len(scores)
        self.doubled = np.rint(2 * rankdata(scores)).astype(np.int64)
        ascending = np.sort(scores)
        self.called = self.n - np.searchsorted(ascending, scores, side="left")
        self.above = self.n - np.searchsorted(ascending, scores, side="right")

    def auroc(self, chosen: np.ndarray) -> np.ndarray:
        """AUROC if these places, (..., n_pos), are the positives: from the sum of their ranks (Mann and Whitney)."""
        n_pos = chosen.shape[-1]
        doubled = self.doubled[chosen].sum(axis=-1)
        return (doubled - n_pos * (n_pos + 1)) / (2.0 * n_pos * (self.n - n_pos))

    def average_precision(self, chosen: np.ndarray) -> np.ndarray:
        """Average precision if these places, (..., n_pos), are the positives; ties as in `metrics`."""
        called = np.sort(self.called[chosen], axis=-1)
        n_pos = called.shape[-1]
        order = np.arange(1, n_pos + 1)
        # Of positives with one score all count as found: the last of each run, carried to those before it.
        last = np.append(np.diff(called, axis=-1) > 0, np.ones((*called.shape[:-1], 1), bool), axis=-1)
        found = np.where(last, order, n_pos + 1)
        hits = np.minimum.accumulate(found[..., ::-1], axis=-1)[..., ::-1]
        return (hits / called).mean(axis=-1)

    def early_precision_ratio(self, chosen: np.ndarray) -> np.ndarray:
        """Precision of the n_pos best pairs over the base rate; ties at the cut count by expectation."""
        n_pos = chosen.shape[-1]
        above, called = self.above[chosen], self.called[chosen]
        taken = np.clip((n_pos - above) / (called - above), 0, 1).sum(axis=-1)
        return taken / n_pos * self.n / n_pos


METRICS: dict[str, Callable[[RankedOnce, np.ndarray], np.ndarray]] = {
    "auroc": RankedOnce.auroc,
    "auprc": RankedOnce.average_precision,
    "epr": RankedOnce.early_precision_ratio,
}
"""What can be tested. The order by `auprc_ratio` is that by `auprc`: permuting keeps the base rate."""


def permuted_within_tfs(pairs: CandidatePairs, *, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """Draw edges of each TF anew from its candidate pairs, as many as it has.

    Edges of pairs without a TF are drawn from those pairs. Gives places among the pairs, int64 (b, n_pos), some
    permutations at a time; which ones come together changes none of them.
    """
    of_tf = [np.flatnonzero(pairs.tf == tf) for tf in range(-1, pairs.n_tfs)]
    wanted = [int(np.count_nonzero(pairs.positive[own])) for own in of_tf]
    rows = [(own, n) for own, n in zip(of_tf, wanted, strict=True) if n]
    rngs = [np.random.default_rng([seed, i]) for i in range(len(rows))]
    size = max(1, AT_ONCE // max(1, pairs.n_pos, *(len(own) for own, _ in rows)))
    for start in range(0, permutations, size):
        here = min(size, permutations - start)
        yield np.concatenate(
            [own[_subsets(len(own), n, here, rng)] for (own, n), rng in zip(rows, rngs, strict=True)], axis=1
        )


def permutation_test(
    scores: np.ndarray,
    pairs: CandidatePairs,
    *,
    permutations: int = 1000,
    seed: int = 0,
    metrics: tuple[str, ...] = ("auroc",),
    labels: Iterator[np.ndarray] | None = None,
) -> list[dict[str, Permuted]]:
    """Compare the metrics of methods with those of permuted labels, the same permutations for all methods.

    Parameters
    ----------
    scores
        Finite scores of the pairs, shape (M, n).
    pairs
        The pairs; at least one edge and one other.
    permutations, seed
        Number of permutations within TFs, and what decides them.
    metrics
        Names in `METRICS`.
    labels
        Other permuted labels than those within TFs, as `permuted_within_tfs` gives them.

    Returns
    -------
    By metric, for each method. For a difference of methods subtract value and `permuted`.
    """
    if not pairs.n_pos or not pairs.n_neg:
        message = "labels cannot be permuted: no positives or no negatives in the universe"
        raise ValueError(message)
    ranked = [RankedOnce(own) for own in scores]
    own = np.flatnonzero(pairs.positive)
    drawn: list[dict[str, list[np.ndarray]]] = [{name: [] for name in metrics} for _ in ranked]
    for chosen in labels or permuted_within_tfs(pairs, permutations=permutations, seed=seed):
        for one, kept in zip(ranked, drawn, strict=True):
            for name in metrics:
                kept[name].append(METRICS[name](one, chosen))
    return [
        {name: Permuted(float(METRICS[name](one, own)), np.concatenate(kept[name])) for name in metrics}
        for one, kept in zip(ranked, drawn, strict=True)
    ]


def _subsets(n: int, wanted: int, times: int, rng: np.random.Generator) -> np.ndarray:
    """Draw subsets without replacement, every one equally likely; shape (times, wanted)."""
    if wanted == n:
        return np.broadcast_to(np.arange(n), (times, n))
    keys = rng.random((times, n))
    return np.argpartition(keys, wanted - 1, axis=1)[:, :wanted]
