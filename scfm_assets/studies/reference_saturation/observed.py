"""The same question asked of stored scores: whether a catalog's curves would rise if its networks were more complete.

Edges of a reference network lose their labels, and the slope of AUROC against cells is estimated at every completeness,
with intervals over TFs. What hiding more of the edges does is carried on to those that the network does not have
(`answer_for_known_edges`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scfm_assets.core.evaluation import CONTENDER_FIELDS
from scfm_assets.core.statistics import Estimate
from scfm_assets.studies.reference_saturation.measured import COMPLETENESS
from scfm_assets.studies.reference_saturation.slopes import ESTIMATES, slopes_over_tfs
from scfm_assets.studies.reference_saturation.verdicts import answer_for_known_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scfm_assets.core.evaluation import Contender
    from scfm_assets.core.universes import Ground

FEWEST = 5
"""A completeness that leaves fewer labels than this is left out, as in the simulation."""
COMPARED = ("attention", "attention_max", "attention_rank_normalised", "pearson", "spearman")
"""Methods that are asked: others than these are nulls, do not change with cells, or are variants of one of them."""
DRAWS = 5
"""Draws of labels: the jackknife over TFs is made anew for each."""

OBSERVED = pa.schema(
    [
        *CONTENDER_FIELDS,
        pa.field("network", pa.string(), nullable=False),
        pa.field("network_version", pa.string(), nullable=False),
        pa.field("n_cells_least", pa.int32(), nullable=False),
        pa.field("n_cells_most", pa.int32(), nullable=False),
        pa.field("n_repeats", pa.int32(), nullable=False),
        *(field for field in ESTIMATES if not field.name.startswith("excess") and field.name != "predicted"),
        pa.field("answer", pa.string(), nullable=False),
    ]
)
"""One row of `ESTIMATES` of one curve of the catalog, mean of its repeats, and what the curve answers by AUROC."""

Name = tuple[str, str]


def observe(slices: Iterable[tuple[int, Sequence[Contender]]], grounds: Sequence[Ground]) -> pa.Table:
    """Hide edges of each network from the curves of each method.

    Parameters
    ----------
    slices
        n_cells and the methods of its slice; taken one after the other, so that one is held at a time.
    grounds
        Pairs to rank: one universe of each network.

    Returns
    -------
    Rows in `OBSERVED`, of methods and repeats that at least two numbers of cells have. Repeats are merged: means of
    values and of errors, which no dependence between repeats makes too small.
    """
    curves: dict[Name, dict[int, dict[int, list[np.ndarray]]]] = defaultdict(lambda: defaultdict(dict))
    known: dict[Name, Contender] = {}
    for n_cells, found in slices if grounds else ():
        for own in found:
            if own.method in COMPARED:
                name = own.source.model, own.method
                known[name] = own
                for repeat in own.keys:
                    matrix = own.matrix(repeat)
                    curves[name][repeat][n_cells] = [matrix[ground.universe.tfs] for ground in grounds]
    rows = []
    for name, of_repeats in curves.items():
        whole = {repeat: of_n for repeat, of_n in of_repeats.items() if len(of_n) > 1}
        for place, ground in enumerate(grounds):
            told = [
                _estimates({n: scores[place] for n, scores in of_n.items()}, ground, repeat)
                for repeat, of_n in sorted(whole.items())
            ]
            if told:
                counts = sorted(n for of_n in whole.values() for n in of_n)
                head = {"n_cells_least": counts[0], "n_cells_most": counts[-1], "n_repeats": len(told)}
                rows += [{**known[name].names, **ground.names, **head, **row} for row in answered(merged(told))]
    return pa.Table.from_pylist([{field: row[field] for field in OBSERVED.names} for row in rows], schema=OBSERVED)


def _estimates(scores_of_n: Mapping[int, np.ndarray], ground: Ground, repeat: int) -> list[dict[str, Any]]:
    rows = ground.universe.tfs
    edges, candidates = ground.universe.positive[rows], ground.universe.candidate[rows]
    shares = [share for share in COMPLETENESS if share == 1 or share * ground.pairs.n_pos >= FEWEST]
    how: dict[str, Any] = {"completeness": shares, "seed": repeat, "draws": DRAWS}
    return slopes_over_tfs(scores_of_n, edges, candidates, **how).to_pylist()


def merged(of_repeats: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Merge the estimates of several repeats, row by row: means of values and of errors, the units of the fewest."""
    rows = []
    for own in zip(*of_repeats, strict=True):
        value, error = (np.mean([np.nan if row[of] is None else row[of] for row in own]) for of in ("value", "error"))
        estimate = Estimate(float(value), float(error), min(row["units"] for row in own))
        lo, hi = estimate.interval()
        told = {"value": estimate.value, "error": estimate.error, "lo": lo, "hi": hi, "p": estimate.p()}
        numbers = {of: number if np.isfinite(number) else None for of, number in told.items()}
        rows.append({**own[0], **numbers, "units": estimate.units})
    return rows


def answered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the answer of each hiding, by AUROC; where there is one completeness only, nothing is known of others."""
    found: dict[str, str] = {}
    for hiding in dict.fromkeys(row["hiding"] for row in rows):
        own = [row for row in rows if row["hiding"] == hiding and row["metric"] == "auroc"]
        known = any(row["term"] == "interaction" for row in own)
        found[hiding] = answer_for_known_edges(own) if known else "underpowered"
    return [{**row, "answer": found[row["hiding"]]} for row in rows]


def counted(observed: pa.Table) -> str:
    """Say in a sentence what the curves of the catalog answer; nothing without any."""
    one = {
        (*(row[of] for of in ("tissue", "model", "method", "network", "hiding")),): row["answer"]
        for row in observed.to_pylist()
    }
    if not one:
        return ""
    counts = Counter(one.values())
    words = {
        "no failure": "rise with the labels that there are",
        "no": "do not rise, and missing labels cannot be why",
        "yes": "do not rise, and missing labels may be why",
        "underpowered": "do not say",
    }
    said = ", ".join(f"{counts[answer]} {doing}" for answer, doing in words.items() if counts[answer])
    return f"Of {len(one)} curves of this catalog (each read with labels hidden at random and by degree), {said}."
