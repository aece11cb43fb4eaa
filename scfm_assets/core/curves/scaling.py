"""From the table `metrics` to the table `scaling_curves`: every form fitted to every series over n_cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.curves.conclusion import conclude, held_out
from scfm_assets.core.curves.fit import MIN_POINTS, fit_points
from scfm_assets.core.curves.series import KEY, Series, series_of
from scfm_assets.core.curves.table import as_row, of_curve
from scfm_assets.core.metrics import CURVE_METRICS, TF_GRID
from scfm_assets.tables.evaluation import SCALING_CURVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.curves.series import Cells
    from scfm_assets.core.words import Margin

CEILING_OF = {"metric": "auroc", "universe": TF_GRID.name}
"""What the ceiling of a planted control is a ceiling of."""


def scaling_table(
    metrics: pa.Table,
    *,
    layer_of_model: Mapping[str, int | None],
    direction_of_model: Mapping[str, str] | None = None,
    ceilings: Mapping[tuple[str, str], float] | None = None,
    metrics_wanted: Sequence[str] = CURVE_METRICS,
    margins: Mapping[str, Margin] | None = None,
    cells: Cells | None = None,
) -> pa.Table:
    """Fit all curve forms to every series of the table `metrics`.

    Each value of each repeat is a point. Points share cells, so their errors hang together: their covariance comes from
    what every value would be without each group of cells, where `metrics` has that (`errors` 'nested'). Where it has
    not, points are taken as independent, and the noise is what the residuals say ('independent').

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
    margins
        Change of each metric over the measured n that does not matter; a share of the level for others.
    cells
        Cells of each set, where `metrics` is of one tissue: repeats of a small atlas share some.

    Returns
    -------
    Rows of `scaling_curves`, one per series and form. Series with fewer than four n_cells have no rows; `left_out` says
    which and why.
    """
    directions, ceilings, margins = direction_of_model or {}, ceilings or {}, margins or {}
    rows: list[dict[str, Any]] = []
    for series in series_of(metrics, layer_of_model, directions, metrics_wanted):
        if series.has_curve:
            named: dict[str, Any] = dict(zip(KEY, series.key, strict=True))
            fixed = {"ceiling": _ceiling(named, directions, ceilings), "simulated": series.simulated}
            of_forms = rows_of_curve(series, margin=margins.get(named["metric"]), cells=cells)
            rows += [named | row | fixed for row in of_forms]
    return SCALING_CURVES.rows(rows, stamped=())


def rows_of_curve(series: Series, *, margin: Margin | None, cells: Cells | None = None) -> list[dict[str, Any]]:
    """Fit one series: the columns of `scaling_curves` that follow from its points, one row per form."""
    points = series.points(cells)
    fits = fit_points(points)
    conclusion = conclude(fits, margin=margin, network=series.network())
    together = of_curve(conclusion, held_out(points), points)
    return [as_row(fit) | together for fit in fits]


def left_out(
    metrics: pa.Table,
    *,
    layer_of_model: Mapping[str, int | None],
    direction_of_model: Mapping[str, str] | None = None,
    metrics_wanted: Sequence[str] = CURVE_METRICS,
) -> tuple[str, ...]:
    """Say what has no curve and why, one sentence per tissue and reason; arguments as for `scaling_table`."""
    reasons: list[str] = []
    short: dict[tuple[str, str], int] = {}
    fitted: set[tuple[str, str]] = set()
    for series in series_of(metrics, layer_of_model, direction_of_model or {}, metrics_wanted):
        tissue, model = series.key[:2]
        fitted.add((tissue, model))
        if not series.has_curve:
            short[tissue, model] = max(short.get((tissue, model), 0), len(series.counts))
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


def _ceiling(
    named: Mapping[str, Any], directions: Mapping[str, str], ceilings: Mapping[tuple[str, str], float]
) -> float | None:
    as_reported = named["direction"] == directions.get(named["model"], "tf_queries")
    applies = as_reported and all(named[column] == value for column, value in CEILING_OF.items())
    return ceilings.get((named["tissue"], named["model"])) if applies else None
