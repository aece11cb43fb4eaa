"""Plain resamples that those of the package are compared with, and shared ones from scores instead of rankings."""

from collections.abc import Callable, Sequence

import numpy as np

from scfm_assets.core import statistics
from scfm_assets.core.metrics import METRICS, Bins, CandidatePairs, as_bins, codes_of, values_of
from scfm_assets.core.scores import ScoresOfGroups
from scfm_assets.core.statistics import Donors, PairBootstrap, Resampled, TwoWay

AT_ONCE = 1 << 20
"""Pairs, times draws, that are held at once. No result depends on it."""


def over_pairs(scores: np.ndarray, pairs: CandidatePairs, *, resamples: int = 200, seed: int = 0) -> Resampled:
    """Draw pairs with replacement, the same for all methods, scores (M, n)."""
    coded = [_coded(of_method, pairs.positive) for of_method in scores]
    drawn = np.full((len(scores), len(METRICS), resamples), np.nan)
    rng, positive = np.random.default_rng(seed), pairs.positive
    size = max(1, AT_ONCE // max(1, pairs.n))
    for start in range(0, resamples, size):
        here = slice(start, min(resamples, start + size))
        weights = [np.bincount(rng.integers(pairs.n, size=pairs.n), minlength=pairs.n) for _ in range(resamples)[here]]
        for m, (codes, width) in enumerate(coded):
            every = np.stack([np.bincount(codes, weight, minlength=width) for weight in weights])
            chosen = np.stack([np.bincount(codes[positive], w[positive], minlength=width) for w in weights])
            drawn[m, :, here] = values_of(as_bins(every, chosen))
    values = np.stack([pairs.rank(of_method).values for of_method in scores])
    return Resampled("pairs", values, pairs.n_pos, pairs.n_neg, pairs.n_pos, np.inf, drawn)


def _coded(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, int]:
    thresholds = np.unique(scores[positive])
    return codes_of(scores, thresholds), 2 * len(thresholds) + 1


def over_network(scores: np.ndarray, pairs: CandidatePairs) -> TwoWay:
    """Let TFs and targets of scores (M, n) vary."""
    return statistics.over_network([pairs.rank(of_method) for of_method in scores])


def over_tfs(scores: np.ndarray, pairs: CandidatePairs) -> Resampled:
    """Leave each TF out of scores (M, n)."""
    return statistics.over_tfs([pairs.rank(of_method) for of_method in scores])


def over_cells(
    scores: np.ndarray, left_out: np.ndarray, sizes: np.ndarray, pairs: CandidatePairs, donors: Donors | None = None
) -> Resampled:
    """Leave each group of cells out: scores (M, n), and those without each group (M, n_groups, n)."""
    without = [np.stack([pairs.rank(without_group).values for without_group in of_method]) for of_method in left_out]
    return statistics.over_cells([pairs.rank(of_method) for of_method in scores], without, sizes, donors)


def pair_bootstrap(bins: Bins, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Metrics of draws of the pairs of one ranking, shape (n_metrics, resamples)."""
    n_pos, n_neg = int(bins.n_pos), int(bins.n_neg)
    return PairBootstrap(n_pos, n_neg, resamples=resamples, seed=int(rng.integers(2**62))).values(bins)


def tf_weights(n_tfs: int, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw TFs with replacement: how often each is drawn, shape (resamples, n_tfs)."""
    return rng.multinomial(n_tfs, np.full(n_tfs, 1 / n_tfs), size=resamples)


def percentile_interval(draws: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Percentiles of the defined draws along the last axis, and how many draws are defined, shapes (...)."""
    used = np.count_nonzero(~np.isnan(draws), axis=-1)
    limits = [(1 - level) / 2, (1 + level) / 2]
    ends = np.full((2, *used.shape), np.nan)
    for place in np.ndindex(used.shape):
        if used[place]:
            ends[:, *place] = np.quantile(draws[place][~np.isnan(draws[place])], limits)
    return ends[0], ends[1], used


def of_cells(
    options: Sequence[ScoresOfGroups], pairs: CandidatePairs, metric: str = "auroc"
) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function that gives a metric of each option for weighted groups of cells, over the same pairs."""
    place = [known.name for known in METRICS].index(metric)

    def values(weights: np.ndarray) -> np.ndarray:
        return np.array([[pairs.rank(scored(own)).values[place] for own in weights] for scored in options])

    return values
