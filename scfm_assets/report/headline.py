"""What a tissue says at its largest n_cells: every model beside its ceiling, its control and the highest null.

What is said of a number is what `core.words` says of the interval beside it. Whether a method beats the nulls is not
seen from two numbers with an interval each: that word comes from the paired differences, in `method_verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.metrics import COMMON, TF_GRID
from scfm_assets.core.scores import MODEL
from scfm_assets.core.scores import NULLS as SCORED_NULLS
from scfm_assets.core.words import (
    BEATS,
    DOES_NOT_BEAT,
    MARGINS,
    UNDERPOWERED,
    WORSE,
    against_ceiling,
    against_chance,
    place_of,
)
from scfm_assets.figures.traces import INTERVAL_KINDS, richest_network, rows_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.words import Place

UNIVERSE = TF_GRID.name
"""The universe of the headline: TFs of the network times the panel."""
METHOD = "attention"
"""The method of the headline: the published one, not the better of two."""
CHANCE = 0.5
ROLES = {
    "planted": "Planted control",
    "random": "Random control",
    "model": "Model",
    "baseline": "Highest baseline",
    "null": "Highest null with a curve",
}
NAMES = ("model", "method", "layer", "direction", "network", "universe", "n_cells")
MEANS = ("base_rate", "pair_coverage", "positive_coverage")
NULLS = frozenset(method.name for method in SCORED_NULLS)


@dataclass(frozen=True)
class Score:
    """The AUROC of one method at the largest n_cells, averaged over repeats, and what goes with it."""

    model: str
    method: str
    layer: int | None
    direction: str
    network: str
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
    """good, bad, open or plain: whether the verdict is what it should be, or says nothing either way."""

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
    verdicts: pa.Table | None = None,
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
    verdicts
        Rows of `method_verdicts` at the largest n_cells: without them nothing is said of models and baselines.
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
    ordered = sorted(scores, key=lambda score: (score.network, score.universe, -score.value))
    return judged(ordered, _against_nulls(verdicts, tissue, largest))


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


Compared = tuple[str, str, str, str, int | None]
"""Network, universe, model, method and layer."""


def _against_nulls(verdicts: pa.Table | None, tissue: str, n_cells: int) -> dict[Compared, str]:
    """Look up the verdicts of methods by AUROC."""
    rows = [] if verdicts is None else rows_of(verdicts, tissue=tissue, n_cells=n_cells, metric="auroc")
    names = ("network", "universe", "model", "method", "layer")
    return {tuple(row[name] for name in names): row["verdict"] for row in rows}


def judged(scores: Sequence[Score], against_nulls: Mapping[Compared, str] | None = None) -> list[Score]:
    """The scores with their verdicts; the highest null with a curve is that of the same network and universe."""
    highest: dict[tuple[str, str], Score] = {}
    for score in scores:
        place = score.network, score.universe
        if score.role == "null" and (place not in highest or score.value > highest[place].value):
            highest[place] = score
    return [_judge(score, highest.get((score.network, score.universe)), against_nulls or {}) for score in scores]


OF_RANDOM: Mapping[Place, str] = {"at": "good", "above": "bad", "below": "bad"}
OF_PLANTED: Mapping[Place, str] = {**OF_RANDOM, "just above": "good", "just below": "good"}
"""Whether a control is where it has to be: at chance, and inside the margin of its ceiling."""
OF_METHODS = {BEATS: "good", WORSE: "bad", DOES_NOT_BEAT: "plain", UNDERPOWERED: "open"}


def _judge(score: Score, highest: Score | None, against_nulls: Mapping[Compared, str]) -> Score:
    """Say of one score what `core.words` says."""

    def say(verdict: str, kind: str) -> Score:
        return replace(score, verdict=verdict, kind=kind)

    if score.role == "null":
        return say("highest null with a curve" if score == highest else "null", "plain")
    if score.role == "random":
        place = place_of(score.lo, score.hi, CHANCE, MARGINS["auroc"])
        return say(against_chance(score.lo, score.hi), OF_RANDOM.get(place, "open"))
    if score.ceiling is not None:
        place = place_of(score.lo, score.hi, score.ceiling, MARGINS["auroc"])
        return say(against_ceiling(score.lo, score.hi, ceiling=score.ceiling), OF_PLANTED.get(place, "open"))
    verdict = against_nulls.get((score.network, score.universe, score.model, score.method, score.layer))
    return say("not held against the nulls", "plain") if verdict is None else say(verdict, OF_METHODS[verdict])


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
    numbers: dict[str, Any] = {name: _mean(by_metric["auroc"], name) for name in MEANS}
    return Score(
        **{name: first[name] for name in NAMES},
        **numbers,
        value=float(trace.mean[0]),
        lo=lo,
        hi=hi,
        interval=next((kind for kind in INTERVAL_KINDS if kind in kinds), ""),
        n_pos=round(_mean(by_metric["auroc"], "n_pos") or 0),
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
