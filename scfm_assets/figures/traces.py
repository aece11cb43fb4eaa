"""What the figures draw: series of metrics over n_cells or layers, taken out of the tables."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scfm_assets.core.curves import FORMS
from scfm_assets.figures.style import MARKERS, colour_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

INTERVAL_KINDS = ("network", "tfs", "pairs", "donors", "cells")
"""Which interval is drawn where there are several, the first choice first."""
Line = tuple[np.ndarray, np.ndarray]
FORM_OF = {form.name: form for form in FORMS}


@dataclass(frozen=True)
class Trace:
    """One series over an axis x: every repeat, their mean, and the mean limits of their intervals."""

    dots: np.ndarray
    """(x, value) of every repeat, shape (dots, 2)."""
    x: np.ndarray
    mean: np.ndarray
    lo: np.ndarray
    """Not a number where a point has no interval."""
    hi: np.ndarray


def rows_of(table: pa.Table, **equal: Any) -> list[dict[str, Any]]:
    """Take the rows in which every named column equals its value; None asks for null."""
    for name, value in equal.items():
        column = pc.field(name)
        if value is None:
            table = table.filter(column.is_null())
        else:  # the cast undoes dictionary encoding
            table = table.filter((column.cast(pa.string()) if isinstance(value, str) else column) == value)
    return table.to_pylist()


def trace_of(rows: Sequence[Mapping[str, Any]], x: str, y: str = "value") -> Trace | None:
    """Gather the rows of one series; None if none of its values is defined.

    Rows that differ in the kind of interval alone are one value; the one drawn is over the network where there is one.
    """
    values: dict[float, dict[int, float]] = {}
    limits: dict[float, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        if row[y] is None or not np.isfinite(row[y]):
            continue
        values.setdefault(row[x], {})[row["repeat"]] = row[y]
        if row["lo"] is not None and row["hi"] is not None:
            limits.setdefault(row[x], {}).setdefault(row["interval"], []).append((row["lo"], row["hi"]))
    if not values:
        return None
    at = sorted(values)
    chosen = [next((limits[n][k] for k in INTERVAL_KINDS if k in limits.get(n, {})), [(np.nan, np.nan)]) for n in at]
    bars = np.array([np.mean(pairs, axis=0) for pairs in chosen])
    return Trace(
        dots=np.array([(n, value) for n in at for value in values[n].values()], float),
        x=np.array(at, float),
        mean=np.array([np.mean(list(values[n].values())) for n in at]),
        lo=bars[:, 0],
        hi=bars[:, 1],
    )


def traces_of(rows: Iterable[Mapping[str, Any]], x: str, *key: str, y: str = "value") -> dict[tuple[str, ...], Trace]:
    """Traces by key, in the order of their first row; series without a defined value are left out."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in key), []).append(row)
    traces = {name: trace_of(group, x, y) for name, group in groups.items()}
    return {name: trace for name, trace in traces.items() if trace is not None}


def aside(trace: Trace, step: float) -> Trace:
    """Shift a trace along x, so that it does not lie on another."""
    return replace(trace, x=trace.x + step, dots=trace.dots + np.array([step, 0.0]))


def draw(axes: Axes, trace: Trace, place: int, *, line: Line | None = None, faint: bool = False) -> None:
    """Draw a trace in the colour and marker of its place.

    Parameters
    ----------
    line
        The curve through it; None joins the means.
    faint
        Dotted and hollow: the lesser of two.
    """
    colour, marker = colour_of(place), MARKERS[place % len(MARKERS)]
    x, y = line or (trace.x, trace.mean)
    axes.plot(x, y, color=colour, ls=(0, (1, 1.4)) if faint else "-", lw=1.6 if faint else 2.2, zorder=3)
    axes.vlines(trace.x, trace.lo, trace.hi, color=colour, lw=1.4, alpha=0.2 if faint else 0.45, zorder=2)
    axes.plot(*trace.dots.T, ".", color=colour, ms=6, alpha=0.5, mew=0, zorder=3)
    face = "white" if faint else colour
    axes.plot(
        trace.x, trace.mean, marker, color=colour, mfc=face, ms=6.5, mec=colour if faint else "white", mew=1, zorder=4
    )


def fitted_line(fit: Mapping[str, Any] | None, x: np.ndarray) -> Line | None:
    """Evaluate a row of `scaling_curves` over the range of x."""
    if fit is None:
        return None
    parameters = {name: estimate["value"] for name, estimate in json.loads(fit["parameters"]).items()}
    over = np.geomspace(x.min(), x.max(), 100)
    return over, FORM_OF[fit["form"]].function(over, **parameters)


def form_name(name: str) -> str:
    """Write the name of a form as people do."""
    return {"michaelis_menten": "Michaelis-Menten"}.get(name, name.replace("_", " "))


def shown_form(fits: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Choose the row of `scaling_curves` whose line is drawn: of the forms that are not refuted the likeliest.

    None where forms are not ranked, or none of them is identified.
    """
    known = [fit for fit in fits if fit["verdict"] in ("best", "indistinguishable") and fit["weight"] is not None]
    return max(known, key=lambda fit: fit["weight"], default=None)


def said_of(fits: Sequence[Mapping[str, Any]]) -> str:
    """Say the rows of `scaling_curves` of one curve in a few words."""
    if not fits:
        return ""
    curve, shown = fits[0], shown_form(fits)
    if curve["is_flat"]:
        return "flat"
    if any(fit["verdict"] == "too_few_points" for fit in fits):
        return "too few points"
    if shown is None:
        return "no form identified"
    name = form_name(shown["form"]).replace("exponential", "exp.").replace("saturation", "sat.")
    text = name if shown["verdict"] == "best" else "form undecided"
    lo, hi = curve["curve_asymptote_lo"], curve["curve_asymptote_hi"]
    return text if lo is None else f"{text} → {lo:.3f} to {hi:.3f}"


def richest_network(metrics: pa.Table, tissue: str) -> str | None:
    """Name the network with the most positives in a tissue; None if it has none."""
    most: Counter[str] = Counter()
    for row in rows_of(metrics.select(["tissue", "network", "n_pos"]), tissue=tissue):
        if row["network"] is not None:
            most[row["network"]] = max(most[row["network"]], row["n_pos"] or 0)
    return most.most_common(1)[0][0] if most else None
