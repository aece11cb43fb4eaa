"""Universes in which a gene-level null knows nothing: negatives, or the positives themselves, are matched.

Both are functions of network, panel and gene levels alone. The gene levels are those of all cells of the processed
atlas, so that a universe is the same for every method, model, layer and n_cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.universes.control_networks import degree_matched as edges_of_same_degrees
from scfm_assets.core.universes.control_networks import tf_grid_of
from scfm_assets.core.universes.universe import PanelEdges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.sampling import GeneLevels

MOST = 50
"""Negatives of a positive, at most."""
TOLERANCES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
"""How far TF and target of a negative may lie from those of its positive, each in the logarithms of mean and detection,
in standard deviations: of the network's TFs for the TF's end, of the panel for the target's."""
LIMIT = 0.1
"""Largest standardised difference that counts as balanced (Austin 2009, Statistics in Medicine 28)."""
AIM = 0.05
"""Largest one that the matching settles for while it can choose: a null's AUROC is then within about 0.03 of 0.5."""


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


def degree_matched(edges: PanelEdges, *, seed: int) -> MaskedUniverse:
    """Rank the edges of a degree-matched control network among all pairs of `tf_grid`."""
    control = edges_of_same_degrees(edges, seed=seed)
    return MaskedUniverse("degree_matched", tf_grid_of(edges), control.mask, edges.tfs)


def expression_matched(
    edges: PanelEdges, levels: GeneLevels, *, seed: int, most: int = MOST, aim: float = AIM
) -> MaskedUniverse:
    """Rank each edge among negatives of `tf_grid` whose TF and target are expressed as its own are.

    In each of `most` turns every edge, in random order, takes one pair at random that is no edge, is not taken yet
    and lies within its tolerance. Where none is left the edge goes on to the next of `TOLERANCES`; an edge that finds
    none at the widest takes no more, and is left out of the universe if it never found one. A negative thus serves one
    edge only: in a mask it counts once, and would count too little if it served several.

    Edges that run out of near negatives before the others unbalance the universe. So it holds the turns up to the last
    one after which all differences of `balance` are below `aim`, or, where there is none, up to the best one. No score
    of any method has a say in that.

    Parameters
    ----------
    edges
        The network in the panel.
    levels
        Mean and detection of the panel's genes over all cells of the processed atlas.
    seed
        Decides all that is random, see `universe_seed`.
    most, aim
        Negatives of an edge at most, and the largest standardised difference.
    """
    draw = _Draw(edges, levels, np.random.default_rng(seed), most)
    turn, place = draw.turns()
    matched = np.isin(np.arange(len(edges.source)), list(draw.served))
    taken = place[turn <= _last_balanced_turn(edges, levels, matched, (turn, place), aim)]
    positive, candidate = np.zeros_like(edges.mask), np.zeros_like(edges.mask)
    positive[edges.source[matched], edges.target[matched]] = True
    candidate[np.divmod(taken, edges.n_genes)] = True
    left_out = int(np.count_nonzero(~matched))
    return MaskedUniverse("expression_matched", candidate | positive, positive, edges.tfs, left_out)


class _Draw:
    """Edges that take negatives in turns; places are those of the flattened matrix (K, K)."""

    def __init__(self, edges: PanelEdges, levels: GeneLevels, rng: np.random.Generator, most: int) -> None:
        self.edges, self.rng, self.most = edges, rng, most
        self.tf_apart = _apart(levels.both[edges.tfs])
        self.target_apart = _apart(levels.both)
        self.row = np.searchsorted(edges.tfs, edges.source)
        self.free = tf_grid_of(edges) & ~edges.mask
        self.step = np.zeros(len(edges.source), int)
        self.stock: list[list[int]] = [[] for _ in edges.source]
        self.served: set[int] = set()

    def turns(self) -> tuple[np.ndarray, np.ndarray]:
        """Turn, from 1, and place of each negative that is taken."""
        taken = []
        for turn in range(1, self.most + 1):
            for edge in self.rng.permutation(len(self.stock)).tolist():
                place = self._take(edge)
                if place is not None:
                    taken.append((turn, place))
                    self.served.add(edge)
        turns, places = np.array(taken, np.int64).reshape(-1, 2).T
        return turns, places

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
    """Larger of the distances in the logarithms of both levels (n, 2), in standard deviations; shape (n, n).

    The levels of a panel are skew: on the plain scale most genes would lie within one tolerance.
    """
    logs = np.log(np.maximum(values, np.min(values, initial=1.0, where=values > 0, axis=0)))
    spread = logs.std(axis=0)
    scaled = logs / np.where(spread > 0, spread, 1)
    return np.abs(scaled[:, None] - scaled[None]).max(axis=2)


def _last_balanced_turn(
    edges: PanelEdges,
    levels: GeneLevels,
    matched: np.ndarray,
    drawn: tuple[np.ndarray, np.ndarray],
    aim: float,
) -> int:
    turn, place = drawn
    last_turn = int(turn.max(initial=0))
    if np.count_nonzero(matched) < 2:  # no spread, no difference to tell
        return last_turn
    of_positives = _levels_of_pairs(levels, edges.source[matched], edges.target[matched])
    of_negatives = _levels_of_pairs(levels, *np.divmod(place, edges.n_genes))
    worst = [
        np.abs(standardised_difference(of_positives, of_negatives[: np.searchsorted(turn, last, side="right")])).max()
        for last in range(1, last_turn + 1)
    ]
    good = np.flatnonzero(np.array(worst) < aim)
    return 1 + int(good[-1] if len(good) else np.argmin(worst))


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
    """Compare positives and negatives in mean and detection of TF and target; NaN without two of each kind."""
    grid = tf_grid_of(edges)
    before, after = (
        standardised_difference(
            _levels_of_pairs(levels, *np.nonzero(candidate & positive)),
            _levels_of_pairs(levels, *np.nonzero(candidate & ~positive)),
        )
        for candidate, positive in ((grid, edges.mask), (universe.candidate, universe.positive))
    )
    names = [(end, level) for end in ("TF", "target") for level in ("mean", "detection")]
    return tuple(Imbalance(*name, float(was), float(now)) for name, was, now in zip(names, before, after, strict=True))


def standardised_difference(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """(m_1 - m_0) / sqrt((s_1^2 + s_0^2) / 2) of each column (Austin 2009); 0 where nothing varies."""
    if min(len(positives), len(negatives)) < 2:
        return np.full(positives.shape[1], np.nan)
    apart = positives.mean(axis=0) - negatives.mean(axis=0)
    spread = np.sqrt((positives.var(axis=0, ddof=1) + negatives.var(axis=0, ddof=1)) / 2)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)


def _levels_of_pairs(levels: GeneLevels, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean and detection of the TF, then of the target, shape (n, 4)."""
    both = levels.both
    return np.column_stack([both[source], both[target]])
