"""The tables of the report's scores and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.scores import MODEL
from scfm_assets.figures.traces import form_name, rows_of
from scfm_assets.report.headline import UNIVERSE, Score, picked
from scfm_assets.report.html import Html, Text, limits, mark, number, table, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

ENDS = {"tf_queries": "query", "tf_keys": "key"}
KINDS = {"best": "good", "indistinguishable": "good", "degenerate": "open", "too_few_points": "open"}


def _verdict(row: Mapping[str, Any]) -> Html:
    return mark(row["verdict"].replace("_", " "), KINDS.get(row["verdict"], "plain"))


def _scorer(row: Mapping[str, Any]) -> str:
    return row["method"] if row["layer"] is None else f"{row['model']}, {row['method'].replace('_', ' ')}"


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
    "scored by": _scorer,
    "form": lambda r: TITLED.format(r["formula"], form_name(r["form"])),
    "R²": lambda r: number(r["r2"]),
    "AICc": lambda r: number(r["aicc"], 1),
    "weight": lambda r: number(r["weight"]),
    "LOO RMSE": lambda r: number(r["loo_rmse"], 4),
    "asymptote": lambda r: number(r["asymptote"]),
    "95 %": lambda r: limits(r["asymptote_lo"], r["asymptote_hi"]),
    "n*": lambda r: number(r["characteristic_n"], 0),
    "could have made it": lambda r: number(r["chance"], 2),
    "verdict": _verdict,
}
CURVE_COLUMNS: dict[str, Callable[[Mapping[str, Any]], Text]] = {
    "scored by": _scorer,
    "conclusion": lambda r: r["conclusion"].replace("_", " "),
    "asymptote": lambda r: number(r["curve_asymptote"]),
    "this network, 95 %": lambda r: limits(r["curve_asymptote_lo"], r["curve_asymptote_hi"]),
    "other networks, 95 %": lambda r: limits(r["networks_asymptote_lo"], r["networks_asymptote_hi"]),
    "ceiling": lambda r: number(r["ceiling"]),
    "n*": lambda r: number(r["curve_n"], 0),
    "n*, 95 %": lambda r: limits(r["curve_n_lo"], r["curve_n_hi"]),
    "at the most cells": lambda r: number(r["largest_n_value"]),
    "predicted from fewer, 95 %": lambda r: limits(r["held_out_lo"], r["held_out_hi"]),
    "prediction": lambda r: _held_out(r["held_out_inside"]),
    "errors": lambda r: r["errors"],
}


def _held_out(inside: bool | None) -> Html | None:  # noqa: FBT001 (a cell of the table)
    return None if inside is None else mark("holds", "good") if inside else mark("missed", "bad")


TITLED = Html('<span title="{}">{}</span>')
GLANCE = Html('<span title="{}">{} {}</span>')
NO_METRICS = Html('<span class="quiet">no metrics</span>')
LINK = Html('<a href="#{}">{}</a>')


def glance_table(scores_of: Mapping[str, Sequence[Score]], anchor: Callable[[str], str]) -> Html:
    """The numbers of the cards of all tissues, one line each."""
    cells: dict[str, dict[str, Html]] = {tissue: {} for tissue in scores_of}
    for tissue, scores in scores_of.items():
        for title, score in picked(scores):
            best = score.role in ("baseline", "null")
            aside = score.name if best else f"of {number(score.ceiling)}" if score.ceiling else ""
            cell = GLANCE.format(score.verdict, mark(number(score.value) or "", score.kind), aside)
            cells[tissue].setdefault(title if best else score.model, cell)
    columns = list(dict.fromkeys(name for row in cells.values() for name in row))
    empty = {columns[0]: NO_METRICS} if columns else {}
    rows = [
        [LINK.format(anchor(tissue), tissue), *((row or empty).get(name) for name in columns)]
        for tissue, row in cells.items()
    ]
    return table(["tissue", *columns], rows)


def score_table(scores: Sequence[Score], *, places: bool = False) -> Html:
    """Scores with their intervals, positives, base rate and coverage; `places`: also network and universe."""
    columns = (PLACE_COLUMNS if places else {}) | SCORE_COLUMNS
    return table_of(columns, scores)


def curve_table(curves: pa.Table, tissue: str, network: str, direction: str) -> Html | None:
    """Say of every curve of the headline where it goes, over all forms; None without curves."""
    first = {(row["model"], row["method"]): row for row in _curve_rows(curves, tissue, network, direction)}
    return _table(CURVE_COLUMNS, list(first.values()))


def fit_table(curves: pa.Table, tissue: str, network: str, direction: str) -> Html | None:
    """Every form of every curve of the headline, the best AICc first; None without curves."""
    return _table(FIT_COLUMNS, _curve_rows(curves, tissue, network, direction))


def _table(
    columns: Mapping[str, Callable[[Mapping[str, Any]], Text]], rows: Sequence[Mapping[str, Any]]
) -> Html | None:
    return table_of(columns, rows) if rows else None


def _curve_rows(curves: pa.Table, tissue: str, network: str, direction: str) -> list[dict[str, Any]]:
    rows = rows_of(curves, tissue=tissue, network=network, universe=UNIVERSE, metric="auroc")
    rows = [row for row in rows if row["direction"] in (direction, "symmetric")]
    series = dict.fromkeys((row["model"], row["method"]) for row in rows)
    order = {key: i for i, key in enumerate(sorted(series, key=lambda key: key[0] == MODEL))}  # baselines last
    return sorted(rows, key=lambda row: (order[row["model"], row["method"]], row["aicc"] is None, row["aicc"] or 0.0))
