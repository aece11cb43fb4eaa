"""How well edge scores rank the edges of reference networks: the rows of the table `metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.evaluation.intervals import Draws, Intervals, WithoutGroups
from scfm_assets.core.evaluation.readings import Coverage, Ranked, coverage_of
from scfm_assets.core.metrics import CURVE_METRICS, METRICS
from scfm_assets.core.scores import DIRECTIONS, Direction, EdgeScores, ScoreKey
from scfm_assets.core.statistics import (
    Donors,
    Resampled,
    Shared,
    TwoWay,
    jackknife_parts,
    one_side,
    over_network,
    over_tfs,
)
from scfm_assets.core.universes import UNIVERSES, AnyUniverse, Universe, references_in_panel
from scfm_assets.tables import evaluation as tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.metrics import Ranking
    from scfm_assets.core.networks import NetworkTable
    from scfm_assets.core.statistics import Shared
    from scfm_assets.core.universes import MaskedUniverse


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
    chosen = [network for network in networks if network.organism == organism]
    return chosen or NoNetwork(organism, tuple(f"{network.name} ({network.organism})" for network in networks))


def no_rows(*reasons: str) -> EvaluationResult:
    """An empty table of metrics with the reason why it is empty."""
    return EvaluationResult(tables.METRICS.rows([], stamped=()), reasons)


def evaluate(
    scores: EdgeScores,
    networks: Sequence[NetworkTable],
    universes: Sequence[Universe] = UNIVERSES,
    *,
    matched: Mapping[str, Sequence[MaskedUniverse]] | None = None,
    tissue: str,
    n_cells: int,
    model: str,
    checkpoint: str | None,
    simulated: bool,
    directions: Sequence[Direction] = DIRECTIONS,
    intervals: Intervals | None = None,
    donors: Donors | None = None,
    curve_layer: int | None = None,
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
    matched
        Further universes, by network (`scfm_assets.core.universes.matched_universes`).
    tissue, n_cells, model, checkpoint, simulated
        Stand in every row; the tissue also chooses the network's edges.
    directions
        How matrices that have a direction are read; the others are read as ``symmetric``.
    intervals
        How uncertainty is estimated; the default of `Intervals` if None.
    donors
        Whose cells the groups hold; nothing is known of them if None.
    curve_layer
        The layer that curves are fitted to. Its values, and those of methods without a layer, keep the parts of their
        errors: the covariance of a curve's points is made of them.

    Returns
    -------
    Rows of `metrics`; `lo` and `hi` are NULL with fewer than two units, if nothing changes the value, or where there
    are too few edges or clusters for the metric. A network without a TF or an edge in the panel, or a universe without
    positives or negatives, gives no rows but a reason.
    """
    intervals, donors = intervals or Intervals(), donors or Donors()
    references, reasons = references_in_panel(networks, scores, universes, matched, tissue=tissue)
    coverage = {
        (repeat, place, universe): coverage_of(universe, reference.edges, pairs)
        for repeat, pairs in scores.pairs.items()
        for place, reference in enumerate(references)
        for universe in reference.universes
    }
    seen = {repeat: pairs > 0 for repeat, pairs in scores.pairs.items()}
    draws, panels = Draws(intervals.resamples), [reference.edges for reference in references]
    same = {"tissue": tissue, "n_cells": n_cells, "model": model, "checkpoint": checkpoint, "simulated": simulated}
    same |= {"donors": donors.n}
    rows, kinds = [], intervals.kinds_of(donors)
    for key, matrix in zip(scores.keys, scores.scores, strict=True) if references else ():
        turns = key.directions(directions)
        ranked = Ranked(matrix, seen[key.repeat], panels, turns)
        groups = None
        if donors.kind in kinds and scores.left_out is not None:
            groups = WithoutGroups(scores.left_out, key, references, turns, donors)
        for (place, reference), direction in product(enumerate(references), turns):
            reading, network = ranked.read(direction, reference.edges), reference.network
            for universe in reference.universes:
                ranking = reading.ranking(universe)
                if not ranking.has_both:
                    reasons.append(_nothing_to_rank(network, universe, key))
                    continue
                covered = coverage[key.repeat, place, universe]
                named = {**same, **names_of(key, direction), **_network(network, universe, covered)}
                shared = {
                    **_over_networks(ranking, kinds),
                    "pairs": partial(draws.over_pairs, ranking, network.digest, universe.name, tissue),
                    donors.kind: partial(groups.shared, ranking, direction, place, universe) if groups else _nothing,
                }
                resampled = {kind: drawn for kind in kinds if (drawn := shared[kind]()) is not None}
                in_curve = key.head is None and key.layer in (None, curve_layer)
                numbers = _numbers(ranking, resampled, level=intervals.level, with_parts=in_curve)
                rows += [{**named, **row} for row in numbers]
    return EvaluationResult(tables.METRICS.rows(rows, stamped=()), tuple(dict.fromkeys(reasons)))


