"""What a new checkpoint changed: paired differences of metrics, the rows of the table `checkpoint_comparison`.

Both checkpoints are ranked over the same pairs, of the same cells. The difference is taken within every draw of TFs and
within every group of cells that is left out, so that what both have in common is no part of its uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from scfm_assets.core.edges import DIRECTIONS, Direction, EdgeScores, ScoreKey
from scfm_assets.core.evaluation import in_panel, names_of
from scfm_assets.core.intervals import Draws, Intervals, Limits, WithoutGroups, largest_values
from scfm_assets.core.jackknife import jackknife_interval
from scfm_assets.core.metrics import METRICS, values_of
from scfm_assets.core.readings import Ranked, Reading
from scfm_assets.core.uncertainty import verdict_of
from scfm_assets.core.universe import UNIVERSES, PanelEdges, Universe, candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.networks import NetworkTable

SCHEMA = pa.schema(
    [
        pa.field("tissue", pa.string(), nullable=False),
        pa.field("n_cells", pa.int32(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("checkpoint", pa.string(), nullable=False),
        pa.field("checkpoint_before", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("layer", pa.int32()),
        pa.field("head", pa.int32()),
        pa.field("direction", pa.string(), nullable=False),
        pa.field("network", pa.string(), nullable=False),
        pa.field("network_version", pa.string(), nullable=False),
        pa.field("universe", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("value_before", pa.float64(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("lo", pa.float64()),
        pa.field("hi", pa.float64()),
        pa.field("interval", pa.string(), nullable=False),
        pa.field("resamples", pa.int32(), nullable=False),
        pa.field("n_pos", pa.int64(), nullable=False),
        pa.field("n_neg", pa.int64(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("simulated", pa.bool_(), nullable=False),
    ]
)
"""One row: how much one metric of one matrix of scores differs between two checkpoints, with one kind of interval."""

PAIRED = ("tfs", "cells")
"""Kinds of intervals whose resamples two checkpoints share. Pairs are drawn by their ranks, which no two share."""


@dataclass(frozen=True)
class Comparison:
    """Rows in the schema of `checkpoint_comparison`, and in words what could not be compared and why."""

    table: pa.Table
    reasons: tuple[str, ...] = ()


def not_compared(*reasons: str) -> Comparison:
    """Give no rows, and why there are none."""
    return Comparison(SCHEMA.empty_table(), reasons)


def compare(
    old: EdgeScores,
    new: EdgeScores,
    networks: Sequence[NetworkTable],
    universes: Sequence[Universe] = UNIVERSES,
    *,
    tissue: str,
    n_cells: int,
    model: str,
    checkpoint: str,
    checkpoint_before: str,
    simulated: bool,
    directions: Sequence[Direction] = DIRECTIONS,
    intervals: Intervals | None = None,
) -> Comparison:
    """Say by how much the scores of a new checkpoint rank the edges of networks better than those of the one before.

    Values are those of the table `metrics`, and so are the draws of TFs. Over TFs the difference is taken within every
    draw; over cells it is a statistic of its own, from which each group of cells is left out in turn.

    Parameters
    ----------
    old, new
        Scores of the same panel from the same cells, before and now; their `left_out` gives the intervals over cells.
    networks
        Tidied networks of the atlas's organism.
    universes, directions
        Which pairs are ranked, and how matrices that have a direction are read.
    tissue, n_cells, model, checkpoint, checkpoint_before, simulated
        Stand in every row; the tissue also chooses the network's edges.
    intervals
        How uncertainty is told, as for `metrics`; the default of `Intervals` if None.

    Returns
    -------
    Rows in `SCHEMA`, of the matrices that both have. What one of them lacks, what cannot be ranked, and a universe
    that holds other pairs for the one than for the other give no rows but a reason.

    Raises
    ------
    ValueError
        If the two are not of one panel.
    """
    if old.gene_ids != new.gene_ids:
        message = f"scores of {old.n_genes} and of {new.n_genes} genes: not of one panel"
        raise ValueError(message)
    intervals = intervals or Intervals()
    kinds = [kind for kind in intervals.kinds if kind in PAIRED]
    found, reasons = in_panel(networks, new, tissue)
    networks, panels = [network for network, _ in found], [edges for _, edges in found]
    groups_differ = _why_no_groups(old, new, panels) if "cells" in kinds else None
    kinds = [kind for kind in kinds if kind != "cells" or groups_differ is None]
    reasons += [*_in_one_only(old, new), *([groups_differ] if groups_differ else [])]
    if not kinds:
        reasons.append("no interval is shared: two checkpoints share draws of TFs and groups of cells, not of pairs")
    draws = Draws(intervals.resamples, intervals.level)
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "simulated": simulated}
    same |= {"checkpoint": checkpoint, "checkpoint_before": checkpoint_before}
    rows = []
    for key in _in_both(old, new) if found and kinds else ():
        turns = key.directions(directions)
        both = Both(old, new, key, panels, universes, directions=turns, by_groups="cells" in kinds)
        for (place, network), direction in product(enumerate(networks), turns):
            for universe in both.comparable(place):
                seed = (network.digest, universe.name, tissue)
                named = {"network": network.name, "network_version": network.version, "universe": universe.name}
                names = {**same, **names_of(key, direction), **named}
                numbers = both.numbers(Asked(place, direction, universe), draws, kinds, seed)
                rows += [{**names, **row} for row in numbers]
        for (place, network), universe in product(enumerate(networks), universes):
            if reason := both.why_not[place, universe]:
                reasons.append(f"network '{network.name}', universe '{universe.name}', repeat {key.repeat}: {reason}")
    return Comparison(pa.Table.from_pylist(rows, schema=SCHEMA), tuple(dict.fromkeys(reasons)))


class Asked(NamedTuple):
    """How a matrix is read: against which network (its place among them), in which direction, over which pairs."""

    place: int
    direction: Direction
    universe: Universe


class Both:
    """One matrix of both checkpoints, each looked up once for all networks, directions and universes."""

    def __init__(
        self,
        old: EdgeScores,
        new: EdgeScores,
        key: ScoreKey,
        panels: Sequence[PanelEdges],
        universes: Sequence[Universe],
        *,
        directions: Sequence[Direction],
        by_groups: bool,
    ) -> None:
        self.panels, self.universes = panels, universes
        self.ranked, self.groups = [], []
        self._readings: dict[tuple[int, str], list[Reading]] = {}
        for scores in (new, old):
            matrix, seen = scores.scores[scores.keys.index(key)], scores.pairs[key.repeat] > 0
            self.ranked.append(Ranked(matrix, seen, panels, directions))
            if by_groups and scores.left_out is not None:
                self.groups.append(WithoutGroups(scores.left_out, key, panels, universes, directions))
        self.why_not = {
            (place, universe): _why_not(universe, edges, *(ranked.seen for ranked in self.ranked))
            for place, edges in enumerate(panels)
            for universe in universes
        }

    def comparable(self, place: int) -> list[Universe]:
        """Give the universes that hold the same pairs for both checkpoints."""
        return [universe for universe in self.universes if self.why_not[place, universe] is None]

    def read(self, place: int, direction: Direction) -> list[Reading]:
        """Read both in one direction against one network, the new one first."""
        name = (place, direction.name)
        if name not in self._readings:
            self._readings[name] = [ranked.read(direction, self.panels[place]) for ranked in self.ranked]
        return self._readings[name]

    def numbers(
        self, asked: Asked, draws: Draws, kinds: Sequence[str], seed: tuple[str, ...]
    ) -> list[dict[str, object]]:
        """Give both values, their difference, its limits and the verdict, of each metric and kind of interval."""
        now, before = (reading.ranking(asked.universe) for reading in self.read(asked.place, asked.direction))
        values, values_before = values_of(now.bins), values_of(before.bins)
        counts = {"n_pos": int(now.bins.n_pos), "n_neg": int(now.bins.n_neg)}
        limits: dict[str, Limits | None] = {}
        if "tfs" in kinds:
            after, first = (draws.over_tfs(ranking.of_tfs, ranking.others, *seed) for ranking in (now, before))
            limits["tfs"] = draws.limits(after - first)
        if "cells" in kinds:
            base_rate = counts["n_pos"] / (counts["n_pos"] + counts["n_neg"])
            limits["cells"] = self.over_cells(asked, values - values_before, base_rate, level=draws.level)
        return [
            {
                "metric": metric.name,
                "value": float(value),
                "value_before": float(first),
                "difference": float(value - first),
                "interval": kind,
                **said(own, i),
                **counts,
            }
            for kind, own in limits.items()
            if own is not None
            for i, (metric, value, first) in enumerate(zip(METRICS, values, values_before, strict=True))
        ]

    def over_cells(self, asked: Asked, difference: np.ndarray, base_rate: float, *, level: float) -> Limits | None:
        """Leave each group of cells out of both; None where the scores without a group are not known."""
        left_out = [groups.values(asked.direction, asked.place, asked.universe) for groups in self.groups]
        if len(left_out) < 2 or left_out[0] is None or left_out[1] is None:
            return None
        sizes, most = self.groups[0].sizes, largest_values(base_rate)
        without = left_out[0] - left_out[1]
        return self.groups[0].of_groups(
            *jackknife_interval(difference, without, sizes, level=level, largest=most, smallest=-most)
        )


def said(limits: Limits, metric: int) -> dict[str, object]:
    """Give the limits of one metric, null where there are none, and whether they exclude 0."""
    low, high = float(limits.low[metric]), float(limits.high[metric])
    ends = {"lo": None, "hi": None} if np.isnan(low) else {"lo": low, "hi": high}
    return {**ends, "resamples": int(limits.resamples[metric]), "verdict": verdict_of(low, high)}


def _in_both(old: EdgeScores, new: EdgeScores) -> list[ScoreKey]:
    known = set(old.keys)
    return [key for key in new.keys if key in known]


def _in_one_only(old: EdgeScores, new: EdgeScores) -> list[str]:
    """Name the methods, layers and heads that one of the two lacks."""

    def named(key: ScoreKey) -> str:
        parts = {"layer": key.layer, "head": key.head}
        return " ".join([key.method, *(f"{name} {number}" for name, number in parts.items() if number is not None)])

    reasons = []
    for whose, own, other in (("checkpoint before", old, new), ("new checkpoint", new, old)):
        lacking = dict.fromkeys(named(key) for key in other.keys if key not in own.keys)
        reasons += [f"the {whose} has no {', '.join(lacking)}: not compared"] if lacking else []
    return reasons


def _why_not(universe: Universe, edges: PanelEdges, now: np.ndarray, before: np.ndarray) -> str | None:
    """Say why checkpoints that have seen these pairs cannot be compared over a universe, None if they can."""
    ranked, first = (candidates(universe, edges, seen) for seen in (now, before))
    if not np.array_equal(ranked, first):
        return "the two checkpoints see other pairs together and rank other candidates: not compared"
    n_pos = np.count_nonzero(ranked & edges.mask)
    return None if 0 < n_pos < np.count_nonzero(ranked) else "no positives or no negatives to rank: not compared"


def _why_no_groups(old: EdgeScores, new: EdgeScores, panels: Sequence[PanelEdges]) -> str | None:
    """Say why no group of cells can be left out of both, None if it can."""
    before, now = old.left_out, new.left_out
    if before is None or now is None:
        return "scores without each group of cells are not known of both checkpoints: no intervals over cells"
    if not all(np.isin(edges.tfs, before.tfs).all() for edges in panels):
        return "groups of cells were kept for other TFs before, as the networks have changed: no intervals over cells"
    if any(r not in before.n_cells or not np.array_equal(n, before.n_cells[r]) for r, n in now.n_cells.items()):
        return "the groups of cells are others than before: no intervals over cells"
    return None
