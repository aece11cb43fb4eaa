"""What a comparison of methods says of each method: the rows of the table `method_verdicts`, and its hypotheses.

A method beats the nulls if it is better than each of the gene-level nulls (one statistic of either end or of both, the
model of all of them that was fitted to other genes, how popular targets are in other networks, even attention), over
the network (TFs and targets) and over cells, or donors where the atlas names enough of them, and than its values on
networks with the same degrees. All of these comparisons have to exclude chance, so that the largest of their p values
is one of the whole claim (Berger 1982, Technometrics 24, intersection-union test): no null is chosen on the data. The
power of the claim is that of all of them at once.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.evaluation.confounding import confounding
from scfm_assets.core.metrics import COMMON, TF_GRID
from scfm_assets.core.scores import MODEL
from scfm_assets.core.statistics import Test, power_of_difference, smallest_difference
from scfm_assets.core.words import (
    BEATS,
    DOES_NOT_BEAT,
    MARGINS,
    UNDERPOWERED,
    WORSE,
    against_nulls,
)
from scfm_assets.tables.columns import STAMPED
from scfm_assets.tables.methods import METHOD_VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    Rows = Sequence[Mapping[str, Any]]


METRICS = ("auroc", "auprc_ratio")
"""Metrics that are judged; for the others the table `method_comparison` has the differences."""
SMALLEST = {metric: MARGINS[metric] for metric in METRICS}
"""Smallest effect that matters by each of them."""
UNIVERSES = (COMMON, TF_GRID.name)
"""Where the hypotheses of a study stand, the first that there is: the pairs that all methods can score, which are those
of the TF grid where all see every gene. The matched universe says why."""
STUDY = "methods"

OF_SEVERAL = {
    BEATS: "beat the nulls",
    DOES_NOT_BEAT: "do not beat the nulls",
    WORSE: "are worse than a null",
    UNDERPOWERED: "are underpowered",
}
"""Verdicts in words, of several methods."""
NULL = "null"

OF_SLICE = ("tissue", "n_cells", "simulated")
OF_METHOD = ("model", "checkpoint", "method", "layer", "direction", "role")
OF_GROUND = ("network", "network_version", "universe", "metric")
OF_NULLS = ("highest_null", "highest_null_value", "p", "decided_by", "effect", "units", "power", "mde")
OF_DEGREES = ("p_degrees", "mean_degrees", "spread_degrees")
OF_CONTROL = ("control", "value_random", "random_lo", "random_hi", "confounding", "explained_by")


def verdicts(comparison: pa.Table, *, level: float = 0.95) -> pa.Table:
    """Judge every method of a slice, or of each of several.

    The verdict of a method is that of `against_nulls`: ``beats the nulls``, if it is better than each of them with
    every kind of interval, and than networks with the same degrees; ``worse than a null``, if it is worse than some
    null with every kind, at an alpha divided by twice the number of nulls, as any of them would do, and each is read
    the way round that ranks better; ``underpowered``, if the power to see a method that is `SMALLEST` above the highest
    null do all of that is below 0.8, or not known; else ``does not beat the nulls``.

    Parameters
    ----------
    comparison
        Rows of the table `method_comparison`.
    level
        Confidence of its intervals.

    Returns
    -------
    Rows of `method_verdicts`, with the columns of `OF_SLICE` that `comparison` has.
    """
    rows = [row for row in comparison.to_pylist() if row["metric"] in METRICS]
    together, judged = (*(name for name in OF_SLICE if name in comparison.column_names), *OF_GROUND), []
    for ground, of_ground in _grouped(rows, together).items():
        of_methods = _grouped(of_ground, OF_METHOD)
        for method, compared in of_methods.items():
            names = dict(zip(together + OF_METHOD, ground + method, strict=True))
            numbers = {**_values(compared), **_judged(compared, 1 - level)}
            of_control = dict.fromkeys(OF_CONTROL) | confounding(compared, of_methods.values())
            judged.append({**names, **numbers, **of_control})
    return METHOD_VERDICTS.rows(judged, stamped=[name for name in STAMPED if name not in together])


def rows_judged(table: pa.Table) -> list[dict[str, Any]]:
    """Take the AUROC rows of the universe in which methods are judged: the first of `UNIVERSES` that a slice has."""
    rows = [row for row in table.to_pylist() if row["universe"] in UNIVERSES and row["metric"] == "auroc"]
    slices = ("tissue", "n_cells", "network", "network_version")
    place = lambda row: tuple(row.get(name) for name in slices)  # noqa: E731
    first: dict[tuple[Any, ...], int] = {}
    for row in rows:
        here = UNIVERSES.index(row["universe"])
        first[place(row)] = min(here, first.get(place(row), here))
    return [row for row in rows if UNIVERSES.index(row["universe"]) == first[place(row)]]


def hypotheses(table: pa.Table) -> list[Test]:
    """Hypotheses of rows of `method_verdicts`: of each method and network, at the largest n_cells.

    One says that a method ranks the edges of a network better than every gene-level null, by AUROC over `UNIVERSES`;
    the other that it does so better than on networks with the same degrees, which is tested of nulls too, as their p
    values are what the others' are worth.

    Parameters
    ----------
    table
        Rows of `method_verdicts` of any slices: what `verdicts` makes of the stored rows of `method_comparison`.
    """
    rows = rows_judged(table)
    largest = {row["tissue"]: max(r["n_cells"] for r in rows if r["tissue"] == row["tissue"]) for row in rows}
    rows = [row for row in rows if row["n_cells"] == largest[row["tissue"]]]
    return [
        *(_beats_nulls(row) for row in rows if row["verdict"] != NULL),
        *(_beyond_degrees(row) for row in rows if row["p_degrees"] is not None),
    ]


def _beats_nulls(row: Mapping[str, Any]) -> Test:
    kind = row["rests_on"].split(", ")[0]
    return Test(
        study=STUDY,
        family=f"beats_nulls_{row['tissue']}",
        hypothesis=f"{name_of(row)} ranks the edges of {row['network']} better than every gene-level null",
        statistic="AUROC - AUROC of the highest null",
        value=row["value"] - row["highest_null_value"],
        n=row["units"],
        effect_of=f"smallest Cohen's d of the differences to the nulls, over {kind}",
        **{name: _or_nan(row[name]) for name in ("p", "effect", "power", "mde")},
    )


def _beyond_degrees(row: Mapping[str, Any]) -> Test:
    spread, smallest = row["spread_degrees"], MARGINS["auroc"].size
    return Test(
        study=STUDY,
        family=f"beyond_degrees_{row['tissue']}",
        hypothesis=f"{name_of(row)} ranks the edges of {row['network']} better than those of networks with its degrees",
        statistic="AUROC; labels permuted within TFs and targets",
        value=row["value"],
        p=row["p_degrees"],
        effect=(row["value"] - row["mean_degrees"]) / spread if spread > 0 else 0.0,
        effect_of="standard deviations of the permuted values",
        power=power_of_difference(smallest, spread, sided="greater"),
        mde=smallest_difference(spread, sided="greater"),
    )


def random_beats_no_null(table: pa.Table) -> tuple[bool, str]:
    """Say whether a method with random weights beats the nulls, by AUROC over `UNIVERSES`: a warning, if it does."""
    rows = rows_judged(table)
    random = [row for row in rows if row["role"] == "random"]
    beating = [f"{name_of(row)} on {row['network']}" for row in random if row["verdict"] == BEATS]
    message = f"of {len(random)} rankings by random weights, {len(beating)} beat the nulls"
    return not beating, f"{message}: {'; '.join(beating)}" if beating else message


def counted(table: pa.Table) -> dict[str, str]:
    """Say for each network how many methods got which verdict, by AUROC over `UNIVERSES`; and which beat the nulls."""
    rows, messages = rows_judged(table), {}
    for name in dict.fromkeys(row["network"] for row in rows):
        judged = [row for row in rows if row["network"] == name and row["verdict"] != NULL]
        times = Counter(row["verdict"] for row in judged)
        words = [f"{times[verdict]} {phrase}" for verdict, phrase in OF_SEVERAL.items() if times[verdict]]
        best = [name_of(row) for row in judged if row["verdict"] == BEATS]
        named = f"; the nulls are beaten by {', '.join(best)}" if best else ""
        messages[name] = f"of {len(judged)} methods {', '.join(words)}{named}"
    return messages


def name_of(row: Mapping[str, Any]) -> str:
    """Name a method as people do: ``pearson``, ``attention of planted, layer 3``."""
    method = row["method"].replace("_", " ")
    if row["role"] == "baseline" or (row["role"] == "null" and row["model"] == MODEL):
        return method
    return f"{method} of {row['model']}" + (f", layer {row['layer']}" if row["layer"] is not None else "")


def _grouped(rows: Rows, names: tuple[str, ...]) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def _values(rows: Rows) -> dict[str, Any]:
    """Take the value of a method and its limits, which stand in each of its rows."""
    same = {name: rows[0][name] for name in ("value", "n_pos", "n_neg", "n_repeats", "pair_share")}
    of_kind = {row["interval"]: row for row in rows}
    over_cells = of_kind.get("donors") or of_kind.get("cells") or {}
    limits = {"network": of_kind.get("network", {}), "cells": over_cells}
    return same | {f"{name}_{end}": row.get(f"value_{end}") for name, row in limits.items() for end in ("lo", "hi")}


def _rests_on(rows: Rows) -> str:
    """Name the kinds of intervals of a method, and whether those over cells speak of these donors alone."""
    few = any(row["donors"] is not None and row["interval"] == "cells" for row in rows)
    kinds = ", ".join(dict.fromkeys(row["interval"] for row in rows))
    return f"{kinds} of these donors" if few else kinds


def _judged(compared: Rows, alpha: float) -> dict[str, Any]:
    """Say whether a method beats the nulls, and with what power."""
    against = [row for row in compared if row["reference_role"] == "null"]
    judged: dict[str, Any] = {"rests_on": _rests_on(compared)}
    judged |= {name: compared[0][name] for name in OF_DEGREES}
    if compared[0]["role"] == "null":
        return judged | dict.fromkeys(OF_NULLS) | {"verdict": NULL}
    best = max(against, key=lambda row: row["value_reference"])
    judged |= {"highest_null": best["reference"], "highest_null_value": best["value_reference"]}
    p = {f"{_null_of(row)}, {row['interval']}": _directed(row) for row in against}
    p["degrees"] = np.inf if (of_degrees := compared[0]["p_degrees"]) is None else of_degrees
    decisive = max(p, key=lambda name: p[name])
    of_first_kind = [row for row in against if row["interval"] == against[0]["interval"]]
    smallest = min(of_first_kind, key=lambda row: _or_nan(row["effect"]))
    of_nulls = list(_grouped(against, ("reference_model", "reference")).values())
    return judged | {
        "p": p[decisive] if np.isfinite(p[decisive]) else np.nan,  # it could not be tested
        "decided_by": decisive,
        "effect": smallest["effect"],
        "units": smallest["units"],
        "power": compared[0]["power"],
        "mde": compared[0]["mde"],
        "verdict": against_nulls(
            [row["verdict"] for row in against],
            worse=any(_is_worse(rows, alpha / (2 * len(of_nulls))) for rows in of_nulls),
            p_degrees=of_degrees,
            power=None if np.isinf(p[decisive]) else compared[0]["power"],
            alpha=alpha,
        ),
    }


def _null_of(row: Mapping[str, Any]) -> str:
    """Name a null; those that are made of a model's tokens bear its name."""
    return row["reference"] if row["reference_model"] == MODEL else f"{row['reference']} of {row['reference_model']}"


def _is_worse(rows: Rows, alpha: float) -> bool:
    """Say whether a method is worse than one null by every kind of interval."""
    return all(row["verdict"] == "worse" and row["p"] is not None and row["p"] <= alpha for row in rows)


def _directed(row: Mapping[str, Any]) -> float:
    """P value of being better: two-sided where the method is above the reference, else 1; infinite if not testable."""
    if row["difference"] is not None and row["difference"] <= 0:
        return 1.0
    return np.inf if row["p"] is None else row["p"]


def _or_nan(number: float | None) -> float:
    return np.nan if number is None else number
