"""The pairs of a universe in one row, each with its TF: what resampling, permuting and choosing work on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from scfm_assets.core.metrics.metrics import Bins, as_bins, bins_of_clusters, values_of, values_of_several
from scfm_assets.core.metrics.pair_ranks import PairRanks
from scfm_assets.core.metrics.ranking import BinsByTf, PlacedPairs, Ranking
from scfm_assets.core.metrics.thresholds import codes_of

End = Literal["tf", "target"]
"""What has a score where its pairs have that and no other."""


@dataclass(frozen=True, eq=False)
class CandidatePairs:
    """The n candidate pairs of a universe, in the order of their matrix.

    Attributes
    ----------
    place
        Where each pair stands in the flattened matrix of scores, int64 (n,).
    tf
        Which TF each pair belongs to, int64 (n,) in 0 .. n_tfs - 1; -1 where its first gene is no TF.
    positive
        Whether the pair is an edge, boolean (n,).
    n_tfs
        Number of TFs, those without a pair counted.
    tf_of_row
        Which TF each row of their matrix is, int64 (R,), -1 for none.
    n_targets
        Number of its columns.
    gene_of_row
        The column of each row's own gene, int64 (R,), -1 for none.
    """

    place: np.ndarray
    tf: np.ndarray
    positive: np.ndarray
    n_tfs: int
    tf_of_row: np.ndarray
    n_targets: int
    gene_of_row: np.ndarray

    @classmethod
    def of_masks(
        cls,
        candidate: np.ndarray,
        positive: np.ndarray,
        tfs: np.ndarray | None = None,
        *,
        genes: np.ndarray | None = None,
    ) -> CandidatePairs:
        """Take the pairs of masks.

        Parameters
        ----------
        candidate, positive
            Boolean (R, K): the pairs that are ranked, and the edges among them; rows are the TF's end.
        tfs
            Rows that are TFs, ascending; all rows if None.
        genes
            Column of each row's own gene, (R,): a gene that is TF and target varies at both ends at once. Not known if
            None.
        """
        if not np.array_equal(candidate.shape, positive.shape):
            message = f"candidates of shape {candidate.shape} and positives of shape {positive.shape}"
            raise ValueError(message)
        rows = np.arange(len(candidate)) if tfs is None else np.asarray(tfs)
        tf_of_row = np.full(len(candidate), -1, np.int64)
        tf_of_row[rows] = np.arange(len(rows))
        place, n_targets = np.flatnonzero(candidate), candidate.shape[1]
        tf = tf_of_row[place // n_targets]
        gene_of_row = np.full(len(candidate), -1, np.int64) if genes is None else np.asarray(genes, np.int64)
        return cls(place, tf, positive.reshape(-1)[place], len(rows), tf_of_row, n_targets, gene_of_row)

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """Take these pairs of matrices (..., R, K), turned so that rows are the TF's end; shape (..., n)."""
        return matrix.reshape(*matrix.shape[:-2], -1)[..., self.place]

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.place)

    @cached_property
    def n_pos(self) -> int:
        """Number of edges among them."""
        return int(np.count_nonzero(self.positive))

    @property
    def n_neg(self) -> int:
        """Number of pairs that are no edge."""
        return self.n - self.n_pos

    @cached_property
    def target(self) -> np.ndarray:
        """Column of each pair, int64 (n,)."""
        return self.place % self.n_targets

    @cached_property
    def targets(self) -> np.ndarray:
        """Edges of each TF, int64 (n_tfs,)."""
        return np.bincount(self.tf[self.positive & (self.tf >= 0)], minlength=self.n_tfs)

    def values_of_each(self, scores: np.ndarray) -> np.ndarray:
        """Rank the pairs by each row of finite scores (G, n): all of `METRICS`, (G, n_metrics)."""
        of_edges, of_others = (np.sort(scores[:, places], axis=1) for places in self._edges_and_others)
        n_edges = of_edges.shape[1]
        positive, tied, below = (np.zeros((len(scores), n_edges)) for _ in range(3))
        for i, (edges, others) in enumerate(zip(of_edges, of_others, strict=True)):
            below[i] = others.searchsorted(edges)
            tied[i] = others.searchsorted(edges, side="right") - below[i]
            # The edges of one score stand in its last place: those before it are called as it is, and add nothing.
            last = np.flatnonzero(np.append(edges[1:] != edges[:-1], True))
            positive[i, last] = np.diff(last, prepend=-1)
        return values_of(Bins(positive, np.where(positive > 0, tied, 0), below, np.full(len(scores), self.n_neg))).T

    def values_of_ends(self, end: End, scores: np.ndarray) -> np.ndarray:
        """Do the same where each pair scores what its TF, or its target, scores, (G, C); (G, n_metrics)."""
        of_pair, n_ends = self.tf if end == "tf" else self.target, scores.shape[1]
        n_pairs, n_edges = (np.bincount(part, minlength=n_ends) for part in (of_pair, of_pair[self.positive]))
        return values_of_several([bins_of_clusters(of_row, n_pairs, n_edges) for of_row in scores])

    @cached_property
    def _edges_and_others(self) -> tuple[np.ndarray, np.ndarray]:
        return np.flatnonzero(self.positive), np.flatnonzero(~self.positive)

    def rank(self, scores: np.ndarray) -> RankedPairs:
        """Put the pairs in the order of finite scores (n,); higher means more likely an edge."""
        return RankedPairs(self, scores)


@dataclass(frozen=True, eq=False)
class RankedPairs(Ranking):
    """A ranking of pairs by their scores (n,): what `CandidatePairs.rank` returns. Each part is made when asked for."""

    pairs: CandidatePairs
    scores: np.ndarray

    @property
    def by_tf(self) -> BinsByTf:
        """See `Ranking`."""
        return self._counted

    @property
    def grid(self) -> PlacedPairs:
        """See `Ranking`."""
        pairs, (codes, p) = self.pairs, self._codes
        place = np.full(len(pairs.tf_of_row) * pairs.n_targets, 2 * p + 1)
        place[pairs.place] = np.where(pairs.positive, 2 * p + 2 + codes // 2, codes)
        return PlacedPairs(place.reshape(-1, pairs.n_targets), pairs.tf_of_row, pairs.n_tfs, pairs.gene_of_row)

    @cached_property
    def _codes(self) -> tuple[np.ndarray, int]:
        """Where the scores lie among the distinct ones of the positives, and how many these are."""
        thresholds = np.unique(self.scores[self.pairs.positive])
        return codes_of(self.scores, thresholds), len(thresholds)

    @cached_property
    def _counted(self) -> BinsByTf:
        tf, positive, n_tfs = self.pairs.tf, self.pairs.positive, self.pairs.n_tfs
        codes, p = self._codes
        width = 2 * p + 1
        place, size = (tf + 1) * width + codes, (n_tfs + 1, width)
        every = np.bincount(place, minlength=size[0] * width).reshape(size)
        chosen = np.bincount(place[positive], minlength=size[0] * width).reshape(size)
        bins = as_bins(every, chosen)
        return bins[1:], bins[0] if every[0].any() else None

    @cached_property
    def bins(self) -> Bins:
        """Bins of all pairs, shapes (p,)."""
        (codes, p), positive = self._codes, self.pairs.positive
        every, chosen = (np.bincount(part, minlength=2 * p + 1).astype(float) for part in (codes, codes[positive]))
        return as_bins(every, chosen)

    @cached_property
    def ranks(self) -> PairRanks:
        """Where each pair stands, for metrics of other labels than the pairs' own."""
        return PairRanks.of(self.scores)
