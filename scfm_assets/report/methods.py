"""The part of the report that says which methods beat the nulls of single genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.evaluation import BEATS, NULL, UNDERPOWERED, WORSE, counted, name_of, rows_judged
from scfm_assets.figures import methods as plot_methods
from scfm_assets.figures.files import to_svg
from scfm_assets.report.html import Html, Text, limits, mark, number, probability, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

KINDS = {BEATS: "good", WORSE: "bad", UNDERPOWERED: "open"}
CONFOUNDED = {"confounded": "bad", "clean": "plain", "unknown": "open"}
COLUMNS: dict[str, Callable[[Mapping[str, Any]], Text]] = {
    "network": lambda r: r["network"],
    "method": name_of,
    "AUROC": lambda r: number(r["value"]),
    "over TFs and targets": lambda r: limits(r["network_lo"], r["network_hi"]),
    "over cells or donors": lambda r: limits(r["cells_lo"], r["cells_hi"]),
    "highest null": lambda r: r["highest_null"],
    "its AUROC": lambda r: number(r["highest_null_value"]),
    "p": lambda r: probability(r["p"]),
    "power": lambda r: number(r["power"], 2),
    "verdict": lambda r: mark(r["verdict"], KINDS.get(r["verdict"], "plain")),
    "random weights": lambda r: number(r["value_random"]),
    "of these": lambda r: mark(r["confounding"], CONFOUNDED[r["confounding"]]) if r["confounding"] else None,
}


def method_section(verdicts: pa.Table | None, tissue: str) -> dict[str, Any] | None:
    """The methods of a tissue against the nulls: sentences by network, figure, table; None without rows."""
    of_tissue = None if verdicts is None else verdicts.filter([row == tissue for row in verdicts["tissue"].to_pylist()])
    if of_tissue is None or not of_tissue.num_rows:
        return None
    rows = [row for row in rows_judged(of_tissue) if row["verdict"] != NULL]
    rows.sort(key=lambda row: (row["network"], -row["value"]))
    shown = {"universe": rows[0]["universe"]} if rows else {}
    forest = plot_methods.forest(of_tissue, f"Methods in {tissue}", **shown)
    return {
        "counts": counted(of_tissue),
        "forest": Html(to_svg(forest, f"{tissue}-methods")),
        "numbers": table_of(COLUMNS, rows),
    }
