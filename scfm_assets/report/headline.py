"""What a tissue says at its largest n_cells: every model beside its ceiling, its control and the best null."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.metrics import COMMON, TF_GRID
from scfm_assets.core.scores import MODEL
from scfm_assets.core.scores import NULLS as SCORED_NULLS
from scfm_assets.figures.traces import INTERVAL_KINDS, richest_network, rows_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

UNIVERSE = TF_GRID.name
"""The universe of the headline: TFs of the network times the panel."""
METHOD = "attention"
"""The method of the headline: the published one, not the better of two."""
CLOSE_TO_CEILING = 0.03
AT_CHANCE = (0.40, 0.60)
ROLES = {
    "planted": "Planted control",
    "random": "Random control",
    "model": "Model",
    "baseline": "Best baseline",
    "null": "Best null",
}
NULLS = frozenset(method.name for method in SCORED_NULLS)


@dataclass(frozen=True)
class Score:
    """The AUROC of one method at the largest n_cells, averaged over repeats, and what goes with it."""

    model: str
    checkpoint: str | None
    method: str
    layer: int | None
    direction: str
    network: str
    network_version: str
    universe: str
    n_cells: int
    value: float
    lo: float | None
    hi: float | None
    interval: str
    n_pos: int
    base_rate: float | None
    pair_coverage: float | None
    positive_coverage: float | None
    others: Mapping[str, float]
    """Further metrics of the same ranking."""
    simulated: bool
    role: str
    """planted, random, null, baseline or model."""
    ceiling: float | None = None
    verdict: str = ""
    kind: str = "plain"
    """good, bad, open or plain: whether the verdict is what it should be."""

    @property
    def name(self) -> str:
        """What stands beside the number."""
        return self.method if self.model == MODEL else f"{self.model}, {self.method.replace('_', ' ')}"


def scores_of(
    metrics: pa.Table,
    curves: pa.Table,
    tissue: str,
    *,
    direction: str,
    layer_of_model: Mapping[str, int | None],
    controls: Mapping[str, str],
) -> list[Score]:
    """Average the metrics of one tissue at its largest n_cells and judge them, the best first within each universe.

    Parameters
    ----------
    metrics, curves
        Tables `metrics` and `scaling_curves`; the second holds the ceilings.
    direction
        Which direction of the models is judged.
    layer_of_model
        The fixed layers; other layers take no part.
    controls
        Model to 'planted' or 'random'.
    """
    rows = [
        row
        for row in rows_of(metrics, tissue=tissue, head=None)
        if row["direction"] in (direction, "symmetric") and row["layer"] in (None, layer_of_model.get(row["model"]))
    ]
    largest = max((row["n_cells"] for row in rows), default=0)
    series: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        if row["n_cells"] == largest:
            key = tuple(row[name] for name in ("network", "universe", "model", "checkpoint", "method"))
            series.setdefault(key, {}).setdefault(row["metric"], []).append(row)
    ceilings = {_curve(row): row["ceiling"] for row in rows_of(curves, tissue=tissue) if row["ceiling"] is not None}
    scores = [score for by_metric in series.values() if (score := _score(by_metric, controls, ceilings)) is not None]
    return judged(sorted(scores, key=lambda score: (score.network, score.universe, -score.value)))


def headline(scores: Sequence[Score], metrics: pa.Table, tissue: str) -> list[Score]:
    """Keep the scores of the network with the most positives, in the universe of the headline.

    That is `UNIVERSE`, or where some method does not see all genes its pairs that all can score.
    """
    network = richest_network(metrics, tissue)
    of_network = [score for score in scores if score.network == network]
    common = [score for score in of_network if score.universe == COMMON]
    return common or [score for score in of_network if score.universe == UNIVERSE]


def picked(scores: Sequence[Score]) -> list[tuple[str, Score]]:
    """Pick what stands for its role: models by the published method, the best of the baselines and of the nulls."""
    chosen: list[tuple[str, Score]] = []
    for role, title in ROLES.items():
        role_scores = [score for score in scores if score.role == role]
        published = [score for score in role_scores if score.method == METHOD]
        attention_scores = published or [score for score in role_scores if score.method == f"{METHOD}_max"]
        chosen += [(title, score) for score in (role_scores[:1] if role in ("baseline", "null") else attention_scores)]
    return chosen


def judged(scores: Sequence[Score]) -> list[Score]:
    """The scores with their verdicts; the best null is the highest of the same network and universe."""
    best: dict[tuple[str, str], Score] = {}
    for score in scores:
        place = score.network, score.universe
        if score.role == "null" and (place not in best or score.value > best[place].value):
            best[place] = score
    return [_judge(score, best.get((score.network, score.universe))) for score in scores]


def _judge(score: Score, null: Score | None) -> Score:
    """Apply the stated thresholds to one score."""

    def say(verdict: str, kind: str) -> Score:
        return replace(score, verdict=verdict, kind=kind)

    if score.role == "null":
        return say("best null" if score == null else "null", "plain")
    if score.role == "random":
        low, high = AT_CHANCE
        return say("at chance, as it must be", "good") if low <= score.value <= high else say("not at chance", "bad")
    if score.ceiling is not None:
        behind = score.ceiling - score.value
        reached = abs(behind) <= CLOSE_TO_CEILING
        return say("reaches its ceiling", "good") if reached else say(f"{behind:+.3f} from its ceiling", "bad")
    if null is None or score.lo is None or score.hi is None:
        return say("nothing to compare with", "plain")
    if score.lo > null.value:
        return say("above the best null", "good")
    return (
        say("below the best null", "bad") if score.hi < null.value else say("not told apart from the best null", "open")
    )


def _score(
    by_metric: Mapping[str, list[dict[str, Any]]],
    controls: Mapping[str, str],
    ceilings: Mapping[tuple[Any, ...], float],
) -> Score | None:
    traces = {metric: trace for metric, rows in by_metric.items() if (trace := trace_of(rows, "n_cells")) is not None}
    if "auroc" not in traces:
        return None
    first, trace = by_metric["auroc"][0], traces["auroc"]
    kinds = {row["interval"] for row in by_metric["auroc"] if row["lo"] is not None}
    lo, hi = (float(limit[0]) if np.isfinite(limit[0]) else None for limit in (trace.lo, trace.hi))
    role = _role(first["model"], first["method"], controls)
    return Score(
        model=first["model"],
        checkpoint=first["checkpoint"],
        method=first["method"],
        layer=first["layer"],
        direction=first["direction"],
        network=first["network"],
        network_version=first["network_version"],
        universe=first["universe"],
        n_cells=first["n_cells"],
        value=float(trace.mean[0]),
        lo=lo,
        hi=hi,
        interval=next((kind for kind in INTERVAL_KINDS if kind in kinds), ""),
        n_pos=round(_mean(by_metric["auroc"], "n_pos") or 0),
        base_rate=_mean(by_metric["auroc"], "base_rate"),
        pair_coverage=_mean(by_metric["auroc"], "pair_coverage"),
        positive_coverage=_mean(by_metric["auroc"], "positive_coverage"),
        others={metric: float(other.mean[0]) for metric, other in traces.items() if metric != "auroc"},
        simulated=any(row["simulated"] for row in by_metric["auroc"]),
        role=role,
        ceiling=ceilings.get(_curve(first)),
    )


def _role(model: str, method: str, controls: Mapping[str, str]) -> str:
    if method in NULLS:
        return "null"
    return "baseline" if model == MODEL else controls.get(model, "model")


def _curve(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        row[n] for n in ("model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric")
    )


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float | None:
    values = [row[column] for row in rows if row[column] is not None]
    return float(np.mean(values)) if values else None
