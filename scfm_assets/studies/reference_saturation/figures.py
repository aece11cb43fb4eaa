"""The figures of the study of incomplete references: curves by completeness, and what becomes of their slopes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.figures.style import MARKERS, QUIET, End, cell_axis, colour_of, label_ends, nothing, panels
from scfm_assets.figures.traces import rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHTS = {"auroc": "AUROC", "auprc_ratio": "AUPRC / base rate", "log_auprc_ratio": "log (AUPRC / base rate)"}
CHANCE = {"auroc": 0.5, "auprc_ratio": 1.0}
DODGE = 0.012
"""Completeness by which series of one completeness stand apart."""


def figures(tables: Mapping[str, pa.Table]) -> dict[str, Figure]:
    """All figures of the study, the most important one first."""
    return {
        "auroc_by_completeness": saturation_curves(tables["scores"]),
        "slopes_by_completeness": saturation_slopes(tables["slopes"]),
        "average_precision_by_completeness": saturation_curves(tables["scores"], metric="auprc_ratio"),
    }


def saturation_curves(
    scores: pa.Table, *, metric: str = "auroc", method: str | None = None, hiding: str = "random"
) -> Figure:
    """Draw a metric over n by completeness: seeds' mean and its standard error, and what ceilings predict.

    One panel per density and growth of noise.

    Parameters
    ----------
    scores
        Table `SCORES` of the study.
    metric
        `auroc` or `auprc_ratio`.
    method, hiding
        What is drawn; the first method by default.
    """
    method = method or (scores["method"][0].as_py() if scores.num_rows else None)
    rows = rows_of(scores, method=method, hiding=hiding) if method else []
    if not rows:
        return nothing(f"No curves to show: nothing was measured with labels hidden {hiding}.")
    grid = list(product(*(sorted({row[name] for row in rows}) for name in ("density", "noise_growth"))))
    shares = sorted({row["completeness"] for row in rows}, reverse=True)
    note = (
        f"Mean over {len({row['seed'] for row in rows})} simulated tissues, bars: its standard error.  Dashed: what "
        f"labels hidden at random make of the ranking of all edges.  Labels drawn here: {hiding}."
    )
    title = f"{HEIGHTS[metric]} of {method} over cells, by the share of edges that is labelled"
    with panels(len(grid), title, note=note, right=1.15, share=metric == "auroc") as (figure, axes):
        ends: list[list[End]] = [[] for _ in grid]
        for ax, (density, growth), labels in zip(axes, grid, ends, strict=True):
            for share in shares:
                curve_rows = [row for row in rows if (row["density"], row["noise_growth"]) == (density, growth)]
                curve_rows = [row for row in curve_rows if row["completeness"] == share]
                if curve_rows:
                    height = _curve(ax, curve_rows, metric, shares.index(share))
                    labels.append(End(height, f"{share:.0%}", colour_of(shares.index(share))))
            ax.axhline(CHANCE[metric], color=QUIET, lw=1.4, zorder=1)
            ax.set_title(f"density {density:g}, {_growth(growth)}")
            cell_axis(ax, sorted({row["n_cells"] for row in rows}))
            ax.tick_params(labelleft=metric != "auroc" or ax in axes[::2])
        _finish(axes, ends, HEIGHTS[metric])
        return figure


def _curve(ax: Axes, rows: Sequence[Mapping[str, Any]], metric: str, place: int) -> float:
    """Draw one completeness and return its last height."""
    colour, ladder = colour_of(place), sorted({row["n_cells"] for row in rows})
    observed, predicted = (
        [np.array([_height(row, metric, prefix) for row in rows if row["n_cells"] == n]) for n in ladder]
        for prefix in ("", "predicted_")
    )
    mean = np.array([values.mean() for values in observed])
    error = np.array([values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan for values in observed])
    x = np.array(ladder) * np.exp(0.02 * (place - 2))
    ax.plot(ladder, [values.mean() for values in predicted], color=colour, ls=(0, (4, 2)), lw=1.3, alpha=0.8, zorder=2)
    ax.vlines(x, mean - error, mean + error, color=colour, lw=1.4, alpha=0.5, zorder=3)
    ax.plot(x, mean, MARKERS[place % len(MARKERS)], color=colour, ms=6, mec="white", mew=0.8, zorder=4)
    return float(mean[-1])


def _height(row: Mapping[str, Any], metric: str, prefix: str) -> float:
    if metric == "auroc":
        return row[f"{prefix}auroc"]
    return row[f"{prefix}auprc"] * (row["n_pos"] + row["n_neg"]) / row["n_pos"]


def saturation_slopes(slopes: pa.Table, *, metric: str = "auroc", method: str | None = None) -> Figure:
    """Draw slopes with their intervals by completeness: a line for each way to hide labels, a panel for each growth.

    Parameters
    ----------
    slopes
        Table `SLOPES` of the study.
    metric
        `auroc`, `auprc_ratio` or `log_auprc_ratio`.
    method
        What is drawn; the first by default.
    """
    method = method or (slopes["method"][0].as_py() if slopes.num_rows else None)
    rows = rows_of(slopes, method=method, metric=metric, term="slope") if method else []
    if not rows:
        return nothing("No slopes to show: nothing was measured.")
    grid = list(product(*(sorted({row[name] for row in rows}) for name in ("density", "noise_growth"))))
    hidings = list(dict.fromkeys(row["hiding"] for row in rows))
    note = (
        "Change with every doubling of cells, 95 % intervals over simulated tissues.  While a line is above 0, cells "
        "help, by any labels.  circular: a control, labels chosen by their own score; it must fall below 0."
    )
    title = f"Slope of {HEIGHTS[metric]} of {method} by the share of edges that is labelled"
    with panels(len(grid), title, note=note, right=1.3, share=metric == "auroc") as (figure, axes):
        ends = [[End(0.0, "no change", QUIET)] for _ in grid]
        for ax, (density, growth), labels in zip(axes, grid, ends, strict=True):
            for place, hiding in enumerate(hidings):
                line_rows = [
                    row
                    for row in rows
                    if (row["density"], row["noise_growth"], row["hiding"]) == (density, growth, hiding)
                ]
                line_rows.sort(key=lambda row: row["completeness"], reverse=True)
                if line_rows:
                    _line(ax, line_rows, place, DODGE * (place - 1))
                    labels.append(End(line_rows[-1]["value"], hiding, colour_of(place)))
            ax.axhline(0, color=QUIET, lw=1.4, zorder=1)
            ax.set_title(f"density {density:g}, {_growth(growth)}")
            ax.set_xlabel("share of edges labelled")
            ax.set_xlim(1.06, 0.0)
            ax.yaxis.set_major_formatter("{x:.2f}")
        _finish(axes, ends, "slope per doubling")
        return figure


def _line(ax: Axes, rows: Sequence[Mapping[str, Any]], place: int, aside: float) -> None:
    colour = colour_of(place)
    x, value = np.array([row["completeness"] for row in rows]) + aside, [row["value"] for row in rows]
    low, high = (np.array([np.nan if row[end] is None else row[end] for row in rows]) for end in ("lo", "hi"))
    ax.plot(x, value, color=colour, lw=1.6, zorder=3)
    ax.vlines(x, low, high, color=colour, lw=1.4, alpha=0.5, zorder=2)
    ax.plot(x, value, MARKERS[place % len(MARKERS)], color=colour, ms=6, mec="white", mew=0.8, zorder=4)


def _finish(axes: Sequence[Axes], ends: Sequence[Sequence[End]], name: str) -> None:
    """Label axes and lines, all limits being final."""
    for ax in axes[::2]:
        ax.set_ylabel(name, labelpad=1)
    for ax, labels in zip(axes, ends, strict=True):
        label_ends(ax, labels)


def _growth(growth: float) -> str:
    return f"noise + {growth:g} n" if growth else "constant noise"
