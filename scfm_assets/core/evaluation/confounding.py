"""Random weights are the yardstick: where a method ranks with them, it does not rank by what a model has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.words import confounding_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Rows = Sequence[Mapping[str, Any]]

CHANCE = 0.5
"""AUROC of a method that knows nothing."""
EXPLAINS = 0.1
"""Correlation (absolute) from which on a null is named: what correlates less with the scores explains none of them."""


def confounding(of_method: Rows, methods: Iterable[Rows]) -> dict[str, Any]:
    """Say what random weights of the same architecture score; of several controls, the one farthest from chance.

    Its limits are the wider ones of network and cells or donors: that random weights happen to favour the edges at
    hand is no knowledge either, and only other TFs and targets tell.

    Parameters
    ----------
    of_method
        Rows of the table `method_comparison` of one method, on one universe of one network, by one metric.
    methods
        The same of each method there, its controls among them.

    Returns
    -------
    Columns of the table `method_verdicts`: ``control`` and its ``value_random``, ``random_lo``, ``random_hi``;
    ``confounding``, see `confounding_of`; and ``explained_by``, the null whose scores correlate most with the
    control's, whichever sign, None where none reaches `EXPLAINS`. Nothing for other metrics than AUROC, or without a
    control.
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
        "confounding": confounding_of(low, high),
        "explained_by": null if null is not None and abs(alike[null]) >= EXPLAINS else None,
    }
