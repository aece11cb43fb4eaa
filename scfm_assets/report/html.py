"""The report's templates, and the pieces that its tables are made of. Jinja2 escapes every text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

Html = Markup
"""Text that is markup already; everything else is escaped."""
Text = str | int | float | None | Html

_MARK = Markup('<span class="mark {}">{}</span>')


@cache
def templates() -> Environment:
    """The templates of the report: everything is escaped, nothing is written for None, no name may be unknown."""
    environment = Environment(
        loader=PackageLoader("scfm_assets.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: "" if value is None else value,
    )
    environment.filters["number"] = number
    environment.globals["limits"] = limits
    return environment


def fill(template: str, **values: Any) -> Html:
    """Markup of a template with its values."""
    return Markup(templates().get_template(f"{template}.html.j2").render(values))  # noqa: S704 - the template escapes


def mark(text: str, kind: str) -> Html:
    """A short judgement; `kind` is good, bad, open or plain."""
    return _MARK.format(kind, text)


def table(head: Sequence[str], rows: Iterable[Sequence[Text]]) -> Html:
    """A table; cells that hold numbers, and their heads, stand to the right.

    A column counts as one of numbers if every cell that holds something starts with a digit, a sign or a bracket.
    """
    rows = [list(row) for row in rows]
    numeric = [_all_numbers([row[i] for row in rows]) for i in range(len(head))]
    return fill("table", head=head, rows=rows, numeric=numeric)


def table_of(columns: Mapping[str, Callable[[Any], Text]], rows: Iterable[Any]) -> Html:
    """A table of what each column takes from a row."""
    return table(list(columns), [[cell(row) for cell in columns.values()] for row in rows])


def number(value: float | None, digits: int = 3) -> str | None:
    """A number as text; nothing where there is none."""
    return None if value is None else f"{value:.{digits}f}"


def probability(p: float | None) -> str | None:
    """A probability as text; those that round to nothing as an upper limit."""
    return None if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def limits(lo: float | None, hi: float | None, digits: int = 3) -> str | None:
    """An interval as text; a limit that is not known is a question mark, nothing where neither is."""
    if lo is None and hi is None:
        return None
    return f"[{number(lo, digits) or '?'}, {number(hi, digits) or '?'}]"


def _all_numbers(cells: Sequence[Text]) -> bool:
    texts = [str(cell) for cell in cells if cell not in (None, "")]
    markup = any(isinstance(cell, Html) for cell in cells)
    return bool(texts) and not markup and all(text[0] in "0123456789-−[?" for text in texts)
