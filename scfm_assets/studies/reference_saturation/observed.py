"""The same question asked of stored scores: whether a catalog's curves would rise if its networks were more complete.

Edges of a reference network lose their labels, and the slope of AUROC against cells is estimated at every completeness,
with intervals over TFs. What hiding more of the edges does is carried on to those that the network does not have
(`answer_for_known_edges`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.statistics import Estimate
from scfm_assets.core.universes import grounds_of
from scfm_assets.studies.reference_saturation.measured import COMPLETENESS
from scfm_assets.studies.reference_saturation.slopes import columns_of, slopes_over_tfs
from scfm_assets.studies.reference_saturation.tables import OBSERVED
from scfm_assets.studies.reference_saturation.verdicts import answer_for_known_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation import Contender
    from scfm_assets.core.universes import Ground, TissueUniverses
    from scfm_assets.studies.reference_saturation.settings import Settings

FEWEST = 5
"""A completeness that leaves fewer labels than this is left out, as in the simulation."""
COMPARED = ("attention", "attention_max", "attention_rank_normalised", "pearson", "spearman")
"""Methods that are asked: others than these are nulls, do not change with cells, or are variants of one of them."""
DRAWS = 5
"""Draws of labels: the jackknife over TFs is made anew for each."""

Name = tuple[str, str]


def observe(_: Settings, slices: Iterable[tuple[int, Sequence[Contender]]], universes: TissueUniverses) -> pa.Table:
    """Rows of `OBSERVED` of one tissue: the contenders of its slices, over the TF grid of each network."""
    return OBSERVED.rows(hide_from(slices, grounds_of(universes, "tf_grid")))


def hide_from(slices: Iterable[tuple[int, Sequence[Contender]]], grounds: Sequence[Ground]) -> list[dict[str, Any]]:
    """Hide edges of each network from the curves of each method.

    Parameters
    ----------
    slices
        n_cells and the methods of its slice; taken one after the other, so that one is held at a time.
    grounds
        Pairs to rank: one universe of each network.

    Returns
    -------
    Rows of `OBSERVED`, of methods and repeats that at least two numbers of cells have. Repeats are merged: means of
    values and of errors, which no dependence between repeats makes too small.
    """
    curves: dict[Name, dict[int, dict[int, list[np.ndarray]]]] = defaultdict(lambda: defaultdict(dict))
    known: dict[Name, Contender] = {}
    for n_cells, contenders in slices if grounds else ():
        for contender in contenders:
            if contender.method in COMPARED:
                name = contender.source.model, contender.method
                known[name] = contender
                for repeat in contender.keys:
                    matrix = contender.matrix(repeat)
                    curves[name][repeat][n_cells] = [matrix[ground.universe.tfs] for ground in grounds]
    rows = []
    for name, of_repeats in curves.items():
        complete = {repeat: of_n for repeat, of_n in of_repeats.items() if len(of_n) > 1}
        for place, ground in enumerate(grounds):
            estimates = [
                _estimates({n: scores[place] for n, scores in of_n.items()}, ground, repeat)
                for repeat, of_n in sorted(complete.items())
            ]
            if estimates:
                counts = sorted(n for of_n in complete.values() for n in of_n)
                head = {"n_cells_least": counts[0], "n_cells_most": counts[-1], "n_repeats": len(estimates)}
                rows += [{**known[name].names, **ground.names, **head, **row} for row in answered(merged(estimates))]
    columns = [column.name for column in OBSERVED.columns if column.name != "tissue"]
    return [{name: row[name] for name in columns} for row in rows]


def _estimates(scores_of_n: Mapping[int, np.ndarray], ground: Ground, repeat: int) -> list[dict[str, Any]]:
    rows = ground.universe.tfs
    edges, candidates = ground.universe.positive[rows], ground.universe.candidate[rows]
    shares = [share for share in COMPLETENESS if share == 1 or share * ground.pairs.n_pos >= FEWEST]
    how: dict[str, Any] = {"completeness": shares, "seed": repeat, "draws": DRAWS}
    return slopes_over_tfs(scores_of_n, edges, candidates, **how)


def merged(of_repeats: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Merge the estimates of several repeats, row by row: means of values and of errors, the units of the fewest."""
    rows = []
    for repeats in zip(*of_repeats, strict=True):
        value, error = (
            np.mean([np.nan if row[of] is None else row[of] for row in repeats]) for of in ("value", "error")
        )
        estimate = Estimate(float(value), float(error), min(row["units"] for row in repeats))
        rows.append({**repeats[0], **columns_of(estimate), "units": estimate.units})
    return rows


def answered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the answer of each hiding, by AUROC; where there is one completeness only, nothing is known of others."""
    answers: dict[str, str] = {}
    for hiding in dict.fromkeys(row["hiding"] for row in rows):
        auroc_rows = [row for row in rows if row["hiding"] == hiding and row["metric"] == "auroc"]
        known = any(row["term"] == "interaction" for row in auroc_rows)
        answers[hiding] = answer_for_known_edges(auroc_rows) if known else "underpowered"
    return [{**row, "answer": answers[row["hiding"]]} for row in rows]
