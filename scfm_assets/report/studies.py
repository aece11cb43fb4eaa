"""The part of the report that a study makes of itself: question, answer, figures, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.figures.files import to_svg
from scfm_assets.report.html import Html, Text, fill, mark, number, probability, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from matplotlib.figure import Figure

HOLDS = {True: "good", False: "bad", None: "open"}
KINDS = {"supported": "good", "not supported": "plain", "underpowered": "open"}


@dataclass(frozen=True)
class StudyPage:
    """The part of the page that a study has made of itself: its markup, and what links to it say."""

    name: str
    title: str
    markup: str


def study_sections(pages: Sequence[StudyPage]) -> Iterator[Html]:
    """The part of each study."""
    for page in pages:
        yield Html(page.markup)


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
    drawn = {called: to_svg(figure, f"{name}-{called}") for called, figure in figures.items()}
    return str(
        fill(
            "study",
            anchor=anchor(name),
            title=title,
            verdict=verdict,
            answer=mark(_sentence(verdict["answer"]), HOLDS[verdict["holds"]]),
            figures={called.replace("_", " ").capitalize(): Html(svg) for called, svg in drawn.items()},
            n_tests=tests.num_rows,
            tests=tests_table(tests),
        )
    )


def _sentence(answer: str) -> str:
    return f"{answer[:1].upper()}{answer[1:]}."


def tests_table(tests: pa.Table) -> Html:
    """The tests of a study as a table."""
    head = ["family", "hypothesis", "statistic", "value", "n", "p", "q", "power", "smallest detectable", "verdict"]
    rows: list[list[Text]] = [
        [
            row["family"].replace("_", " "),
            row["hypothesis"],
            row["statistic"],
            number(row["value"]),
            row["n"],
            probability(row["p"]),
            probability(row["q_family"]),
            number(row["power"], 2),
            number(row["mde"]),
            mark(row["verdict"], KINDS[row["verdict"]]),
        ]
        for row in tests.to_pylist()
    ]
    return table(head, rows)


def anchor(study: str) -> str:
    """Name the place of a study on the page."""
    return f"study-{study}"
