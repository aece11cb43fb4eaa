"""The figure that shows how far scores repeat themselves in other cells, and how many cells that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.scores import MODEL
from scfm_assets.figures.style import QUIET, End, cell_axis, colour_of, label_ends, nothing, panels, room_for
from scfm_assets.figures.traces import draw, richest_network, rows_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from matplotlib.figure import Figure

    from scfm_assets.figures.traces import Trace

BARS = {"lo": None, "hi": None}
"""Splits share cells: their spread is no interval, and none is drawn."""


def reliability_over_cells(reliability: pa.Table, tissue: str, *, network: str | None = None) -> Figure:
    """Draw the split-half reliability of every method against n_cells: dots are repeats, markers their mean.

    One panel per method of the models, and one for the baselines.

    Parameters
    ----------
    reliability
        The table of this name.
    tissue, network
        What is drawn; the network with the most positives by default.
    """
    network = network or richest_network(reliability, tissue)
    series = _series(rows_of(reliability, tissue=tissue, network=network)) if network else {}
    if not series:
        return nothing(f"{tissue}: no reliability to show: no scores are known by groups of cells.")
    panel_names = list(dict.fromkeys(MODEL if model == MODEL else method for model, method in series))
    panel_names.sort(key=MODEL.__eq__)
    note = (
        f"Correlation of the scores of two halves of the cells over the pairs of network {network} (tf_grid), "
        "Spearman-Brown for all cells.  Dots: repeats.  No score agrees with any truth better than the root of it."
    )
    right = room_for(method if model == MODEL else model for model, method in series)
    with panels(len(panel_names), f"Split-half reliability in {tissue}", note=note, right=right) as (figure, axes):
        ends: list[list[End]] = [[End(0.0, "noise alone", QUIET)] for _ in panel_names]
        for ax, panel, labels in zip(axes, panel_names, ends, strict=True):
            traces = {key: trace for key, trace in series.items() if panel in (key[0], key[1])}
            for place, ((model, method), trace) in enumerate(traces.items()):
                draw(ax, trace, place)
                name = method if model == MODEL else model
                labels.append(End(float(trace.mean[-1]), name, colour_of(place)))
            ax.axhline(0, color=QUIET, lw=1.4, zorder=1)
            ax.set_title("baselines and nulls" if panel == MODEL else panel.replace("_", " "))
            cell_axis(ax, sorted({int(n) for trace in traces.values() for n in trace.x}))
        axes[0].set_ylabel("reliability")
        for ax, labels in zip(axes, ends, strict=True):
            label_ends(ax, labels)
        return figure


def _series(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Trace]:
    """Traces over n_cells by model and method; methods without a defined value are left out."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["method"]), []).append({**row, **BARS})
    traces = {key: trace_of(group, "n_cells", "pearson") for key, group in groups.items()}
    return {key: trace for key, trace in traces.items() if trace is not None}