def _nothing() -> None:
    """Scores without a group of cells are not known."""


def _over_networks(ranking: Ranking, kinds: Collection[str]) -> dict[str, Callable[[], Shared | None]]:
    """Kinds of intervals in which TFs or targets vary, made when asked for; two of them from the same influences."""
    both = over_network([ranking]) if "network" in kinds or "targets" in kinds else None
    return {
        "network": lambda: both,
        "targets": lambda: one_side(both, "targets") if both else None,
        "tfs": partial(over_tfs, [ranking]),
    }


def _numbers(
    ranking: Ranking, resampled: Mapping[str, Shared], *, level: float, with_parts: bool
) -> list[dict[str, object]]:
    """Value and limits of each metric and kind of interval, and the parts of its error where a curve needs them."""
    n_pos, n_neg = int(ranking.bins.n_pos), int(ranking.bins.n_neg)
    counts = {"n_pos": n_pos, "n_neg": n_neg, "base_rate": n_pos / (n_pos + n_neg)}
    rows = []
    for kind, shared in resampled.items():
        (lows,), (highs,) = shared.intervals(level=level)
        parts = _parts(shared) if with_parts else {}
        for metric, value, low, high in zip(METRICS, ranking.values, lows, highs, strict=True):
            named = {"metric": metric.name, "value": float(value), "interval": kind, "resamples": shared.units}
            rows.append({**named, "lo": low, "hi": high, "parts": parts.get(metric.name), **counts})
    return rows


def _parts(shared: Shared) -> dict[str, list[float]]:
    """Parts of the errors of the metrics that curves are fitted to; none of draws, which say nothing of another n."""
    if isinstance(shared, TwoWay) and shared.kind == "network":
        parts = shared.parts()
    elif isinstance(shared, Resampled) and shared.sizes is not None:
        without = np.moveaxis(shared.resampled[0], -1, 0)
        parts = jackknife_parts(shared.values[0], without, shared.sizes, shared.strata).T
    else:
        return {}
    known = {metric.name: of_metric for metric, of_metric in zip(METRICS, parts, strict=True)}
    return {name: known[name].tolist() for name in CURVE_METRICS if np.isfinite(known[name]).all()}


def names_of(key: ScoreKey, direction: Direction) -> dict[str, object]:
    """Name a matrix of scores and how it is read."""
    names = {"repeat": key.repeat, "method": key.method, "layer": key.layer, "head": key.head}
    return {**names, "direction": direction.name}


def _network(network: NetworkTable, universe: AnyUniverse, covered: Coverage) -> dict[str, object]:
    names = {"network": network.name, "network_version": network.version, "universe": universe.name}
    return {**names, "pair_coverage": covered.pairs, "positive_coverage": covered.positives}


def _nothing_to_rank(network: NetworkTable, universe: AnyUniverse, key: ScoreKey) -> str:
    where = f"network '{network.name}', universe '{universe.name}', repeat {key.repeat}"
    return f"{where}: no positives or no negatives to rank: no metrics"
