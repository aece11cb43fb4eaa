"""The part of the report that a study makes of itself: question, answer, figures, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.figures.files import to_svg
from scfm_assets.report.html import Html, Text, fill, mark, number, probability, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa
    from matplotlib.figure import Figure

HOLDS = {True: "good", False: "bad", None: "open"}
KINDS = {"supported": "good", "not supported": "plain", "underpowered": "open"}
TEST_COLUMNS: dict[str, Callable[[Mapping[str, Any]], Text]] = {
    "family": lambda r: r["family"].replace("_", " "),
    "hypothesis": lambda r: r["hypothesis"],
    "statistic": lambda r: r["statistic"],
    "value": lambda r: number(r["value"]),
    "n": lambda r: r["n"],
    "p": lambda r: probability(r["p"]),
    "q": lambda r: probability(r["q_family"]),
    "power": lambda r: number(r["power"], 2),
    "smallest detectable": lambda r: number(r["mde"]),
    "verdict": lambda r: mark(r["verdict"], KINDS[r["verdict"]]),
}


@dataclass(frozen=True)
class StudyPage:
    """The part of the page that a study has made of itself: its markup, and what links to it say."""

    name: str
    title: str
    markup: str


def study_page(
    name: str, title: str, verdict: Mapping[str, Any], figures: Mapping[str, Figure], tests: pa.Table
) -> str:
    """The markup of a study's part of the page.

    Parameters
    ----------
    name, title
        Of the study.
    verdict
        Its row of `verdicts`.
    figures
        By name, the most important one first.
    tests
        Its rows of `tests`.
    """
    answer = verdict["answer"]
    return str(
        fill(
            "study",
            anchor=anchor(name),
            title=title,
            verdict=verdict,
            answer=mark(f"{answer[:1].upper()}{answer[1:]}.", HOLDS[verdict["holds"]]),
            figures={
                called.replace("_", " ").capitalize(): Html(to_svg(figure, f"{name}-{called}"))
                for called, figure in figures.items()
            },
            n_tests=tests.num_rows,
            tests=tests_table(tests),
        )
    )


def tests_table(tests: pa.Table) -> Html:
    """The tests of a study as a table."""
    return table_of(TEST_COLUMNS, tests.to_pylist())


def anchor(study: str) -> str:
    """Name the place of a study on the page."""
    return f"study-{study}"
