"""The loss of a training over its steps, beside what is known without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.figures.style import QUIET, End, colour_of, label_ends, panels
from scfm_assets_pretrain.objectives import NATS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure


def training_figure(record: Mapping[str, Any]) -> Figure:
    """Draw the content of a training.json: loss of training and held-out cells, baseline, revisions."""
    points, (name, baseline) = record["losses"], next(iter(record["baselines"].items()))
    steps = [point["step"] for point in points]
    cells, recipe = record["cells"], record["recipe"]
    note = (
        f"Masked genes, {record.get('unit', NATS)} each; "
        f"{cells['training']:,} cells of {', '.join(record['atlases'])} trained on, "
        f"{cells['held_out']:,} held out; {recipe['layers']} layers x {recipe['hidden']}. Rings are revisions."
    )
    with panels(1, f"Training of {record['name']}", note=note, width=6.2, right=2.0) as (figure, (ax,)):
        ends = [End(baseline, name.replace("_", " "), QUIET, f"{baseline:.2f}")]
        ax.axhline(baseline, color=QUIET, lw=1.4, ls=(0, (4, 2)))
        for place, (part, label) in enumerate((("held_out", "held-out cells"), ("training", "training cells"))):
            values = [point[part] for point in points]
            ax.plot(steps, values, color=colour_of(place), lw=2.2 if place == 0 else 1.4, zorder=3)
            ends.append(End(values[-1], label, colour_of(place), f"{values[-1]:.2f}"))
        saved = [point for point in points if point["step"] in record["revisions"]]
        at, held_out = [point["step"] for point in saved], [point["held_out"] for point in saved]
        ax.plot(at, held_out, "o", mfc="white", mec=colour_of(0), mew=2, ms=8, zorder=4)
        ax.set_xlim(0, max(steps) * 1.02)
        ax.set_xlabel("step")
        ax.set_ylabel("loss")
        ax.margins(y=0.08)
        figure.canvas.draw()
        label_ends(ax, ends)
        return figure
