"""The figure of the verdicts on methods: how well each ranks edges, beside what expression alone does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.evaluation import BEATS, DOES_NOT_BEAT, NULL, UNDERPOWERED, WORSE, name_of
from scfm_assets.core.metrics import TF_GRID
from scfm_assets.figures.style import INK, QUIET, End, colour_of, label_ends, nothing, panels, room_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {
    BEATS: ("o", colour_of(7)),
    DOES_NOT_BEAT: ("s", colour_of(1)),
    WORSE: ("v", colour_of(3)),
    UNDERPOWERED: ("D", colour_of(5)),
}
"""Marker and colour of each verdict."""
LABELS = 160
"""Points that the letters of all labels of a panel may take together."""
CHANCE = {"auroc": 0.5, "auprc_ratio": 1.0}
WRITTEN = {"auroc": "AUROC", "auprc_ratio": "AUPRC over base rate"}


def forest(
    verdicts: pa.Table, title: str = "Methods", *, universe: str = TF_GRID.name, metric: str = "auroc"
) -> Figure:
    """Draw every method with its intervals over the network (thick) and over cells or donors (thin), highest first.

    One panel per network; the shaded band is the highest gene-level null with its interval over the network.

    Parameters
    ----------
    verdicts
        Rows of the table `method_verdicts` of one slice.
    title
        Above all panels.
    universe, metric
        What is drawn.
    """
    rows = [row for row in verdicts.to_pylist() if (row["universe"], row["metric"]) == (universe, metric)]
    networks = list(dict.fromkeys(row["network"] for row in rows))
    if not networks:
        return nothing("No methods to compare: there is no network with edges in the panel.")
    present = dict.fromkeys(row["verdict"] for row in rows if row["verdict"] != NULL)
    marks = {"o": "circle", "s": "square", "v": "triangle", "D": "diamond"}
    note = (
        f"{WRITTEN[metric]} in {universe}.  Thick: over TFs and targets, thin: over cells.  "
        f"Band: the highest gene-level null.  Ring: random weights that score away from chance.  Verdicts: "
        + ", ".join(f"{marks[LOOKS[verdict][0]]}: {verdict}" for verdict in LOOKS if verdict in present)
        + "."
    )
    labels = [name_of(row) for row in rows if row["verdict"] != NULL]
    with panels(len(networks), title, note=note, width=3.4, right=room_for(labels), share=False) as (figure, axes):
        for ax, network in zip(axes, networks, strict=True):
            _panel(ax, [row for row in rows if row["network"] == network], metric)
            n_pos = next(row["n_pos"] for row in rows if row["network"] == network)
            ax.set_title(f"{network}, {n_pos:,} edges")
        return figure


def _panel(ax: Axes, rows: Sequence[Mapping[str, Any]], metric: str) -> None:
    methods = sorted((row for row in rows if row["verdict"] != NULL), key=lambda row: row["value"])
    null = max((row for row in rows if row["verdict"] == NULL), key=lambda row: row["value"], default=None)
    ax.axvline(CHANCE[metric], color=QUIET, lw=1.0, ls=(0, (1, 2)), zorder=1)
    if null is not None:
        low, high = (null["value"] if null[end] is None else null[end] for end in ("network_lo", "network_hi"))
        ax.axvspan(low, high, color=QUIET, alpha=0.22, lw=0, zorder=0)
        ax.axvline(null["value"], color=QUIET, lw=1.6, zorder=1)
    for y, row in enumerate(methods):
        marker, colour = LOOKS[row["verdict"]]
        for kind, width, shift in (("network", 3.0, 0.0), ("cells", 1.2, -0.26)):
            if row[f"{kind}_lo"] is not None:
                ax.plot([row[f"{kind}_lo"], row[f"{kind}_hi"]], [y + shift] * 2, color=colour, lw=width, alpha=0.55)
        ax.plot(row["value"], y, marker, color=colour, ms=6.5, mec="white", mew=0.8, zorder=4)
        if row["confounding"] == "confounded":
            ax.plot(row["value"], y, "o", ms=13, mfc="none", mec=INK, mew=1.2, zorder=5)
    ax.set_ylim(-0.7, len(methods) - 0.3)
    ax.set_yticks([])
    ax.grid(visible=True, axis="x")
    ax.set_xlabel(WRITTEN[metric])
    size = float(np.clip(LABELS / max(1, len(methods)), 5.5, 10.5))
    label_ends(ax, [End(y, name_of(row), LOOKS[row["verdict"]][1]) for y, row in enumerate(methods)], size=size)
