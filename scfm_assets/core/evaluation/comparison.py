"""What a new checkpoint changed: paired differences of metrics, the rows of the table `checkpoint_comparison`.

Both checkpoints are ranked over the same pairs, of the same cells. TFs, targets and groups of cells vary for both at
once, so that what they have in common is no part of the uncertainty of their difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core.evaluation.intervals import Intervals, WithoutGroups
from scfm_assets.core.evaluation.metric_rows import names_of
from scfm_assets.core.evaluation.readings import Ranked, Reading
from scfm_assets.core.scores import DIRECTIONS, Direction, EdgeScores, ScoreKey
from scfm_assets.core.statistics import Donors, one_side, over_cells, over_network, over_tfs
from scfm_assets.core.universes import UNIVERSES, AnyUniverse, Reference, Universe, candidates, references_in_panel
from scfm_assets.tables.evaluation import CHECKPOINT_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.networks import NetworkTable
    from scfm_assets.core.statistics import Difference, Shared
    from scfm_assets.core.universes import MaskedUniverse


PAIRED = ("network", "tfs", "targets", "cells", "donors")
"""Kinds of intervals that know what two checkpoints share. Pairs are drawn by their ranks, which no two share."""


@dataclass(frozen=True)
class Comparison:
    """Rows in the schema of `checkpoint_comparison`, and in words what could not be compared and why."""

    table: pa.Table
    reasons: tuple[str, ...] = ()


def not_compared(*reasons: str) -> Comparison:
    """No rows, and why there are none."""
    return Comparison(CHECKPOINT_COMPARISON.rows([], stamped=()), reasons)


def compare(
    old: EdgeScores,
    new: EdgeScores,
    networks: Sequence[NetworkTable],
    universes: Sequence[Universe] = UNIVERSES,
    *,
    matched: Mapping[str, Sequence[MaskedUniverse]] | None = None,
    tissue: str,
    n_cells: int,
    model: str,
    checkpoint: str,
    checkpoint_before: str,
    simulated: bool,
    directions: Sequence[Direction] = DIRECTIONS,
    intervals: Intervals | None = None,
    donors: Donors | None = None,
) -> Comparison:
    """Say by how much the scores of a new checkpoint rank the edges of networks better than those of the one before.

    Values are those of the table `metrics`. The difference is a statistic of its own, whose TFs and targets vary with
    all their pairs, or from which each group of cells is left out in turn.

    Parameters
    ----------
    old, new
        Scores of the same panel from the same cells, before and now; their `left_out` gives the intervals over cells.
    networks
        Tidied networks of the atlas's organism.
    universes, matched, directions
        Which pairs are ranked, further universes by network, and how matrices that have a direction are read.
    tissue, n_cells, model, checkpoint, checkpoint_before, simulated
        Stand in every row; the tissue also chooses the network's edges.
    intervals
        How uncertainty is estimated, as for `metrics`; the default of `Intervals` if None.
    donors
        Whose cells the groups hold; nothing is known of them if None.

    Returns
    -------
    Rows of `checkpoint_comparison`, of the matrices that both have. What one of them lacks, what cannot be ranked, and
    a universe that holds other pairs for the one than for the other give no rows but a reason.

    Raises
    ------
    ValueError
        If the two are not of one panel.
    """
    if old.gene_ids != new.gene_ids:
        message = f"scores of {old.n_genes} and of {new.n_genes} genes: not of one panel"
        raise ValueError(message)
    intervals, donors = intervals or Intervals(), donors or Donors()
    kinds = [kind for kind in intervals.kinds_of(donors) if kind in PAIRED]
    references, reasons = references_in_panel(networks, new, universes, matched, tissue=tissue)
    groups_differ = _why_no_groups(old, new, references) if donors.kind in kinds else None
    kinds = [kind for kind in kinds if kind != donors.kind or groups_differ is None]
    reasons += [*_in_one_only(old, new), *([groups_differ] if groups_differ else [])]
    if not kinds:
        reasons.append("no interval is shared: two checkpoints share TFs and groups of cells, not draws of pairs")
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "simulated": simulated}
    same |= {"checkpoint": checkpoint, "checkpoint_before": checkpoint_before}
    rows = []
    for key in _in_both(old, new) if references and kinds else ():
        turns = key.directions(directions)
        by_groups = donors if donors.kind in kinds else None
        both = Both(old, new, key, references, directions=turns, by_groups=by_groups)
        for (place, reference), direction in product(enumerate(references), turns):
            network = reference.network
            for universe in both.comparable(place):
                named = {"network": network.name, "network_version": network.version, "universe": universe.name}
                names = {**same, **names_of(key, direction), **named}
                shared = both.shared(ReadAs(place, direction, universe), kinds)
                rows += [{**names, **row} for row in numbers_of(shared, level=intervals.level)]
        if len({groups.are_known for groups in both.groups}) > 1:
            reasons.append(f"{key.method}: {NO_GROUPS}")
        for (place, universe), reason in both.why_not.items():
            if reason:
                where = f"network '{references[place].network.name}', universe '{universe.name}', repeat {key.repeat}"
                reasons.append(f"{where}: {reason}")
    return Comparison(CHECKPOINT_COMPARISON.rows(rows, stamped=()), tuple(dict.fromkeys(reasons)))


NO_GROUPS = "scores without each group of cells are not known of both checkpoints: no intervals over cells"


class ReadAs(NamedTuple):
    """How a matrix is read: against which reference (its place among them), in which direction, over which pairs."""

    place: int
    direction: Direction
    universe: AnyUniverse


class Both:
    """One matrix of both checkpoints, each looked up once for all networks, directions and universes."""

    def __init__(
        self,
        old: EdgeScores,
        new: EdgeScores,
        key: ScoreKey,
        references: Sequence[Reference],
        *,
        directions: Sequence[Direction],
        by_groups: Donors | None,
    ) -> None:
        self.references, self.by_groups = references, by_groups
        self.ranked, self.groups = [], []
        self._readings: dict[tuple[int, str], list[Reading]] = {}
        panels = [reference.edges for reference in references]
        for scores in (new, old):
            matrix, seen = scores.scores[scores.keys.index(key)], scores.pairs[key.repeat] > 0
            self.ranked.append(Ranked(matrix, seen, panels, directions))
            if by_groups and scores.left_out is not None:
                self.groups.append(WithoutGroups(scores.left_out, key, references, directions))
        self.why_not = {
            (place, universe): _why_not(universe, reference, *(ranked.seen for ranked in self.ranked))
            for place, reference in enumerate(references)
            for universe in reference.universes
        }

    def comparable(self, place: int) -> list[AnyUniverse]:
        """The universes that hold the same pairs for both checkpoints."""
        return [universe for universe in self.references[place].universes if self.why_not[place, universe] is None]

    def read(self, place: int, direction: Direction) -> list[Reading]:
        """Read both in one direction against one network, the new one first."""
        name, edges = (place, direction.name), self.references[place].edges
        if name not in self._readings:
            self._readings[name] = [ranked.read(direction, edges) for ranked in self.ranked]
        return self._readings[name]

    def shared(self, how: ReadAs, kinds: Sequence[str]) -> list[Shared]:
        """Let TFs, targets and cells vary in both; the latter where the scores without a group are known."""
        rankings = [reading.ranking(how.universe) for reading in self.read(how.place, how.direction)]
        resampled: list[Shared] = [over_tfs(rankings)] if "tfs" in kinds else []
        if "network" in kinds or "targets" in kinds:
            network = over_network(rankings)
            resampled += [one_side(network, kind) for kind in ("network", "targets") if kind in kinds]
        values = [groups.values(how.direction, how.place, how.universe) for groups in self.groups]
        left_out = [known for known in values if known is not None]
        if self.by_groups is not None and len(left_out) == len(rankings):
            resampled.append(over_cells(rankings, left_out, self.groups[0].sizes, self.by_groups))
        return resampled


def numbers_of(shared: Sequence[Shared], *, level: float) -> list[dict[str, object]]:
    """Both values, their difference, its limits and the verdict, of each metric and kind of interval."""
    return [
        {**_row(difference), "n_pos": drawn.n_pos, "n_neg": drawn.n_neg}
        for drawn in shared
        for difference in drawn.difference(0, 1, level=level)
    ]


def _row(difference: Difference) -> dict[str, object]:
    return {
        "metric": difference.metric,
        "value": difference.value,
        "value_before": difference.value_before,
        "difference": difference.difference,
        "lo": difference.low,
        "hi": difference.high,
        "interval": difference.kind,
        "resamples": difference.units,
        "verdict": difference.verdict,
    }


def _in_both(old: EdgeScores, new: EdgeScores) -> list[ScoreKey]:
    known = set(old.keys)
    return [key for key in new.keys if key in known]


def _in_one_only(old: EdgeScores, new: EdgeScores) -> list[str]:
    """Name the methods, layers and heads that one of the two lacks."""

    def named(key: ScoreKey) -> str:
        parts = {"layer": key.layer, "head": key.head}
        return " ".join([key.method, *(f"{name} {number}" for name, number in parts.items() if number is not None)])

    reasons = []
    for whose, scores, other in (("checkpoint before", old, new), ("new checkpoint", new, old)):
        lacking = dict.fromkeys(named(key) for key in other.keys if key not in scores.keys)
        reasons += [f"the {whose} has no {', '.join(lacking)}: not compared"] if lacking else []
    return reasons


def _why_not(universe: AnyUniverse, reference: Reference, now: np.ndarray, before: np.ndarray) -> str | None:
    """Say why checkpoints that have seen these pairs cannot be compared over a universe, None if they can."""
    ranked, first = (candidates(universe, reference.edges, seen) for seen in (now, before))
    if not np.array_equal(ranked, first):
        return "the two checkpoints see other pairs together and rank other candidates: not compared"
    n_pos = np.count_nonzero(ranked & reference.edges.mask)
    return None if 0 < n_pos < np.count_nonzero(ranked) else "no positives or no negatives to rank: not compared"


def _why_no_groups(old: EdgeScores, new: EdgeScores, references: Sequence[Reference]) -> str | None:
    """Say why no group of cells can be left out of both, None if it can."""
    before, now = old.left_out, new.left_out
    if before is None or now is None:
        return NO_GROUPS
    if not all(np.isin(reference.edges.tfs, before.tfs).all() for reference in references):
        return "groups of cells were kept for other TFs before, as the networks have changed: no intervals over cells"
    if any(r not in before.n_cells or not np.array_equal(n, before.n_cells[r]) for r, n in now.n_cells.items()):
        return "the groups of cells are others than before: no intervals over cells"
    return None
