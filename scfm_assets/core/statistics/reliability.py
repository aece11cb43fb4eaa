"""How alike the scores of two halves of the cells are, and what that says of the scores of all cells.

If scores are truth plus noise that halves see independently, the correlation of two halves is the reliability of half
the cells, r, and all cells reach 2 r / (1 + r) (Spearman 1910 and Brown 1910, British Journal of Psychology 3). No
method agrees with any truth better than the root of its reliability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.metrics import auroc
from scfm_assets.core.statistics.halves import balanced_halves

if TYPE_CHECKING:
    from scfm_assets.core.metrics import CandidatePairs
    from scfm_assets.core.scores import ScoresOfGroups


def spearman_brown(half: float | np.ndarray) -> np.ndarray:
    """Reliability of the whole from that of halves: 2 r / (1 + r); NaN for -1."""
    half = np.asarray(half, float)
    return np.divide(2 * half, 1 + half, out=np.full(half.shape, np.nan), where=half > -1)


@dataclass(frozen=True, eq=False)
class SplitHalf:
    """Agreement of halves, over many splits; NaN where one half is constant.

    Attributes
    ----------
    halves
        Agreement of the two halves of each split, shape (splits,).
    """

    halves: np.ndarray

    @property
    def half(self) -> float:
        """Mean over the splits: the reliability of half the cells."""
        known = self.halves[~np.isnan(self.halves)]
        return float(known.mean()) if len(known) else np.nan

    @property
    def whole(self) -> float:
        """Reliability of all cells, Spearman-Brown of `half`."""
        return float(spearman_brown(self.half))

    @property
    def spread(self) -> float:
        """Standard deviation of the corrected values of single splits.

        How much it matters which cells form a half; splits share cells, so it is no standard error of `whole`.
        """
        known = spearman_brown(self.halves)
        known = known[~np.isnan(known)]
        return float(known.std(ddof=1)) if len(known) > 1 else np.nan


@dataclass(frozen=True, eq=False)
class Reliability:
    """Reliability of the scores of one method over a universe, and of its AUROC.

    Attributes
    ----------
    pearson, spearman
        Of the scores over the pairs. Spearman-Brown is exact for Pearson's correlation only.
    auroc_of_tfs
        Pearson correlation, over the TFs with edges, of the AUROC of each TF's own pairs.
    aurocs
        AUROC of both halves, shape (splits, 2).
    """

    pearson: SplitHalf
    spearman: SplitHalf
    auroc_of_tfs: SplitHalf
    aurocs: np.ndarray

    @property
    def auroc_error(self) -> float:
        """Standard error of the AUROC over cells: half of the root mean square difference of the halves.

        The mean of two independent halves has a quarter of the variance of their difference. AUROCs of halves know
        less than that of all cells; where it rises steeply with cells this is not its error.
        """
        return float(np.sqrt(np.mean(np.diff(self.aurocs, axis=1) ** 2)) / 2)


def split_half(
    scores_of: ScoresOfGroups, sizes: np.ndarray, pairs: CandidatePairs, *, splits: int = 50, seed: int = 0
) -> Reliability:
    """Score the pairs from many halves of the groups of cells.

    Parameters
    ----------
    scores_of
        Scores the n pairs from chosen groups, as `scfm_assets.core.scores.group_scores.MeansOverCells` does.
    sizes
        Cells of each group, shape (n_groups,); groups without cells are left aside. At least two with cells.
    pairs
        The pairs.
    splits, seed
        Number of balanced splits, and what decides them.
    """
    held = np.flatnonzero(sizes)
    if len(held) < 2:
        message = f"{len(held)} groups with cells: halves need two"
        raise ValueError(message)
    first = np.zeros((splits, len(sizes)), bool)
    first[:, held] = balanced_halves(np.asarray(sizes)[held], splits=splits, seed=seed)
    second = np.zeros_like(first)
    second[:, held] = ~first[:, held]
    agreement = np.empty((3, splits))
    aurocs = np.empty((splits, 2))
    for i, both in enumerate(zip(first, second, strict=True)):
        one, other = (np.asarray(scores_of(half), float) for half in both)
        ranked = [pairs.rank(scores) for scores in (one, other)]
        of_tfs = [auroc(ranking.of_tfs) for ranking in ranked]
        known = ~np.isnan(of_tfs[0]) & ~np.isnan(of_tfs[1])
        agreement[0, i] = correlation(one, other)
        agreement[1, i] = correlation(rankdata(one), rankdata(other))
        agreement[2, i] = correlation(of_tfs[0][known], of_tfs[1][known])
        aurocs[i] = [auroc(ranking.bins) for ranking in ranked]
    return Reliability(SplitHalf(agreement[0]), SplitHalf(agreement[1]), SplitHalf(agreement[2]), aurocs)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson correlation; NaN where one does not vary or there are fewer than two numbers."""
    if len(one) < 2:
        return np.nan
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip(one @ other / size, -1, 1)) if size > 0 else np.nan
