"""The figures of the study of incomplete references: curves by completeness, and what becomes of their slopes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.figures.style import MARKERS, QUIET, End, cell_axis, colour_of, label_ends, nothing, panels
from scfm_assets.figures.traces import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Rows = Sequence[Mapping[str, Any]]
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
    shares = sorted({row["completeness"] for row in rows}, reverse=True)
    note = (
        f"Mean over {len({row['seed'] for row in rows})} simulated tissues, bars: its standard error.  Dashed: what "
        f"labels hidden at random make of the ranking of all edges.  Labels drawn here: {hiding}."
    )
    title = f"{HEIGHTS[metric]} of {method} over cells, by the share of edges that is labelled"

    def panel(ax: Axes, of_panel: Rows) -> list[End]:
        ends = []
        for place, share in enumerate(shares):
            if curve_rows := [row for row in of_panel if row["completeness"] == share]:
                ends.append(End(_curve(ax, curve_rows, metric, place), f"{share:.0%}", colour_of(place)))
        ax.axhline(CHANCE[metric], color=QUIET, lw=1.4, zorder=1)
        cell_axis(ax, sorted({row["n_cells"] for row in rows}))
        return ends

    return _by_density_and_growth(rows, panel, HEIGHTS[metric], title, note=note, right=1.15, share=metric == "auroc")


def _by_density_and_growth(
    rows: Rows, panel: Callable[[Axes, Rows], list[End]], height: str, title: str, **layout: Any
) -> Figure:
    """Draw a panel for each density and growth of noise; lines are labelled at the end, when all limits are final."""
    places = ("density", "noise_growth")
    grid = list(product(*(sorted({row[name] for row in rows}) for name in places)))
    with panels(len(grid), title, **layout) as (figure, axes):
        ends = []
        for ax, (density, growth) in zip(axes, grid, strict=True):
            ends.append(panel(ax, [row for row in rows if (row["density"], row["noise_growth"]) == (density, growth)]))
            ax.set_title(f"density {density:g}, {f'noise + {growth:g} n' if growth else 'constant noise'}")
        for ax in axes[::2]:
            ax.set_ylabel(height, labelpad=1)
        for ax, labels in zip(axes, ends, strict=True):
            label_ends(ax, labels)
        return figure


def _curve(ax: Axes, rows: Rows, metric: str, place: int) -> float:
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
    hidings = list(dict.fromkeys(row["hiding"] for row in rows))
    note = (
        "Change with every doubling of cells, 95 % intervals over simulated tissues.  While a line is above 0, cells "
        "help, by any labels.  circular: a control, labels chosen by their own score; it must fall below 0."
    )
    title = f"Slope of {HEIGHTS[metric]} of {method} by the share of edges that is labelled"

    def panel(ax: Axes, of_panel: Rows) -> list[End]:
        ends = [End(0.0, "no change", QUIET)]
        for place, hiding in enumerate(hidings):
            line_rows = [row for row in of_panel if row["hiding"] == hiding]
            line_rows.sort(key=lambda row: row["completeness"], reverse=True)
            if line_rows:
                _line(ax, line_rows, place)
                ends.append(End(line_rows[-1]["value"], hiding, colour_of(place)))
        ax.axhline(0, color=QUIET, lw=1.4, zorder=1)
        ax.set_xlabel("share of edges labelled")
        ax.set_xlim(1.06, 0.0)
        ax.yaxis.set_major_formatter("{x:.2f}")
        return ends

    share = metric == "auroc"
    return _by_density_and_growth(rows, panel, "slope per doubling", title, note=note, right=1.3, share=share)


def _line(ax: Axes, rows: Rows, place: int) -> None:
    colour, value = colour_of(place), [row["value"] for row in rows]
    x = np.array([row["completeness"] for row in rows]) + DODGE * (place - 1)
    low, high = (np.array([np.nan if row[end] is None else row[end] for row in rows]) for end in ("lo", "hi"))
    ax.plot(x, value, color=colour, lw=1.6, zorder=3)
    ax.vlines(x, low, high, color=colour, lw=1.4, alpha=0.5, zorder=2)
    ax.plot(x, value, MARKERS[place % len(MARKERS)], color=colour, ms=6, mec="white", mew=0.8, zorder=4)
