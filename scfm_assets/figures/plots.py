"""Figures from tables: the scaling curve, attention by layer, coverage, and what an atlas looks like.

Every function takes tables of the warehouse (or plain arrays) and returns a matplotlib `Figure`; `plot_files` makes a
PNG, a thumbnail or SVG of it. A figure that has nothing to show says why.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.metrics import TF_GRID
from scfm_assets.core.scores import MODEL as BASELINES
from scfm_assets.core.scores import NULLS as SCORED_NULLS
from scfm_assets.figures.style import (
    INK,
    QUIET,
    End,
    cell_axis,
    colour_of,
    label_ends,
    layer_axis,
    nothing,
    panels,
    plain_log_axis,
    room_for,
)
from scfm_assets.figures.traces import (
    aside,
    draw,
    fitted_line,
    richest_network,
    rows_of,
    said_of,
    shown_form,
    trace_of,
    traces_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


METRICS = {"auroc": "AUROC", "auprc": "AUPRC", "auprc_ratio": "AUPRC / base rate", "epr": "early precision ratio"}
CHANCE = {"auroc": 0.5, "auprc_ratio": 1.0, "epr": 1.0}
NULLS = {method.name for method in SCORED_NULLS}
LABEL_LENGTH = 17
NOTE_ROOM = 1.75
"""Inches of the longest of the small lines below labels."""
DODGE = 0.05
"""Layers by which the series of one layer stand apart."""


def scaling_curve(
    metrics: pa.Table,
    curves: pa.Table,
    tissue: str,
    *,
    network: str | None = None,
    universe: str = TF_GRID.name,
    metric: str = "auroc",
    direction: str = "tf_queries",
    layer_of_model: Mapping[str, int | None] | None = None,
    columns: int = 2,
) -> Figure:
    """Draw how well each model, at its fixed layer, and each baseline ranks a network's edges, over n_cells.

    Dots are repeats, markers their mean, bars the mean interval (over the network if there is one), lines the likeliest
    form of `scaling_curves` among those that are not refuted, dashed lines the known ceilings of planted controls. One
    panel per method of the models, and one for the baselines.

    Parameters
    ----------
    metrics, curves
        Tables `metrics` and `scaling_curves`.
    tissue, network, universe, metric, direction
        What is drawn; the network with the most positives by default.
    layer_of_model
        The fixed layers; those that `curves` holds by default.
    columns
        Panels beside each other.
    """
    network = network or richest_network(metrics, tissue)
    filters = {"tissue": tissue, "network": network, "universe": universe, "metric": metric}
    ways = (direction, "symmetric")
    fits = [fit for fit in rows_of(curves, **filters) if fit["direction"] in ways]
    fixed = layer_of_model or {fit["model"]: fit["layer"] for fit in fits}
    rows = [
        row
        for row in rows_of(metrics, head=None, **filters)
        if row["direction"] in ways and row["layer"] in (None, fixed.get(row["model"]))
    ]
    series = traces_of(rows, "n_cells", "model", "method")
    if not series or network is None:
        return nothing(f"{tissue}: no {METRICS[metric]} to show, for no network is known for it.")
    models = list(dict.fromkeys(model for model, _ in series if model != BASELINES))
    panel_names = list(dict.fromkeys(BASELINES if model == BASELINES else method for model, method in series))
    panel_names.sort(key=BASELINES.__eq__)
    note = (
        f"How well scores rank the edges of network {network} (universe {universe}).  Dots: repeats.  Bars: 95 % "
        "intervals.  Lines: the likeliest form.  Dashed: the ceiling of what was planted."
    )
    title = f"{METRICS[metric]} over cells in {tissue}"
    right = room_for((_label(method if model == BASELINES else model) for model, method in series), NOTE_ROOM)
    with panels(len(panel_names), title, note=note, columns=columns, right=right) as (figure, axes):
        ends: list[list[End]] = [[] for _ in panel_names]
        for ax, panel, labels in zip(axes, panel_names, ends, strict=True):
            members = [key for key in series if panel == (BASELINES if key[0] == BASELINES else key[1])]
            for i, key in enumerate(members):
                model, method = key
                place = i if model == BASELINES else models.index(model)
                series_fits = [fit for fit in fits if (fit["model"], fit["method"]) == key]
                trace = series[key]
                draw(ax, trace, place, line=fitted_line(shown_form(series_fits), trace.x))
                for ceiling in {fit["ceiling"] for fit in series_fits} - {None}:
                    ax.axhline(ceiling, color=colour_of(place), ls=(0, (5, 3)), lw=1.4, zorder=1)
                    labels.append(End(ceiling, f"ceiling {ceiling:.3f}", colour_of(place)))
                name = _label(method if model == BASELINES else model)
                end_note = said_of(series_fits)
                if method in NULLS:
                    end_note = f"null, {end_note}" if end_note else "null"
                labels.append(End(trace.mean[-1], name, colour_of(place), end_note))
            ax.set_title(_title(panel))
            cell_axis(ax, sorted({row["n_cells"] for row in rows}))
        _finish(axes, metric, rows, ends)
        return figure


def attention_by_layer(
    metrics: pa.Table,
    tissue: str,
    *,
    network: str | None = None,
    universe: str = TF_GRID.name,
    metric: str = "auroc",
    layer_of_model: Mapping[str, int | None] | None = None,
) -> Figure:
    """Draw every layer of every model at the largest n_cells, in both directions; the fixed layer is ringed."""
    network = network or richest_network(metrics, tissue)
    rows = rows_of(metrics, tissue=tissue, network=network, universe=universe, metric=metric, head=None)
    rows = [row for row in rows if row["layer"] is not None]
    largest = max((row["n_cells"] for row in rows), default=0)
    series = traces_of([row for row in rows if row["n_cells"] == largest], "layer", "method", "model", "direction")
    if not series or network is None:
        return nothing(f"{tissue}: no layers to show, for no model has a {METRICS[metric]} there.")
    methods = list(dict.fromkeys(method for method, _, _ in series))
    models = list(dict.fromkeys(model for _, model, _ in series))
    note = "Solid: the TF is the query.  Dotted, hollow: the TF is the key.  Ring: the layer that the catalog fixes."
    title = f"{METRICS[metric]} of each layer in {tissue}, {largest:,} cells, {network}, {universe}"
    with panels(len(methods), title, note=note, right=room_for(map(_label, models))) as (figure, axes):
        ends: list[list[End]] = [[] for _ in methods]
        for ax, method, labels in zip(axes, methods, ends, strict=True):
            members = sorted((key for key in series if key[0] == method), key=lambda key: key[2] != "tf_keys")
            for key in members:
                place, keys = models.index(key[1]), key[2] == "tf_keys"
                trace = aside(series[key], DODGE * (2 * place + keys - len(models) + 0.5))
                draw(ax, trace, place, faint=keys)
                if keys:
                    continue
                model, layer = key[1], (layer_of_model or {}).get(key[1])
                labels.append(End(trace.mean[-1], _label(model), colour_of(place)))
                ringed = series[key].x == layer
                ax.plot(trace.x[ringed], trace.mean[ringed], "o", ms=15, mfc="none", mec=colour_of(place), mew=1.8)
            ax.set_title(_title(method))
            layer_axis(ax)
        _finish(axes, metric, rows, ends)
        return figure


def coverage(metrics: pa.Table, tissue: str, *, universe: str = TF_GRID.name) -> Figure:
    """Draw the share of pairs, and of positives, that some cell holds together, over n_cells.

    Pairs that no cell holds tie at score 0: as far as a scaling curve follows these lines, it is their shadow.
    """
    kinds = {"positive_coverage": "positives", "pair_coverage": "all pairs"}
    rows = rows_of(metrics, tissue=tissue, universe=universe, metric="auroc")
    networks = list(dict.fromkeys(row["network"] for row in rows))
    if not networks:
        return nothing(f"{tissue}: no coverage to show, for no network is known for it.")
    note = "Share of the candidate pairs, and of the positives among them, that some cell holds together."
    with panels(len(networks), f"Coverage over cells in {tissue}, {universe}", note=note, right=1.7) as (figure, axes):
        for ax, network in zip(axes, networks, strict=True):
            network_rows, ends = [row for row in rows if row["network"] == network], []
            for place, (column, label) in enumerate(kinds.items()):
                for whose, values in _alike([row for row in network_rows if row[column] is not None], column).items():
                    trace = trace_of([{**row, "lo": None, "hi": None} for row in values], "n_cells", column)
                    if trace is not None:
                        draw(ax, trace, place, faint=bool(ends) and ends[-1].label == label)
                        ends.append(End(trace.mean[-1], label, colour_of(place), whose))
            ax.set_ylim(0, 1.03)
            ax.set_title(network)
            cell_axis(ax, sorted({row["n_cells"] for row in network_rows}))
            label_ends(ax, ends)
        axes[0].set_ylabel("share seen together")
        return figure


def atlas_qc(n_counts: np.ndarray, n_genes: np.ndarray, cell_types: Sequence[str], tissue: str = "atlas") -> Figure:
    """Draw counts and detected genes of the cells, and how many cells each type has.

    Parameters
    ----------
    n_counts, n_genes
        Per cell, shape (cells,).
    cell_types
        Per cell.
    tissue
        Stands in the title.
    """
    n_counts, n_genes = np.asarray(n_counts), np.asarray(n_genes)
    if not len(n_counts):
        return nothing(f"{tissue}: no cells to show.")
    types = Counter(map(str, cell_types)).most_common()
    type_counts, rest = types[:11], types[11:]
    type_counts += [(f"{len(rest)} others", sum(count for _, count in rest))] if rest else []
    with panels(
        3, f"{tissue}: {len(n_counts):,} cells, {len(types)} cell types", columns=3, right=1.45, share=False
    ) as (figure, axes):
        for ax, values, unit, place in ((axes[0], n_counts, "counts", 0), (axes[1], n_genes, "genes", 2)):
            positive = np.maximum(values, 1)
            ends = positive.min(), max(positive.max(), positive.min() * 1.1)
            ax.hist(positive, bins=np.geomspace(*ends, 41), color=colour_of(place), alpha=0.85)
            ax.axvline(np.median(values), color=INK, lw=1.4)
            ax.set_title(f"median: {np.median(values):,.0f} {unit}")
            ax.set_xlabel(f"{unit} per cell")
            plain_log_axis(ax)
        axes[0].set_ylabel("cells")
        _bars(axes[2], type_counts)
        return figure


def _bars(axes: Axes, counts: Sequence[tuple[str, int]]) -> None:
    """Horizontal bars, each with its number."""
    places = range(len(counts))
    bars = axes.barh(places, [count for _, count in counts], color=colour_of(1), alpha=0.85, height=0.72)
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=10, color=INK)
    axes.set_yticks(places, [_label(name, 16) for name, _ in counts], fontsize=10.5)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.16)
    axes.set_title("cells of each type")


def _alike(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of one model each, models that see exactly the same named together."""
    values: dict[str, dict[tuple[int, int], float]] = {}
    for row in rows:
        values.setdefault(row["model"], {})[row["n_cells"], row["repeat"]] = round(row[column], 3)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for model, seen in values.items():
        groups.setdefault(tuple(sorted(seen.items())), []).append(model)
    alone = len(groups) == 1
    named = {members[0]: members[0] if len(members) == 1 else f"{len(members)} models" for members in groups.values()}
    return {
        "" if alone else _label(name): [row for row in rows if row["model"] == first] for first, name in named.items()
    }


def _finish(
    axes: Sequence[Axes], metric: str, rows: Sequence[Mapping[str, Any]], ends: Sequence[Sequence[End]]
) -> None:
    """Draw the chance line, name the y axis, then, its limits being final, label the lines."""
    rates = {row["base_rate"] for row in rows} - {None}
    chance = CHANCE.get(metric, float(np.mean(list(rates))) if rates else None)
    axes[0].set_ylabel(METRICS[metric])
    if chance is not None:
        for ax in axes:
            ax.axhline(chance, color=QUIET, lw=1.4, zorder=1)
    for i, (ax, labels) in enumerate(zip(axes, ends, strict=True)):
        label_ends(ax, [*labels, *([End(chance, "chance", QUIET)] if chance is not None and i == 0 else [])])


def _title(method: str) -> str:
    return "baselines and nulls" if method == BASELINES else method.replace("_", " ")


def _label(name: str, longest: int = LABEL_LENGTH) -> str:
    """Shorten in the middle: names of one series of checkpoints differ at their ends."""
    head = longest // 3
    return name if len(name) <= longest else f"{name[:head]}…{name[head + 1 - longest :]}"
