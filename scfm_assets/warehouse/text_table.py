"""Tables as text, for a terminal, a pipe and a file alike: as wide as what they hold, no colours, nothing cut."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

ANY_WIDTH = 1 << 30


def text_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = (), ruled: bool = False
) -> list[str]:
    """Lines of a table: its head, and one for each row.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells; line breaks in them become spaces.
    right
        Columns that are set to the right.
    ruled
        Whether a line of dashes stands below the head.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for i in range(len(head)):
        table.add_column(justify="right" if i in right else "left", no_wrap=True, overflow="fold")
    table.add_row(*_columns([head]))
    if ruled:
        table.add_row(*(Rule(characters="-") for _ in head))
    if body := list(rows):
        table.add_row(*_columns(body))
    text = StringIO()
    Console(file=text, width=ANY_WIDTH, force_terminal=False, legacy_windows=False).print(table)
    return [line.rstrip() for line in text.getvalue().removesuffix("\n").split("\n")]


def _columns(rows: Sequence[Sequence[str]]) -> list[Text]:
    """One text for each column, a line for each row: much faster than a text for each cell."""
    return [Text("\n".join(" ".join(cell.splitlines()) for cell in column)) for column in zip(*rows, strict=True)]
