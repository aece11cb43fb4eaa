"""Permutation p values of rankings: the labels are shuffled, the scores are ranked once.

Three null hypotheses. *Anywhere*: the edges could be any pairs of the universe; what is asked is whether the ranking
itself is sound. *Within TFs*, the default: a TF's edges could be any of its candidate pairs, as many as it has; what a
method knows about TFs alone (hubs) is kept. *Degrees*: as before, and every target keeps its number of TFs
(`scfm_assets.core.statistics.degree_permutation`); what a method knows about targets alone (expression) is kept too.

p = (1 + #{permuted >= observed}) / (1 + B), never 0 and never too small (Phipson and Smyth 2010, Statistical
Applications in Genetics and Molecular Biology 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scfm_assets.core.metrics import METRICS_OF_PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    @property
    def standard_error(self) -> float:
        """Standard error of `expected`: 0 where nothing varies."""
        return float(np.std(self.permuted, ddof=1) / np.sqrt(len(self.permuted)))

    def p(self, alternative: Alternative = "greater") -> float:
        """Return the p value; two-sided is twice the smaller one, at most 1."""
        return float(exact_p(np.array([self.value]), self.permuted[None], alternative)[0])


def exact_p(values: np.ndarray, permuted: np.ndarray, alternative: Alternative = "greater") -> np.ndarray:
    """Return (1 + #{permuted >= value}) / (1 + B).

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


def permuted_within_tfs(pairs: CandidatePairs, *, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """Draw edges of each TF anew from its candidate pairs, as many as it has.

    Edges of pairs without a TF are drawn from those pairs. Yields places among the pairs, int64 (b, n_pos), some
    permutations at a time; which ones come together changes none of them.
    """
    of_tf = [np.flatnonzero(pairs.tf == tf) for tf in range(-1, pairs.n_tfs)]
    n_edges = [int(np.count_nonzero(pairs.positive[places])) for places in of_tf]
    rows = [(places, n) for places, n in zip(of_tf, n_edges, strict=True) if n]
    rngs = [np.random.default_rng([seed, i]) for i in range(len(rows))]
    size = max(1, AT_ONCE // max(1, pairs.n_pos, *(len(places) for places, _ in rows)))
    for start in range(0, permutations, size):
        here = min(size, permutations - start)
        yield np.concatenate(
            [places[_subsets(len(places), n, here, rng)] for (places, n), rng in zip(rows, rngs, strict=True)], axis=1
        )


def permuted_anywhere(pairs: CandidatePairs, *, permutations: int, seed: int) -> Iterator[np.ndarray]:
    """Shuffle the labels of all pairs: yields places of as many edges, int64 (1, n_pos), one permutation at a time."""
    rng = np.random.default_rng(seed)
    for _ in range(permutations):
        yield np.flatnonzero(rng.permutation(pairs.positive))[None]


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
        Names in `METRICS_OF_PLACES`.
    labels
        Other permuted labels than those within TFs: `permuted_anywhere`, `permuted_degrees`.

    Returns
    -------
    By metric, for each method. For a difference of methods subtract value and `permuted`.
    """
    if not pairs.n_pos or not pairs.n_neg:
        message = "labels cannot be permuted: no positives or no negatives in the universe"
        raise ValueError(message)
    ranks = [pairs.rank(of_method).ranks for of_method in scores]
    observed = np.flatnonzero(pairs.positive)
    drawn: list[dict[str, list[np.ndarray]]] = [{name: [] for name in metrics} for _ in ranks]
    for chosen in labels or permuted_within_tfs(pairs, permutations=permutations, seed=seed):
        for of_method, values in zip(ranks, drawn, strict=True):
            for name in metrics:
                values[name].append(METRICS_OF_PLACES[name](of_method, chosen))
    return [
        {
            name: Permuted(float(METRICS_OF_PLACES[name](of_method, observed)), np.concatenate(values[name]))
            for name in metrics
        }
        for of_method, values in zip(ranks, drawn, strict=True)
    ]


def _subsets(n: int, size: int, times: int, rng: np.random.Generator) -> np.ndarray:
    """Draw subsets without replacement, every one equally likely; shape (times, size)."""
    if size == n:
        return np.broadcast_to(np.arange(n), (times, n))
    keys = rng.random((times, n))
    return np.argpartition(keys, size - 1, axis=1)[:, :size]
