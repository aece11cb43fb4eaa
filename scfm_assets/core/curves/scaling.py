"""From the table `metrics` to the table `scaling_curves`: every form fitted to every series over n_cells."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scfm_assets.core.curves.fit import MIN_POINTS, fit_curves
from scfm_assets.core.curves.table import as_row
from scfm_assets.core.metrics import TF_GRID
from scfm_assets.tables.evaluation import SCALING_CURVES

INTERVAL_KINDS = ("network", "tfs", "pairs")
"""Intervals whose width may weigh a point, the better first: over the network they see what edges have in common."""
PRIOR_DOF = 4
"""How many degrees of freedom the spread common to all counts is worth against a count's own few repeats."""
CEILING_OF = {"metric": "auroc", "universe": TF_GRID.name}
"""What the ceiling of a planted control is a ceiling of."""

KEY = ("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric")


class Value(NamedTuple):
    """One metric of one repeat, with one kind of interval."""

    repeat: int
    value: float
    lo: float | None
    hi: float | None
    interval: str | None


@dataclass(frozen=True)
class Series:
    """One metric of one method over n_cells: means over the repeats."""

    key: tuple[Any, ...]
    """Values of `KEY`."""
    n_cells: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray | None
    """Standard deviations of the means up to a common factor; None where nothing is known about them."""
    simulated: bool


def scaling_table(
    metrics: pa.Table,
    *,
    layer_of_model: Mapping[str, int | None],
    direction_of_model: Mapping[str, str] | None = None,
    ceilings: Mapping[tuple[str, str], float] | None = None,
    metrics_wanted: Sequence[str] = ("auroc", "auprc"),
) -> pa.Table:
    """Fit all curve forms to every series of the table `metrics`.

    Each point is the mean over the repeats of one n_cells. Every series is fitted with equal weights (`weighting`
    'none') and, where the noise of its points is known, with weights 1 / variance ('variance'). The variance of a point
    comes from the width of its intervals, those over TFs where every point has them, else those over pairs; without
    intervals from the spread of the repeats, shrunk towards the spread common to all n_cells, because two or three
    repeats alone say little.

    Parameters
    ----------
    metrics
        Rows of the table `metrics`; rows of single heads, and undefined values, take no part.
    layer_of_model
        The one layer of each model that the catalog fixes. A layer is never chosen here: models without one have no
        curve. Rows without a layer (baselines) always take part.
    direction_of_model
        The one direction of a model that is fitted; every direction of models that are not named.
    ceilings
        The known limit of the AUROC on `tf_grid` for (tissue, model): planted controls.
    metrics_wanted
        Metrics that are fitted.

    Returns
    -------
    Rows of `scaling_curves`, one per series, weighting and form. Series with fewer than four n_cells have no rows;
    `left_out` says which and why.
    """
    directions, ceilings = direction_of_model or {}, ceilings or {}
    rows: list[dict[str, Any]] = []
    for series in _series(metrics, layer_of_model, directions, metrics_wanted):
        if len(series.n_cells) < MIN_POINTS:
            continue
        named: dict[str, Any] = dict(zip(KEY, series.key, strict=True))
        fixed = {"ceiling": _ceiling(named, directions, ceilings), "simulated": series.simulated}
        for weighting, sigma in (("none", None), ("variance", series.sigma)):
            if weighting == "none" or sigma is not None:
                fits = fit_curves(series.n_cells, series.mean, sigma)
                rows += [named | {"weighting": weighting} | as_row(fit) | fixed for fit in fits]
    return SCALING_CURVES.rows(rows, stamped=())


