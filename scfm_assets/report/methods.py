"""The part of the report that says which methods beat expression alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.evaluation import BEATS, NULL, UNDERPOWERED, WORSE, counted, name_of, rows_judged
from scfm_assets.figures import methods as plot_methods
from scfm_assets.figures.files import to_svg
from scfm_assets.report.html import Html, Text, limits, mark, number, probability, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

KINDS = {BEATS: "good", WORSE: "bad", UNDERPOWERED: "open"}
CONFOUNDED = {"confounded": "bad", "clean": "plain", "unknown": "open"}


def method_section(verdicts: pa.Table | None, tissue: str) -> dict[str, Any] | None:
    """The methods of a tissue against the nulls: sentences by network, figure, table; None without rows."""
    of_tissue = None if verdicts is None else verdicts.filter([row == tissue for row in verdicts["tissue"].to_pylist()])
    if of_tissue is None or not of_tissue.num_rows:
        return None
    rows = [row for row in rows_judged(of_tissue) if row["verdict"] != NULL]
    rows.sort(key=lambda row: (row["network"], -row["value"]))
    head = ["network", "method", "AUROC", "over TFs", "over cells", "best null", "its AUROC", "p", "power", "verdict"]
    shown = {"universe": rows[0]["universe"]} if rows else {}
    forest = plot_methods.forest(of_tissue, f"Methods in {tissue}", **shown)
    return {
        "counts": counted(of_tissue),
        "forest": Html(to_svg(forest, f"{tissue}-methods")),
        "numbers": table([*head, "random weights", "of these"], [_row(row) for row in rows]),
    }


def _row(row: Mapping[str, Any]) -> list[Text]:
    confounding = row["confounding"]
    of_random = mark(confounding, CONFOUNDED[confounding]) if confounding else None
    return [
        row["network"],
        name_of(row),
        number(row["value"]),
        limits(row["tfs_lo"], row["tfs_hi"]),
        limits(row["cells_lo"], row["cells_hi"]),
        row["best_null"],
        number(row["best_null_value"]),
        probability(row["p"]),
        number(row["power"], 2),
        mark(row["verdict"], KINDS.get(row["verdict"], "plain")),
        number(row["value_random"]),
        of_random,
    ]
