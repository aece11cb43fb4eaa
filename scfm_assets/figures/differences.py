"""The figure of what a new checkpoint changed: differences of a metric, layer by layer, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.metrics import TF_GRID
from scfm_assets.figures.style import QUIET, End, colour_of, label_ends, layer_axis, nothing, panels, room_for
from scfm_assets.figures.traces import aside, draw, rows_of, traces_of

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

DODGE = 0.06
"""Layers by which the series of one layer stand apart."""


def difference_by_layer(
    comparison: pa.Table, *, layer: int | None, universe: str = TF_GRID.name, metric: str = "auroc"
) -> Figure:
    """Draw how much each layer gained or lost from one checkpoint of a model to the next.

    Dots are repeats, markers their mean, bars the mean interval of the paired difference, over the network
    where there is one.
    One panel per method, one line per network.

    Parameters
    ----------
    comparison
        Rows of the table `checkpoint_comparison` of one model and slice.
    layer
        The layer that the catalog fixes; it is ringed.
    universe, metric
        What is drawn.
    """
    rows = [row for row in rows_of(comparison, universe=universe, metric=metric, head=None) if row["layer"] is not None]
    if not rows:
        return nothing("No layers to compare: there are no scores of two checkpoints over the same cells.")
    methods, networks = (list(dict.fromkeys(row[name] for row in rows)) for name in ("method", "network"))
    first = rows[0]
    title = f"{first['model']}: what checkpoint {first['checkpoint']} changed since {first['checkpoint_before']}"
    note = (
        f"{metric.upper()} now minus before, by layer, in {first['tissue']}, {first['n_cells']:,} cells, {universe}.  "
        "Solid: the TF is the query.  Dotted, hollow: the TF is the key.  Ring: the layer that the catalog fixes."
    )
    with panels(len(methods), title, note=note, right=room_for(networks)) as (figure, axes):
        ends: list[list[End]] = [[End(0.0, "no change", QUIET)] for _ in methods]
        for ax, method, labels in zip(axes, methods, ends, strict=True):
            of_method = [row for row in rows if row["method"] == method]
            series = traces_of(of_method, "layer", "network", "direction", y="difference")
            # The lesser direction first, so that it lies below.
            for (network, direction), trace in sorted(series.items(), key=lambda s: (s[0][1] != "tf_keys", s[0])):
                place, faint = networks.index(network), direction == "tf_keys"
                moved = aside(trace, DODGE * (2 * place + faint - len(networks) + 0.5))
                draw(ax, moved, place, faint=faint)
                if not faint:
                    labels.append(End(trace.mean[-1], network, colour_of(place)))
                    ringed = trace.x == layer
                    ax.plot(moved.x[ringed], moved.mean[ringed], "o", ms=15, mfc="none", mec=colour_of(place), mew=1.8)
            ax.axhline(0, color=QUIET, lw=1.4, zorder=1)
            ax.set_title(method.replace("_", " "))
            layer_axis(ax)
        axes[0].set_ylabel(f"{metric.upper()}, now − before")
        for ax, labels in zip(axes, ends, strict=True):
            label_ends(ax, labels)
        return figure