def left_out(
    metrics: pa.Table,
    *,
    layer_of_model: Mapping[str, int | None],
    direction_of_model: Mapping[str, str] | None = None,
    metrics_wanted: Sequence[str] = ("auroc", "auprc"),
) -> tuple[str, ...]:
    """Say what has no curve and why, one sentence per tissue and reason; arguments as for `scaling_table`."""
    reasons: list[str] = []
    short: dict[tuple[str, str], int] = {}
    fitted: set[tuple[str, str]] = set()
    for series in _series(metrics, layer_of_model, direction_of_model or {}, metrics_wanted):
        tissue, model = series.key[:2]
        fitted.add((tissue, model))
        if len(series.n_cells) < MIN_POINTS:
            short[tissue, model] = max(short.get((tissue, model), 0), len(series.n_cells))
    for tissue, model in _present(metrics):
        layer = layer_of_model.get(model)
        if (tissue, model) in short:
            most = short[tissue, model]
            reasons.append(f"{tissue}: {model} has values at {most} n_cells only; a curve needs {MIN_POINTS}")
        elif (tissue, model) not in fitted and layer is None:
            reasons.append(f"{tissue}: the catalog fixes no layer for {model}, and none is chosen where it is judged")
        elif (tissue, model) not in fitted:
            reasons.append(f"{tissue}: {model} has no defined value at layer {layer}, the one that the catalog fixes")
    return tuple(reasons)


def _present(metrics: pa.Table) -> list[tuple[str, str]]:
    if not metrics.num_rows:
        return []
    pairs = zip(metrics["tissue"].to_pylist(), metrics["model"].to_pylist(), strict=True)
    return list(dict.fromkeys(pairs))


def _series(
    metrics: pa.Table,
    layers: Mapping[str, int | None],
    directions: Mapping[str, str],
    metric_names: Sequence[str],
) -> Iterator[Series]:
    """Group the rows that take part, in the order in which they first appear."""
    at = metrics.schema.get_field_index("metric")  # may be dictionary-encoded, which `isin` does not know
    metrics = metrics.set_column(at, "metric", metrics["metric"].cast(pa.string()))
    value = pc.field("value")
    taking_part = (
        pc.field("metric").isin(list(metric_names)) & pc.field("head").is_null() & value.is_valid() & ~value.is_nan()
    )
    kept = metrics.filter(taking_part)
    columns = [kept[name].to_pylist() for name in (*KEY, "n_cells", "simulated", *Value._fields)]
    groups: dict[tuple[Any, ...], dict[int, list[Value]]] = defaultdict(lambda: defaultdict(list))
    simulated: dict[tuple[Any, ...], bool] = defaultdict(bool)
    for row in zip(*columns, strict=True):
        key, n_cells, is_simulated = row[: len(KEY)], row[len(KEY)], row[len(KEY) + 1]
        _, model, _, _, layer, direction, *_ = key
        if layer not in (None, layers.get(model)) or direction != directions.get(model, direction):
            continue
        groups[key][n_cells].append(Value(*row[len(KEY) + 2 :]))
        simulated[key] |= is_simulated
    for key, values_of_n in groups.items():
        counts = sorted(values_of_n)
        means = [np.mean(list({v.repeat: v.value for v in values_of_n[n]}.values())) for n in counts]
        sigma = _sigma([values_of_n[n] for n in counts])
        yield Series(key, np.array(counts, float), np.array(means), sigma, simulated[key])


def _sigma(points: Sequence[Sequence[Value]]) -> np.ndarray | None:
    """Standard deviation of each point's mean, from intervals or else from the spread of repeats."""
    for kind in INTERVAL_KINDS:
        widths = [[width for v in point if v.interval == kind and (width := _width(v)) is not None] for point in points]
        if all(width and min(width) > 0 and math.isfinite(max(width)) for width in widths):
            return np.array([math.sqrt(np.mean(np.square(width)) / len(width)) for width in widths])
    repeats = [list({v.repeat: v.value for v in point}.values()) for point in points]
    if min(map(len, repeats)) < 2:
        return None
    variances = np.array([np.var(values, ddof=1) for values in repeats])
    spare = np.array([len(values) - 1 for values in repeats])
    common = float(variances @ spare / spare.sum())
    shrunk = (PRIOR_DOF * common + spare * variances) / (PRIOR_DOF + spare)
    return np.sqrt(shrunk / (spare + 1)) if common > 0 else None


def _width(value: Value) -> float | None:
    return None if value.lo is None or value.hi is None else value.hi - value.lo


def _ceiling(
    named: Mapping[str, Any], directions: Mapping[str, str], ceilings: Mapping[tuple[str, str], float]
) -> float | None:
    as_reported = named["direction"] == directions.get(named["model"], "tf_queries")
    applies = as_reported and all(named[column] == value for column, value in CEILING_OF.items())
    return ceilings.get((named["tissue"], named["model"])) if applies else None
