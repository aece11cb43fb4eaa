"""The part of the report that tells what the studies found: question, answer, figures, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets.figures.files import to_svg
from scfm_assets.report.html import Html, Text, details, element, mark, number, probability, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from matplotlib.figure import Figure

HOLDS = {True: "good", False: "bad", None: "open"}
KINDS = {"supported": "good", "not supported": "plain", "underpowered": "open"}
ADJUSTED = (
    "q is p adjusted by Benjamini and Hochberg inside its family; underpowered: had there been an effect, the test "
    "would have missed it more often than one time in five."
)


@dataclass(frozen=True)
class StudyShown:
    """What the page tells of one study.

    Attributes
    ----------
    name, title, question
        Of the study.
    answer, sentence, holds
        Its verdict, a row of `verdicts`.
    figures
        By name, the most important one first.
    tests
        Its rows of `tests`.
    """

    name: str
    title: str
    question: str
    answer: str
    sentence: str
    holds: bool | None
    figures: Mapping[str, Figure]
    tests: pa.Table


def study_sections(studies: Sequence[StudyShown]) -> Iterator[Html]:
    """Give a section for each study."""
    for study in studies:
        yield element("h2", study.title, id=anchor(study.name))
        yield element("p", study.question, class_="quiet")
        yield element(
            "p", mark(f"{study.answer[:1].upper()}{study.answer[1:]}.", HOLDS[study.holds]), " ", study.sentence
        )
        for i, (name, figure) in enumerate(study.figures.items()):
            drawn = element("figure", Html(to_svg(figure, f"{study.name}-{name}")))
            yield details(name.replace("_", " ").capitalize(), drawn) if i else drawn
        if study.tests.num_rows:
            yield details(f"{study.tests.num_rows} tests", element("p", ADJUSTED, class_="quiet"), tests_table(study))


def tests_table(study: StudyShown) -> Html:
    """Show the tests of a study."""
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
        for row in study.tests.to_pylist()
    ]
    return table(head, rows)


def anchor(study: str) -> str:
    """Name the place of a study on the page."""
    return f"study-{study}"
