"""How well edge scores rank the edges of reference networks: the rows of the table `metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.edges import DIRECTIONS, Direction, EdgeScores, ScoreKey
from scfm_assets.core.intervals import Draws, Intervals, Limits, WithoutGroups
from scfm_assets.core.metrics import METRICS, values_of
from scfm_assets.core.readings import Coverage, Ranked, Reading, coverage_of
from scfm_assets.core.universe import UNIVERSES, PanelEdges, Universe, edges_in_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets.core.networks import NetworkTable

SCHEMA = pa.schema(
    [
        pa.field("tissue", pa.string(), nullable=False),
        pa.field("n_cells", pa.int32(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("checkpoint", pa.string()),
        pa.field("method", pa.string(), nullable=False),
        pa.field("layer", pa.int32()),
        pa.field("head", pa.int32()),
        pa.field("direction", pa.string(), nullable=False),
        pa.field("network", pa.string(), nullable=False),
        pa.field("network_version", pa.string(), nullable=False),
        pa.field("universe", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("lo", pa.float64()),
        pa.field("hi", pa.float64()),
        pa.field("interval", pa.string(), nullable=False),
        pa.field("resamples", pa.int32(), nullable=False),
        pa.field("n_pos", pa.int64(), nullable=False),
        pa.field("n_neg", pa.int64(), nullable=False),
        pa.field("base_rate", pa.float64(), nullable=False),
        pa.field("pair_coverage", pa.float64(), nullable=False),
        pa.field("positive_coverage", pa.float64(), nullable=False),
        pa.field("simulated", pa.bool_(), nullable=False),
    ]
)
"""One row: one metric of one matrix of scores, read in one direction, against one network in one universe, with one
kind of interval. `lo` and `hi` are null where the resampling says nothing; `resamples` counts the draws that did, for
intervals over cells the groups of cells."""


@dataclass(frozen=True)
class EvaluationResult:
    """Rows in the schema of `metrics`, and in words what could not be evaluated and why."""

    table: pa.Table
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoNetwork:
    """Says that no declared network is about an organism: nothing to evaluate, and no failure."""

    organism: str
    declared: tuple[str, ...]

    def __str__(self) -> str:
        """Say it to a user."""
        known = ", ".join(self.declared) or "none"
        return f"no reference network for organism '{self.organism}' (networks declared: {known}): no metrics"


def networks_of(networks: Sequence[NetworkTable], organism: str) -> list[NetworkTable] | NoNetwork:
    """Choose the networks of one organism."""
    own = [network for network in networks if network.organism == organism]
    return own or NoNetwork(organism, tuple(f"{network.name} ({network.organism})" for network in networks))


def no_rows(*reasons: str) -> EvaluationResult:
    """Give an empty table of metrics with the reason why it is empty."""
    return EvaluationResult(SCHEMA.empty_table(), reasons)


def evaluate(
    scores: EdgeScores,
    networks: Sequence[NetworkTable],
    universes: Sequence[Universe] = UNIVERSES,
    *,
    tissue: str,
    n_cells: int,
    model: str,
    checkpoint: str | None,
    simulated: bool,
    directions: Sequence[Direction] = DIRECTIONS,
    intervals: Intervals | None = None,
) -> EvaluationResult:
    """Say how well every matrix of scores ranks the edges of every network, in every universe and direction.

    Every matrix is looked up once; networks, universes, directions and resamples share that (`Ranked`). All methods,
    layers and repeats of a tissue share their draws (`Draws`).

    Parameters
    ----------
    scores
        Scores of all ordered pairs of the panel; its `left_out` gives the intervals over cells.
    networks
        Tidied networks of the atlas's organism.
    universes
        Which pairs are ranked.
    tissue, n_cells, model, checkpoint, simulated
        Stand in every row; the tissue also chooses the network's edges.
    directions
        How matrices that have a direction are read; the others are read as ``symmetric``.
    intervals
        How uncertainty is told; the default of `Intervals` if None.

    Returns
    -------
    Rows in `SCHEMA`. A network without a TF or an edge in the panel, or a universe without positives or negatives,
    gives no rows but a reason.
    """
    intervals = intervals or Intervals()
    found, reasons = in_panel(networks, scores, tissue)
    coverage = {
        (repeat, network.name, universe): coverage_of(universe, edges, pairs)
        for repeat, pairs in scores.pairs.items()
        for network, edges in found
        for universe in universes
    }
    seen = {repeat: pairs > 0 for repeat, pairs in scores.pairs.items()}
    draws = Draws(intervals.resamples, intervals.level)
    panels = [edges for _, edges in found]
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "checkpoint": checkpoint, "simulated": simulated}
    rows = []
    for key, matrix in zip(scores.keys, scores.scores, strict=True) if found else ():
        turns = key.directions(directions)
        ranked = Ranked(matrix, seen[key.repeat], panels, turns)
        groups = None
        if "cells" in intervals.kinds and scores.left_out is not None:
            groups = WithoutGroups(scores.left_out, key, panels, universes, turns)
        for place, (network, edges) in enumerate(found):
            for direction in turns:
                reading = ranked.read(direction, edges)
                for universe in universes:
                    covered = coverage[key.repeat, network.name, universe]
                    named = {**same, **names_of(key, direction), **_network(network, universe, covered)}
                    of_groups = _of_groups(groups, direction, place, universe, intervals.level)
                    seed = (network.digest, universe.name, tissue)
                    numbers = _numbers(reading, universe, intervals.kinds, draws, of_groups, seed=seed)
                    if not numbers:
                        reasons.append(_nothing_to_rank(network, universe, key))
                    rows.extend({**named, **row} for row in numbers)
    return EvaluationResult(pa.Table.from_pylist(rows, schema=SCHEMA), tuple(dict.fromkeys(reasons)))


def in_panel(
    networks: Sequence[NetworkTable], scores: EdgeScores, tissue: str
) -> tuple[list[tuple[NetworkTable, PanelEdges]], list[str]]:
    """Find the edges of networks in the panel of some scores; of networks without any, say why."""
    found, reasons = [], []
    for network in networks:
        edges = edges_in_panel(network, scores.gene_ids, scores.symbols, tissue=tissue)
        reason = _why_not(network, edges, scores, tissue)
        if reason:
            reasons.append(reason)
        else:
            found.append((network, edges))
    return found, reasons


def _numbers(
    reading: Reading,
    universe: Universe,
    kinds: Sequence[str],
    draws: Draws,
    of_groups: Callable[[np.ndarray, float], Limits | None],
    *,
    seed: tuple[str, ...],
) -> list[dict[str, object]]:
    """Give value and limits of each metric and kind of interval; nothing if there are no positives or no negatives."""
    ranking = reading.ranking(universe)
    bins = ranking.bins
    n_pos, n_neg = int(bins.n_pos), int(bins.n_neg)
    if not n_pos or not n_neg:
        return []
    values, base_rate = values_of(bins), n_pos / (n_pos + n_neg)
    told: dict[str, Callable[[], Limits | None]] = {
        "pairs": lambda: draws.limits(draws.over_pairs(bins, *seed)),
        "tfs": lambda: draws.limits(draws.over_tfs(ranking.of_tfs, ranking.others, *seed)),
        "cells": lambda: of_groups(values, base_rate),
    }
    rows = []
    for kind in kinds:
        limits = told[kind]()
        if limits is None:
            continue
        for metric, value, low, high, used in zip(
            METRICS, values, limits.low, limits.high, limits.resamples, strict=True
        ):
            ends = {"lo": None, "hi": None} if np.isnan(low) else {"lo": float(low), "hi": float(high)}
            row = {"metric": metric.name, "value": float(value), **ends, "interval": kind, "resamples": int(used)}
            rows.append({**row, "n_pos": n_pos, "n_neg": n_neg, "base_rate": base_rate})
    return rows


def _of_groups(
    groups: WithoutGroups | None, direction: Direction, network: int, universe: Universe, level: float
) -> Callable[[np.ndarray, float], Limits | None]:
    """Say how the limits over cells of one ranking follow from its metrics."""
    if groups is None:
        return lambda _values, _base_rate: None
    return lambda values, base_rate: groups.limits(direction, network, universe, values, base_rate, level=level)


def names_of(key: ScoreKey, direction: Direction) -> dict[str, object]:
    """Name a matrix of scores and how it is read."""
    names = {"repeat": key.repeat, "method": key.method, "layer": key.layer, "head": key.head}
    return {**names, "direction": direction.name}


def _network(network: NetworkTable, universe: Universe, covered: Coverage) -> dict[str, object]:
    names = {"network": network.name, "network_version": network.version, "universe": universe.name}
    return {**names, "pair_coverage": covered.pairs, "positive_coverage": covered.positives}


def _why_not(network: NetworkTable, edges: PanelEdges, scores: EdgeScores, tissue: str) -> str | None:
    """Say why a network cannot be evaluated on this panel, None if it can."""
    if len(edges.source):
        return None
    names = scores.gene_ids if network.ids == "ensembl" else scores.symbols
    panel = f"the {edges.n_genes} panel genes of tissue '{tissue}'"
    if len(edges.tfs):
        return f"network '{network.name}': {len(edges.tfs)} TFs but no edge with both ends among {panel}: no metrics"
    tfs = network.table["tf"].unique().to_pylist()
    return (
        f"network '{network.name}': none of its {len(tfs)} TFs is among {panel}: no metrics. Its TFs are named like "
        f"{', '.join(tfs[:3])}, the panel's {network.ids} names like {', '.join(names[:3])}: "
        "check the network's `organism` and `ids`"
    )


def _nothing_to_rank(network: NetworkTable, universe: Universe, key: ScoreKey) -> str:
    where = f"network '{network.name}', universe '{universe.name}', repeat {key.repeat}"
    return f"{where}: no positives or no negatives to rank: no metrics"
