"""Random weights are the yardstick: where a method ranks with them, it does not rank by what a model has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scfm_assets.core.words import MARGINS, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Rows = Sequence[Mapping[str, Any]]

CHANCE = 0.5
"""AUROC of a method that knows nothing."""
EXPLAINS = 0.1
"""Correlation (absolute) from which on a null is named: what correlates less with the scores explains none of them."""

Verdict = Literal["confounded", "clean", "unknown"]


def confounding(of_method: Rows, methods: Iterable[Rows]) -> dict[str, Any]:
    """Say what random weights of the same architecture score; of several controls, the one farthest from chance.

    Its limits are the wider ones of TFs and cells: that random weights happen to favour the edges at hand is no
    knowledge either, and only other TFs tell.

    Parameters
    ----------
    of_method
        Rows of the table `method_comparison` of one method, on one universe of one network, by one metric.
    methods
        The same of each method there, its controls among them.

    Returns
    -------
    Columns of the table `method_verdicts`: ``control`` and its ``value_random``, ``random_lo``, ``random_hi``;
    ``confounding``, see `verdict_of`; and ``explained_by``, the null whose scores correlate best with the control's,
    whichever sign, None where none reaches `EXPLAINS`. Nothing for other metrics than AUROC, or without a control.
    """
    if of_method[0]["metric"] != "auroc":
        return {}
    controls = {row["reference_model"] for row in of_method if row["reference_role"] == "random"}
    of_controls = [
        rows
        for rows in methods
        if rows[0]["model"] in controls and all(rows[0][name] == of_method[0][name] for name in ("method", "layer"))
    ]
    if of_method[0]["role"] == "random":
        of_controls.append(of_method)
    if not of_controls:
        return {}
    rows = max(of_controls, key=lambda rows: abs(rows[0]["value"] - CHANCE))
    ends = [np.nan if row[name] is None else row[name] for row in rows for name in ("value_lo", "value_hi")]
    low, high = float(np.min(ends)), float(np.max(ends))
    alike = {row["reference"]: row["correlation"] or 0.0 for row in rows if row["reference_role"] == "null"}
    null = max(alike, key=lambda name: abs(alike[name]), default=None)
    return {
        "control": rows[0]["model"],
        "value_random": rows[0]["value"],
        "random_lo": low if np.isfinite(low) else None,
        "random_hi": high if np.isfinite(high) else None,
        "confounding": verdict_of(low, high),
        "explained_by": null if null is not None and abs(alike[null]) >= EXPLAINS else None,
    }


def verdict_of(low: float, high: float) -> Verdict:
    """Say whether random weights score away from chance.

    ``confounded``: the interval of their AUROC excludes it. ``clean``: it is at chance. ``unknown``: the interval is
    too wide to say either, or there is none.
    """
    if not np.isfinite([low, high]).all():
        return "unknown"
    place = place_of(low, high, CHANCE, MARGINS["auroc"])
    return "clean" if place == "at" else "unknown" if place == "not told apart" else "confounded"
