"""How the figures look: colours, type, panels side by side, labels where lines end.

Eight colours that keep apart for colour-blind readers on white and on black; lines also differ in their markers and are
labelled where they end, so that no legend has to be matched.
"""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2d7dd2", "#e07b00", "#1aa3b5", "#d6406b", "#9c6b30", "#7d8590", "#9a5bc4", "#2a9d5c")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
INK = "#1f2430"
QUIET = "#868d98"

STYLE: Any = {
    "figure.facecolor": "white",
    "font.size": 12,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 12,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": QUIET,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 2.2,
    "lines.markersize": 6,
    "savefig.dpi": 110,
    "svg.fonttype": "none",
}


class End(NamedTuple):
    """The label of a line, beside its last point."""

    y: float
    label: str
    colour: str
    note: str = ""
    """A second, quieter line."""


def colour_of(index: int) -> str:
    """Colour of the index-th series."""
    return COLOURS[index % len(COLOURS)]


@contextmanager
def panels(
    count: int,
    title: str,
    *,
    note: str = "",
    columns: int = 2,
    width: float = 3.3,
    right: float = 1.8,
    share: bool = True,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Open a figure of panels side by side with a common y axis.

    It has the common style, no window and no place in pyplot's list of figures.

    Parameters
    ----------
    count
        Number of panels, from left to right and top to bottom.
    title, note
        Above all panels, the note smaller and wrapped.
    columns
        Panels beside each other; two keep the letters readable in a thumbnail.
    width, right
        Inches of a panel, and of the room to its right, where labels stand.
    share
        Whether the panels have one y axis.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    left, below, height, gap = 0.78, 0.65, 2.8, 0.45
    across = left + columns * (width + right)
    lines = textwrap.wrap(note, int(across / 0.082))
    top = 0.85 + 0.2 * len(lines)
    tall = top + rows * (height + below + gap) - gap
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(across, tall))
        FigureCanvasAgg(figure)
        axes: list[Axes] = []
        for i in range(count):
            row, column = divmod(i, columns)
            x, y = left + column * (width + right), tall - top - height - row * (height + below + gap)
            place = (x / across, y / tall, width / across, height / tall)
            axes.append(figure.add_axes(place, sharey=axes[0] if share and axes else None))
            axes[-1].tick_params(labelleft=not share or column == 0)
        figure.text(0.12 / across, 1 - 0.14 / tall, title, va="top", fontsize=14, fontweight="bold")
        figure.text(0.12 / across, 1 - 0.46 / tall, "\n".join(lines), va="top", fontsize=10.5, color=QUIET)
        yield figure, axes


def room_for(labels: Iterable[str], least: float = 1.2) -> float:
    """Inches that the longest of some labels takes beside a panel."""
    return max(least, 0.36 + 0.103 * max(map(len, labels), default=0))


def nothing(why: str) -> Figure:
    """Make a figure that says why there is nothing to draw."""
    with panels(1, "", width=6.0, right=0.3) as (figure, (ax,)):
        ax.set_axis_off()
        ax.text(0.5, 0.5, why, ha="center", va="center", color=QUIET, wrap=True, fontsize=13)
        return figure


def label_ends(axes: Axes, ends: Sequence[End], *, size: float = 10.5) -> None:
    """Write labels to the right of the axes, whose limits are final, apart until none lies on another."""
    ordered = sorted(ends)
    height = axes.get_window_extent().height * 72 / axes.figure.dpi  # points
    low, high = axes.get_ylim()
    heights = [(2.3 if end.note else 1.25) * size for end in ordered]
    places = spread([(end.y - low) / (high - low) * height for end in ordered], heights, height)
    for end, place in zip(ordered, places, strict=True):
        up = 0.52 * size if end.note else 0.0
        axes.annotate(
            "",
            xy=(1.0, end.y),
            xycoords=axes.get_yaxis_transform(),
            xytext=(1.055, (place + up) / height),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": end.colour, "lw": 1.0, "alpha": 0.7, "shrinkA": 0, "shrinkB": 0},
            annotation_clip=False,
        )
        text = {"transform": axes.transAxes, "va": "center", "clip_on": False}
        axes.text(1.065, (place + up) / height, end.label, color=end.colour, fontsize=size, fontweight="bold", **text)
        axes.text(1.065, (place - 0.55 * size) / height, end.note, color=QUIET, fontsize=size - 2, **text)


def spread(wanted: Sequence[float], sizes: Sequence[float], room: float) -> list[float]:
    """Move ascending positions as little as needed so that boxes of the given sizes do not overlap.

    Boxes that touch travel together around the mean of what they want; all stay within [0, room] if they fit.
    """
    groups: list[tuple[float, float, list[int]]] = []  # centre, size, members
    for i, (place, size) in enumerate(zip(wanted, sizes, strict=True)):
        centre, length, members = min(max(place, size / 2), room - size / 2), size, [i]
        while groups and groups[-1][0] + groups[-1][1] / 2 > centre - length / 2:
            before, other, earlier = groups.pop()
            centre = (before * len(earlier) + centre * len(members)) / (len(earlier) + len(members))
            length, members = length + other, earlier + members
            centre = max(min(max(centre, length / 2), room - length / 2), length / 2)
        groups.append((centre, length, members))
    placed = [0.0] * len(wanted)
    for centre, length, members in groups:
        edges = centre - length / 2 + np.cumsum([0.0, *(sizes[i] for i in members)])
        for i, low, high in zip(members, edges[:-1], edges[1:], strict=True):
            placed[i] = float(low + high) / 2
    return placed


def cell_axis(axes: Axes, counts: Sequence[int]) -> None:
    """Make x a logarithmic axis of cell counts, with as many of them written as have room."""
    axes.set_xscale("log")
    low, high = min(counts), max(counts)
    reach = np.log(high / low) or 1.0
    written = [low]
    for count in sorted(counts)[1:]:
        last = count == high
        if np.log(count / written[-1]) >= 0.13 * reach and (last or np.log(high / count) >= 0.13 * reach):
            written.append(count)
    axes.set_xticks(written, [f"{count:,}" for count in written])
    axes.minorticks_off()
    axes.set_xlim(low / np.exp(0.05 * reach), high * np.exp(0.05 * reach))
    axes.set_xlabel("cells")


def plain_log_axis(axes: Axes) -> None:
    """Make x a logarithmic axis that shows 1,000 instead of 10 to the third."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def layer_axis(axes: Axes) -> None:
    """Make x an axis of whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer")
