"""The part of the report that says which methods beat expression alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.core.evaluation import BEATS, NULL, UNDERPOWERED, UNIVERSE, WORSE, counted, name_of
from scfm_assets.figures import methods as plot_methods
from scfm_assets.figures.files import to_svg
from scfm_assets.figures.traces import rows_of
from scfm_assets.report.html import Html, Text, details, element, limits, mark, number, probability, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

KINDS = {BEATS: "good", WORSE: "bad", UNDERPOWERED: "open"}
CONFOUNDED = {"confounded": "bad", "clean": "plain", "unknown": "open"}
RULE = (
    "A method beats the nulls if it is better than each of the four gene-level nulls, over TFs and over cells. "
    "Underpowered: a difference of 0.05 would be missed more than one time in five. Power is that of the least certain "
    "comparison. Random weights: what the same method scores on a model that has learned nothing."
)


def method_section(verdicts: pa.Table | None, tissue: str) -> Iterator[Html]:
    """Give the methods of a tissue against the nulls: a sentence, the figure, the table; nothing without rows."""
    own = verdicts.filter([row == tissue for row in verdicts["tissue"].to_pylist()]) if verdicts is not None else None
    if own is None or not own.num_rows:
        return
    yield element("h3", "Which methods beat expression alone?")
    for network, said in counted(own).items():
        yield element("p", f"{network}: {said}.")
    yield element("figure", Html(to_svg(plot_methods.forest(own, f"Methods in {tissue}"), f"{tissue}-methods")))
    rows = [row for row in rows_of(own, universe=UNIVERSE, metric="auroc") if row["verdict"] != NULL]
    rows.sort(key=lambda row: (row["network"], -row["value"]))
    head = ["network", "method", "AUROC", "over TFs", "over cells", "best null", "its AUROC", "p", "power", "verdict"]
    shown = table([*head, "random weights", "of these"], [_row(row) for row in rows])
    yield details("Methods in numbers", element("p", RULE, class_="quiet"), shown)


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
