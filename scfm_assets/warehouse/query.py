"""Questions to the warehouse in SQL, answered as text."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NAME = "scfm.duckdb"
"""The SQL file, below the home folder."""
MOST_ROWS = 500
"""Rows that a table on the screen shows."""


@dataclass(frozen=True)
class Answer:
    """Rows with the names of their columns."""

    names: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def query(home: Path, sql: str, format: Literal["table", "csv", "json"] = "table") -> str:  # noqa: A002
    """Ask the warehouse, read-only.

    Parameters
    ----------
    home
        Folder that holds ``scfm.duckdb``.
    sql
        One DuckDB statement.
    format
        ``table`` for the screen (aligned, at most 500 rows), ``csv`` with a header, or ``json``, a list of objects.

    Raises
    ------
    ScfmError
        If nothing was published yet, or DuckDB refuses the statement (with its own message).
    """
    import duckdb

    if format not in FORMATS:
        raise ScfmError(str(format), "is no format of answers", f"Allowed: {', '.join(FORMATS)}.")
    path = home.absolute() / NAME
    if not path.is_file():
        raise ScfmError(str(path), "there is no warehouse yet", "Run `scfm run` first: it publishes what it makes.")
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            con.execute(sql)
            names = [name for name, *_ in con.description or ()]
            if not names:
                return ""
            rows = con.fetchmany(MOST_ROWS + 1) if format == "table" else con.fetchall()
    except duckdb.Error as error:
        place = "SQL"
        raise ScfmError(place, str(error), '`scfm sql "show tables"` lists what there is.') from error
    return FORMATS[format](Answer(names, rows))


def _as_table(answer: Answer) -> str:
    shown = answer.rows[:MOST_ROWS]
    cells = [list(answer.names), *([_cell(value) for value in row] for row in shown)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(answer.names))]
    numeric = [all(isinstance(row[i], int | float | Decimal | None) for row in shown) for i in range(len(answer.names))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if len(answer.rows) > len(shown):
        lines.append(f"... and more than these {MOST_ROWS} rows: csv and json give all")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float | Decimal):
        return f"{float(value) + 0.0:.6g}"  # + 0: no minus before zero
    return str(value).replace("\n", " ")


def _as_csv(answer: Answer) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.names)
    writer.writerows(answer.rows)
    return text.getvalue().removesuffix("\n")


def _as_json(answer: Answer) -> str:
    rows = [dict(zip(answer.names, map(_plain, row), strict=True)) for row in answer.rows]
    return json.dumps(rows, indent=1, default=str, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Give what JSON can hold: it has no NaN, no infinity and no decimals."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    number = float(value) if isinstance(value, Decimal) else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


FORMATS: dict[str, Callable[[Answer], str]] = {"table": _as_table, "csv": _as_csv, "json": _as_json}
