"""What the order of pairs by one score comes to: bins of all pairs and of each TF, metrics, and other labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics.metrics import Bins, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

BinsByTf = tuple[Bins, Bins | None]


@dataclass(frozen=True, eq=False)
class PlacedPairs:
    """Where every pair of a grid lies among the positives, as bins are counted.

    Attributes
    ----------
    place
        int64 (R, K): the code of a pair that is no edge, 0 .. 2 p (`codes_of`); 2 p + 1 where a pair is not ranked;
        2 p + 2 + j of an edge at the j-th distinct score.
    tf_of_row
        The TF of each row, int64 (R,) in 0 .. n_tfs - 1, -1 where a row's gene is none.
    n_tfs
        Number of TFs.
    gene_of_row
        The column of each row's own gene, int64 (R,), -1 where it has none or is not known.
    """

    place: np.ndarray
    tf_of_row: np.ndarray
    n_tfs: int
    gene_of_row: np.ndarray

    @staticmethod
    def placed(codes: np.ndarray, ranked: np.ndarray, edge: tuple[np.ndarray, np.ndarray], p: int) -> np.ndarray:
        """Make `place` of the codes (R, K) among p scores, of which pairs are ranked, and of where the edges are."""
        place = np.where(ranked, codes, 2 * p + 1)
        place[edge] = np.where(ranked[edge], 2 * p + 2 + codes[edge] // 2, 2 * p + 1)
        return place


class Ranking(ABC):
    """The pairs of one universe in the order of one score."""

    @property
    @abstractmethod
    def by_tf(self) -> BinsByTf:
        """Bins of each TF's own pairs, shapes (n_tfs, p), and of the pairs without a TF, (p,); None without any."""

    @property
    @abstractmethod
    def grid(self) -> PlacedPairs:
        """Where each pair lies among the positives."""

    @property
    def of_tfs(self) -> Bins:
        """Bins of each TF's own pairs, shapes (n_tfs, p)."""
        return self.by_tf[0]

    @property
    def others(self) -> Bins | None:
        """Bins of the pairs without a TF, (p,); None without any."""
        return self.by_tf[1]

    @cached_property
    def bins(self) -> Bins:
        """Bins of all pairs, shapes (p,)."""
        of_tfs, others = self.by_tf
        return of_tfs.total() if others is None else of_tfs.total() + others

    @property
    def has_both(self) -> bool:
        """Whether there are positives and negatives."""
        return bool(self.bins.n_pos and self.bins.n_neg)

    @cached_property
    def values(self) -> np.ndarray:
        """All of `METRICS`, shape (n_metrics,); NaN without positives or negatives."""
        return values_of(self.bins)


@dataclass(frozen=True, eq=False)
class CountedRanking(Ranking):
    """A ranking that is counted into bins already, from a matrix that was looked up once for many universes."""

    counted: BinsByTf
    make_grid: Callable[[], PlacedPairs]

    @property
    def by_tf(self) -> BinsByTf:
        """See `Ranking`."""
        return self.counted

    @property
    def grid(self) -> PlacedPairs:
        """See `Ranking`."""
        return self.make_grid()
