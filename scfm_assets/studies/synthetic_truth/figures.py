"""Figures of the study of synthetic truth: methods by simulator, what cases change, whether orders agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.statistics import Estimate
from scfm_assets.figures.style import MARKERS, QUIET, End, colour_of, label_ends, nothing, panels, room_for
from scfm_assets.studies.synthetic_truth.data_sets import NONE
from scfm_assets.studies.synthetic_truth.orderings import LEVEL, SeedBlock, blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPREAD = 0.16
"""How far the dots of the seeds stand apart."""
CHANCE = 0.5


def figures(tables: Mapping[str, pa.Table]) -> dict[str, Figure]:
    """All figures of the study, the most important one first."""
    return {
        "auroc_by_method": auroc_by_method(tables["scores"]),
        "change_by_case": change_by_case(tables["scores"]),
        "agreement_of_orders": agreement(tables["orderings"]),
        "master_regulators": moments(tables["masters"]),
    }


def auroc_by_method(scores: pa.Table, *, case: str = NONE) -> Figure:
    """Draw the AUROC of every method on every simulator: dots are data sets, markers their mean with its interval.

    Parameters
    ----------
    scores
        Rows of `SCORES`.
    case
        The case that is drawn.
    """
    known, of_nulls = blocks(scores, "auroc"), blocks(scores, "auroc", nulls=True)
    drawn = [place for place in known if place[1] == case]
    if not drawn:
        return nothing(f"No scores to draw: nothing was simulated in the case {case!r}.")
    title = "Known truth: who finds the edges?" if case == NONE else f"Known truth, {case.replace('_', ' ')}"
    note = (
        "AUROC over TFs x genes.  Dots: independent data sets.  Markers: their mean, with its 95 % interval over data "
        "sets.  Shaded: from the lowest to the highest mean of a gene-level null."
    )
    nulls = {place: of_nulls[place].values.mean(axis=0) for place in drawn}
    best = {place: of_nulls[place].methods[int(means.argmax())].replace("_", " ") for place, means in nulls.items()}
    with panels(len(drawn), title, note=note, width=4.6, right=room_for(best.values())) as (figure, axes):
        for ax, place in zip(axes, drawn, strict=True):
            block = known[place]
            ax.axhspan(nulls[place].min(), nulls[place].max(), color=QUIET, alpha=0.22, lw=0)
            ax.axhline(CHANCE, color=QUIET, ls=(0, (5, 3)), lw=1.2, zorder=1)
            for at, values in enumerate(block.values.T):
                _dots_and_mean(ax, at, values, at)
            _name_places(ax, block.methods)
            ax.set_title(place[0])
        axes[0].set_ylabel("AUROC")
        for ax, place in zip(axes, drawn, strict=True):
            top = float(nulls[place].max())
            ends = [End(top, best[place], QUIET, "highest null")]
            label_ends(ax, [*ends, End(CHANCE, "chance", QUIET)] if abs(top - CHANCE) > 0.02 else ends)
        return figure


def change_by_case(scores: pa.Table) -> Figure:
    """Draw what each adversarial case changes in the AUROC of every method, with intervals over data sets.

    Parameters
    ----------
    scores
        Rows of `SCORES`.
    """
    known = blocks(scores, "auroc")
    simulators = [place[0] for place in known if place[1] == NONE]
    cases = list(dict.fromkeys(case for _, case in known if case != NONE))
    if not cases:
        return nothing("No cases to compare: only data sets that mislead nobody were simulated.")
    methods = list(dict.fromkeys(name for place, block in known.items() if place[1] != NONE for name in block.methods))
    note = (
        "AUROC in the case minus AUROC without it: mean over data sets and its 95 % interval.  Feedback and hubs draw "
        "networks of their own; the other cases change counts of the same cells."
    )
    with panels(len(simulators), "What misleads", note=note, width=4.4, right=room_for(methods)) as (figure, axes):
        for ax, simulator in zip(axes, simulators, strict=True):
            ends: dict[str, End] = {"no change": End(0.0, "no change", QUIET)}
            for at, case in enumerate(cases):
                changes = _changes(known, simulator, case)
                for name, values in changes.items():
                    series = methods.index(name)
                    aside = at + 0.13 * (series - (len(methods) - 1) / 2)
                    mean = _mean_with_interval(ax, aside, values, series)
                    ends[name] = End(mean, name.replace("_", " "), colour_of(series))
            ax.axhline(0, color=QUIET, lw=1.4, zorder=1)
            _name_places(ax, cases)
            ax.set_title(simulator)
            label_ends(ax, list(ends.values()))
        axes[0].set_ylabel("change of AUROC", labelpad=0, fontsize=11)
        for ax in axes:
            ax.tick_params(axis="y", labelsize=9.5)
        return figure


def _changes(known: dict[tuple[str, str], SeedBlock], simulator: str, case: str) -> dict[str, np.ndarray]:
    """Differences of each method (n_seeds,) in one case; nothing where the simulator does not have it."""
    clean, block = known[simulator, NONE], known.get((simulator, case))
    shared = [name for name in block.methods if name in clean.methods] if block else []
    return {name: (block.of([name]) - clean.of([name]))[:, 0] for name in shared} if block else {}


def agreement(orderings: pa.Table, *, metric: str = "auroc") -> Figure:
    """Draw Kendall's tau of the orders of methods: simulators with each other (and their seeds), cases with none.

    Parameters
    ----------
    orderings
        Rows of `ORDERINGS`.
    metric
        What gives the order.
    """
    rows = [row for row in orderings.to_pylist() if row["metric"] == metric]
    simulators = list(dict.fromkeys(row["simulator"] for row in rows))
    cases = list(dict.fromkeys(row["case_other"] for row in rows if row["compared"] == "cases"))
    if not rows:
        return nothing("No orders to compare: fewer than two methods were scored.")
    index = {name: i for i, name in enumerate(simulators)}
    of_pairs = np.full((len(simulators), len(simulators)), np.nan)
    of_cases = np.full((len(simulators), len(cases)), np.nan)
    for row in rows:
        one, other = index[row["simulator"]], index[row["simulator_other"]]
        if row["compared"] == "cases":
            of_cases[one, cases.index(row["case_other"])] = row["tau"]
        elif row["case"] == NONE:
            of_pairs[one, other] = of_pairs[other, one] = row["tau"]
    note = (
        f"Kendall's tau of the methods' order by {metric.upper()}: 1 the same order, 0 as good as unrelated, -1 the "
        "opposite.  Left: between simulators; on the diagonal between data sets of one.  Right: a case against none."
    )
    heat_maps = [("simulators", simulators, of_pairs), ("cases", cases, of_cases)][: 2 if cases else 1]
    with panels(len(heat_maps), "One order?", note=note, width=4.2, right=0.9, share=False) as (figure, axes):
        for ax, (name, columns, taus) in zip(axes, heat_maps, strict=True):
            _heat_map(ax, taus, simulators, columns)
            ax.set_title(name)
        return figure


def _heat_map(ax: Axes, taus: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Shade and write each value; what was not compared stays empty."""
    ax.imshow(taus, cmap="RdBu", vmin=-1.4, vmax=1.4, aspect="auto")
    for (row, column), tau in np.ndenumerate(taus):
        if np.isfinite(tau):
            ax.text(column, row, f"{tau:.2f}", ha="center", va="center", fontsize=12)
    ax.grid(visible=False)
    ax.set_yticks(range(len(rows)), rows)
    _name_places(ax, columns)


