"""The parts of the report that turn rows into cards and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.curves import FORMS, is_flat
from scfm_assets.core.scores import MODEL
from scfm_assets.figures.traces import form_name, rows_of
from scfm_assets.report.headline import AT_CHANCE, CLOSE_TO_CEILING, UNIVERSE, Score, picked
from scfm_assets.report.html import Html, Text, element, limits, mark, number, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

READING = (
    "Every method scores all pairs of a TF and a gene. AUROC says how well its scores put the edges of a reference "
    "network before the other pairs: 1 is all edges first, 0.5 is chance. Curves show how it grows with the cells."
)
ROLES_EXPLAINED = (
    "Planted control: a model whose attention was built from the network. It must come close to its ceiling.",
    "Random control: a model with random weights. Whatever it scores was not learned.",
    "Null: knows single genes, no pairs. A model that is not above the best null shows no knowledge of edges.",
    "Correlation: what the same cells say without any model.",
)
ENDS = {"tf_queries": "query", "tf_keys": "key"}
KINDS = {"best": "good", "indistinguishable": "good", "degenerate": "open", "too_few_points": "open"}
FORM_OF = {form.name: form for form in FORMS}


def _verdict(row: Mapping[str, Any]) -> Html:
    if row["verdict"] == "best" and is_flat(row["r2"], row["n_points"], FORM_OF[row["form"]]):
        return mark("best, but flat", "open")
    return mark(row["verdict"].replace("_", " "), KINDS.get(row["verdict"], "plain"))


SCORE_COLUMNS: dict[str, Callable[[Score], Text]] = {
    "scored by": lambda s: s.name,
    "layer": lambda s: s.layer,
    "TF is": lambda s: ENDS.get(s.direction),
    "AUROC": lambda s: number(s.value),
    "95 %": lambda s: limits(s.lo, s.hi),
    "ceiling": lambda s: number(s.ceiling),
    "verdict": lambda s: mark(s.verdict, s.kind),
    "AUPRC": lambda s: number(s.others.get("auprc")),
    "over base rate": lambda s: number(s.others.get("auprc_ratio"), 2),
    "EPR": lambda s: number(s.others.get("epr"), 2),
    "pairs seen": lambda s: number(s.pair_coverage),
    "positives seen": lambda s: number(s.positive_coverage),
    "positives": lambda s: s.n_pos,
    "base rate": lambda s: number(s.base_rate, 4),
}
PLACE_COLUMNS: dict[str, Callable[[Score], Text]] = {
    "network": lambda s: s.network,
    "universe": lambda s: s.universe,
}
FIT_COLUMNS: dict[str, Callable[[Mapping[str, Any]], Text]] = {
    "scored by": lambda r: r["method"] if r["layer"] is None else f"{r['model']}, {r['method'].replace('_', ' ')}",
    "form": lambda r: element("span", form_name(r["form"]), title=r["formula"]),
    "R²": lambda r: number(r["r2"]),
    "AICc": lambda r: number(r["aicc"], 1),
    "weight": lambda r: number(r["weight"]),
    "LOO RMSE": lambda r: number(r["loo_rmse"], 4),
    "asymptote": lambda r: number(r["asymptote"]),
    "95 %": lambda r: limits(r["asymptote_lo"], r["asymptote_hi"]),
    "ceiling": lambda r: number(r["ceiling"]),
    "n*": lambda r: number(r["characteristic_n"], 0),
    "verdict": _verdict,
}
FITS_EXPLAINED = (
    "Fitted to means over repeats with equal weights. Indistinguishable: AICc within 2 of the best. Flat: a constant "
    "does as well. Degenerate: the points leave the form's parameters open; a power law with an exponent near 0 is the "
    "logarithmic curve. n*: cells at 63 % of the rise (exponential) or at half of it (Michaelis-Menten)."
)
NO_CURVES = "No curve: there are fewer than four cell counts, or the catalog fixes no layer."


def cards(scores: Sequence[Score]) -> Html:
    """Show what was planted, what knows nothing, what was asked, and what expression alone gives."""
    return element("div", *(_card(title, score) for title, score in picked(scores)), class_="cards")


def glance(scores_of: Mapping[str, Sequence[Score]], anchor: Callable[[str], str]) -> Html:
    """Show the numbers of the cards of all tissues, one line each."""
    cells: dict[str, dict[str, Html]] = {tissue: {} for tissue in scores_of}
    for tissue, scores in scores_of.items():
        for title, score in picked(scores):
            best = score.role in ("baseline", "null")
            aside = score.name if best else f"of {number(score.ceiling)}" if score.ceiling else ""
            shown = element("span", mark(number(score.value) or "", score.kind), " ", aside, title=score.verdict)
            cells[tissue].setdefault(title if best else score.model, shown)
    columns = list(dict.fromkeys(name for own in cells.values() for name in own))
    nothing = {columns[0]: element("span", "no metrics", class_="quiet")} if columns else {}
    rows = [
        [element("a", tissue, href=f"#{anchor(tissue)}"), *((own or nothing).get(name) for name in columns)]
        for tissue, own in cells.items()
    ]
    return element(
        "section", element("h2", "At a glance: AUROC at the largest n_cells"), table(["tissue", *columns], rows)
    )


def _card(title: str, score: Score) -> Html:
    facts = [limits(score.lo, score.hi), score.ceiling and f"ceiling {number(score.ceiling)}"]
    return element(
        "div",
        element("span", title, class_="small"),
        element("b", number(score.value), element("i", " AUROC")),
        element("span", score.name, class_="name"),
        element("span", ", ".join(fact for fact in facts if fact), class_="small"),
        mark(score.verdict, score.kind),
        class_="card",
    )


def score_table(scores: Sequence[Score], *, places: bool = False) -> Html:
    """Show scores with their intervals, positives, base rate and coverage; `places`: also network and universe."""
    columns = (PLACE_COLUMNS if places else {}) | SCORE_COLUMNS
    return table(list(columns), [[show(score) for show in columns.values()] for score in scores])


def explained(score: Score) -> str:
    """Say how the scores were made and judged."""
    over = {"tfs": "over TFs", "pairs": "over pairs", "cells": "over cells"}.get(score.interval, "")
    low, high = AT_CHANCE
    return (
        f"At {score.n_cells:,} cells, mean over repeats; 95 % intervals {over}. A method is above (below) the best "
        f"null if its interval lies above (below) the null's value; a planted control reaches its ceiling within "
        f"{CLOSE_TO_CEILING}; a random one is at chance between {low:.2f} and {high:.2f}. EPR: early precision ratio. "
        "Seen: held together by at least one cell; all other pairs tie at score 0."
    )


def fit_table(curves: pa.Table, tissue: str, network: str, direction: str) -> Iterator[Html]:
    """Show every form of every curve of the headline, the best AICc first."""
    rows = rows_of(curves, tissue=tissue, network=network, universe=UNIVERSE, metric="auroc", weighting="none")
    rows = [row for row in rows if row["direction"] in (direction, "symmetric")]
    if not rows:
        yield element("p", NO_CURVES)
        return
    series = dict.fromkeys((row["model"], row["method"]) for row in rows)
    order = {key: i for i, key in enumerate(sorted(series, key=lambda key: key[0] == MODEL))}  # baselines last
    rows.sort(key=lambda row: (order[row["model"], row["method"]], row["aicc"] is None, row["aicc"] or 0.0))
    yield table(list(FIT_COLUMNS), [[show(row) for show in FIT_COLUMNS.values()] for row in rows])
    yield element("p", FITS_EXPLAINED, class_="quiet")
