"""The universe in which a gene-level null knows nothing: negatives are matched.

It is a function of network, panel and gene levels alone. The gene levels are those of all cells of the processed atlas,
so that it is the same for every method, model, layer and n_cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.base import seed_from
from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.universes.control_networks import tf_grid_of
from scfm_assets.core.universes.universe import PanelEdges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.sampling import GeneLevels

MOST = 50
"""Negatives of a positive, at most."""
TOLERANCES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
"""How far TF and target of a negative may lie from those of its positive, in the logarithm of every level, in standard
deviations: of the network's TFs for the TF's end, of the panel for the target's."""
LIMIT = 0.1
"""Largest standardised difference that counts as balanced (Austin 2009, Statistics in Medicine 28)."""
AIM = 0.03
"""Largest one that the matching settles for while it can choose: a null's AUROC is then within about 0.03 of 0.5."""
FEWEST = 3
"""Negatives of an edge, on average, below which none leaves for the sake of balance."""


@dataclass(frozen=True, eq=False)
class MaskedUniverse:
    """A universe that is given by its pairs.

    Attributes
    ----------
    candidate, positive
        The pairs that are ranked and the edges among them, boolean (K, K); rows are the TF's end.
    tfs
        Panel indices of the TFs, ascending.
    left_out
        Edges of the network that are not in it, for want of a match.
    """

    name: str
    candidate: np.ndarray
    positive: np.ndarray
    tfs: np.ndarray
    left_out: int = 0

    @property
    def rows(self) -> Literal["tfs"]:
        """Genes that may stand at the TF's end."""
        return "tfs"

    @property
    def seen_only(self) -> bool:
        """Whether only pairs count that some cell holds together."""
        return False

    @cached_property
    def edges(self) -> PanelEdges:
        """Its positives as the edges of a network."""
        return PanelEdges(len(self.positive), self.tfs, *np.nonzero(self.positive))

    def mask(self, edges: PanelEdges, pairs: np.ndarray) -> np.ndarray:  # noqa: ARG002 (as a Universe's)
        """Mark the pairs that are ranked, whatever cells hold them; (K, K)."""
        return self.candidate

    def kept(self, edges: PanelEdges, seen: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Mark the pairs of the TFs that are ranked, (n_tfs, K); None for all but a gene with itself."""
        return self._kept

    @cached_property
    def _kept(self) -> np.ndarray | None:
        kept = self.candidate[self.tfs]
        return None if np.count_nonzero(kept) == len(self.tfs) * (len(self.candidate) - 1) else kept

    @property
    def pairs(self) -> CandidatePairs:
        """Its pairs in one row."""
        return CandidatePairs.of_masks(self.candidate, self.positive, self.tfs)


def universe_seed(name: str, network_digest: str, gene_ids: Sequence[str], tissue: str) -> int:
    """Seed of a universe: nothing but the network, the panel and the tissue decides it."""
    return seed_from("universe", name, network_digest, np.asarray(gene_ids, str), tissue)


def expression_matched(
    edges: PanelEdges, levels: GeneLevels, *, seed: int, most: int = MOST, aim: float = AIM
) -> MaskedUniverse:
    """Rank each edge among negatives of `tf_grid` whose TF and target are expressed as its own are.

    In each of `most` turns every edge, in random order, takes one pair at random that is no edge, is not taken yet
    and lies within its tolerance. Where none is left the edge goes on to the next of `TOLERANCES`; an edge that finds
    none at the widest takes no more, and is left out of the universe if it never found one. A negative thus serves one
    edge only: in a mask it counts once, and would count too little if it served several.

    Edges that run out of near negatives before the others unbalance the universe. So negatives leave it again, each
    time the one without which positives and negatives are most alike, until all differences of `balance`, and those of
    ranks, are below `aim`; where they never are while there are `FEWEST` times as many negatives as edges, those stay
    that were best. No score of any method has a say in that.

    Parameters
    ----------
    edges
        The network in the panel.
    levels
        What the panel's genes are like over all cells of the processed atlas; all of it is matched.
    seed
        Decides all that is random, see `universe_seed`.
    most, aim
        Negatives of an edge at most, and the largest standardised difference.
    """
    draw = _Draw(edges, levels, np.random.default_rng(seed), most)
    place = draw.places()
    matched = np.isin(np.arange(len(edges.source)), list(draw.served))
    taken = place[_balanced(edges, levels, matched, place, aim)]
    positive, candidate = np.zeros_like(edges.mask), np.zeros_like(edges.mask)
    positive[edges.source[matched], edges.target[matched]] = True
    candidate[np.divmod(taken, edges.n_genes)] = True
    left_out = int(np.count_nonzero(~matched))
    return MaskedUniverse("expression_matched", candidate | positive, positive, edges.tfs, left_out)


class _Draw:
    """Edges that take negatives in turns; places are those of the flattened matrix (K, K)."""

    def __init__(self, edges: PanelEdges, levels: GeneLevels, rng: np.random.Generator, most: int) -> None:
        self.edges, self.rng, self.most = edges, rng, most
        self.tf_apart = _apart(levels.side_by_side[edges.tfs])
        self.target_apart = _apart(levels.side_by_side)
        self.row = np.searchsorted(edges.tfs, edges.source)
        self.free = tf_grid_of(edges) & ~edges.mask
        self.step = np.zeros(len(edges.source), int)
        self.stock: list[list[int]] = [[] for _ in edges.source]
        self.served: set[int] = set()

    def places(self) -> np.ndarray:
        """Place of each negative that is taken, in the order of turns."""
        taken = []
        for _ in range(self.most):
            for edge in self.rng.permutation(len(self.stock)).tolist():
                place = self._take(edge)
                if place is not None:
                    taken.append(place)
                    self.served.add(edge)
        return np.array(taken, np.int64)

    def _take(self, edge: int) -> int | None:
        flat = self.free.reshape(-1)
        while stock := self.stock[edge] or self._stocked(edge):
            self.stock[edge] = stock
            place = stock.pop()
            if flat[place]:
                flat[place] = False
                return place
        return None

    def _stocked(self, edge: int) -> list[int]:
        """Find free pairs within the edge's tolerance, in random order; wider where there is none."""
        while self.step[edge] < len(TOLERANCES):
            tolerance = TOLERANCES[self.step[edge]]
            tfs = self.edges.tfs[self.tf_apart[self.row[edge]] <= tolerance]
            targets = np.flatnonzero(self.target_apart[self.edges.target[edge]] <= tolerance)
            rows, columns = np.nonzero(self.free[np.ix_(tfs, targets)])
            if len(rows):
                chosen = self.rng.permutation(len(rows))[: self.most]
                return (tfs[rows[chosen]] * self.edges.n_genes + targets[columns[chosen]]).tolist()
            self.step[edge] += 1
        return []


def _apart(values: np.ndarray) -> np.ndarray:
    """Largest of the distances in the logarithms of the levels (n, n_levels), in standard deviations; shape (n, n).

    The levels of a panel are skew: on the plain scale most genes would lie within one tolerance.
    """
    logs = np.log(np.maximum(values, np.min(values, initial=1.0, where=values > 0, axis=0)))
    spread = logs.std(axis=0)
    scaled = logs / np.where(spread > 0, spread, 1)
    apart = np.zeros((len(values), len(values)))
    for level in scaled.T:  # one at a time: all at once would be many matrices
        np.maximum(apart, np.abs(level[:, None] - level), out=apart)
    return apart


def _balanced(edges: PanelEdges, levels: GeneLevels, matched: np.ndarray, place: np.ndarray, aim: float) -> np.ndarray:
    """Say which negatives stay, boolean (n,): one after the other leaves that is most to blame for the worst balance.

    Balance is that of the levels, which `balance` reports, and of the ranks of levels, products and sums: a null knows
    nothing where edges rank as high as other pairs.
    """
    stay = np.ones(len(place), bool)
    n_pos = int(np.count_nonzero(matched))
    if n_pos < 2 or not len(place):  # no spread, no difference to tell
        return stay
    source, target = np.divmod(place, edges.n_genes)
    ends = np.r_[edges.source[matched], source], np.r_[edges.target[matched], target]
    tf, other = (levels.side_by_side[end] for end in ends)
    ranks = rankdata(np.column_stack([tf, other, tf * other, tf + other]), axis=0)
    positives, negatives = np.split(np.column_stack([tf, other, ranks]), [n_pos])
    spread = np.sqrt((positives.var(axis=0, ddof=1) + negatives.var(axis=0)) / 2)
    scale = np.where(spread > 0, spread, 1)
    centre, scaled = positives.mean(axis=0) / scale, negatives / scale
    total, n = scaled.sum(axis=0), len(place)
    best, worst_of_best = stay.copy(), np.inf
    while True:
        apart = total / n - centre
        worst = float(np.abs(apart).max())
        if worst < worst_of_best:
            best, worst_of_best = stay.copy(), worst
        if worst < aim or n <= max(FEWEST * n_pos, 2):
            return stay if worst < aim else best
        # Without x the squared imbalance is |apart + (mean - x) / (n - 1)|^2: the smallest one leaves.
        moved = apart + (total / n - scaled) / (n - 1)
        blame = np.where(stay, (moved**2).sum(axis=1), np.inf)
        leaves = int(np.argmin(blame))
        stay[leaves], total, n = False, total - scaled[leaves], n - 1


# Balance ------------------------------------------------------------------------------------------------------------


class Imbalance(NamedTuple):
    """How far positives lie above negatives in one level of one end, in standard deviations."""

    end: str
    level: str
    before: float
    """Of all pairs of `tf_grid`."""
    after: float
    """Of the pairs of the universe."""


def balance(universe: MaskedUniverse, edges: PanelEdges, levels: GeneLevels) -> tuple[Imbalance, ...]:
    """Compare positives and negatives in all levels of TF and target; NaN without two of each kind."""
    grid = tf_grid_of(edges)
    before, after = (
        standardised_difference(
            _levels_of_pairs(levels, *np.nonzero(candidate & positive)),
            _levels_of_pairs(levels, *np.nonzero(candidate & ~positive)),
        )
        for candidate, positive in ((grid, edges.mask), (universe.candidate, universe.positive))
    )
    names = [(end, level) for end in ("TF", "target") for level in levels.by_name]
    return tuple(Imbalance(*name, float(was), float(now)) for name, was, now in zip(names, before, after, strict=True))


def standardised_difference(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """(m_1 - m_0) / sqrt((s_1^2 + s_0^2) / 2) of each column (Austin 2009); 0 where nothing varies."""
    if min(len(positives), len(negatives)) < 2:
        return np.full(positives.shape[1], np.nan)
    apart = positives.mean(axis=0) - negatives.mean(axis=0)
    spread = np.sqrt((positives.var(axis=0, ddof=1) + negatives.var(axis=0, ddof=1)) / 2)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)


def _levels_of_pairs(levels: GeneLevels, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """All levels of the TF, then of the target, shape (n, 2 n_levels)."""
    both = levels.side_by_side
    return np.column_stack([both[source], both[target]])