def moments(masters: pa.Table) -> Figure:
    """Draw mean and variance of simulated master regulators over those of their stationary law.

    Parameters
    ----------
    masters
        Rows of `MASTERS`.
    """
    columns: dict[str, np.ndarray] = {name: masters[name].to_numpy() for name in masters.column_names}
    note = (
        f"Hill simulator, {int(columns['n_cells'][0]):,} cells, time step {columns['dt'][0]:g}.  "
        "Bars: two standard errors.  Shaded: what steps that stop at zero may take off the mean."
    )
    with panels(2, "Master regulators: simulated over expected", note=note, width=3.9, right=1.4) as (figure, axes):
        for ax, what in zip(axes, ("mean", "variance"), strict=True):
            expected = columns[f"{what}_expected"]
            if what == "mean":
                ax.fill_between(columns["rate"], 1 - columns["step_bias"] / expected, 1, color=QUIET, alpha=0.22, lw=0)
            ax.errorbar(
                columns["rate"], columns[what] / expected, 2 * columns[f"{what}_error"] / expected,
                fmt="o", color=colour_of(0), elinewidth=1.4,
            )  # fmt: skip
            ax.axhline(1, color=QUIET, lw=1.4, zorder=1)
            ax.set_xscale("log")
            ax.set_xticks([0.2, 1, 5, 20], ["0.2", "1", "5", "20"])
            ax.minorticks_off()
            ax.set_xlabel("production rate")
            ax.set_title(what)
        axes[0].set_ylabel("simulated / expected")
        label_ends(axes[-1], [End(1.0, "as expected", QUIET)])
        return figure


def _dots_and_mean(ax: Axes, at: float, values: np.ndarray, series: int) -> None:
    places = at + np.linspace(-SPREAD, SPREAD, len(values)) if len(values) > 1 else np.array([at])
    ax.plot(places, values, ".", color=colour_of(series), alpha=0.4, ms=6)
    _mean_with_interval(ax, at, values, series)


def _mean_with_interval(ax: Axes, at: float, values: np.ndarray, series: int) -> float:
    """Draw mean and interval of independent data sets and return the mean."""
    mean = Estimate.of_sample(values)
    limits = mean.interval(LEVEL)
    style: dict[str, Any] = {"color": colour_of(series), "zorder": 3}
    if np.isfinite(limits).all():
        ax.plot([at, at], limits, lw=1.8, **style)
    ax.plot(at, mean.value, MARKERS[series % len(MARKERS)], ms=7, **style)
    return mean.value


def _name_places(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=9.5)
    ax.set_xlim(-0.5, len(names) - 0.5)
