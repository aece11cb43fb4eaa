"""The figure that shows whether matching worked: how far positives lie above negatives, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.universes import LIMIT
from scfm_assets.figures.style import MARKERS, QUIET, End, colour_of, label_ends, nothing, panels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from scfm_assets.core.universes import Imbalance


def balance(differences: Mapping[str, Sequence[Imbalance]], title: str = "Balance of expression") -> Figure:
    """Draw standardised differences of positives and negatives, before matching (hollow) and after (filled).

    Parameters
    ----------
    differences
        By the panel's name, for instance tissue and network: what `matched_universes.balance` gives.
    title
        Above all panels.
    """
    if not any(differences.values()):
        return nothing("No balance to show: there is no matched universe.")
    note = (
        "Positives minus negatives in standard deviations (Austin 2009), over all cells.  Hollow: all of tf_grid.  "
        f"Filled: expression_matched.  Dashed: ±{LIMIT}, what counts as balanced."
    )
    with panels(
        len(differences), title, note=note, width=max(3.9, 0.75 * max(map(len, differences.values()))), right=1.5
    ) as (figure, axes):
        for ax, (name, rows) in zip(axes, differences.items(), strict=True):
            ends: dict[str, int] = {}
            for row in rows:
                ends.setdefault(row.end, len(ends))
            for place, row in enumerate(rows):
                colour, marker = colour_of(ends[row.end]), MARKERS[ends[row.end]]
                ax.plot([place, place], [row.before, row.after], color=colour, lw=1.4, alpha=0.6)
                ax.plot(place, row.before, marker, color=colour, mfc="white", ms=8)
                ax.plot(place, row.after, marker, color=colour, ms=8)
            for side in (-LIMIT, LIMIT):
                ax.axhline(side, color=QUIET, ls=(0, (5, 3)), lw=1.2, zorder=1)
            ax.axhline(0, color=QUIET, lw=1.2, zorder=1)
            ax.set_xticks(
                range(len(rows)), [f"{row.end}\n{row.level}" for row in rows], fontsize=9.5 if len(rows) < 6 else 7
            )
            ax.set_xlim(-0.5, len(rows) - 0.5)
            ax.set_title(name)
        axes[0].set_ylabel("standardised difference")
        for ax in axes:
            label_ends(ax, [End(0.0, "equal", QUIET)])
        return figure
