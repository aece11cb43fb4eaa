"""Questions to the warehouse in SQL, answered as text."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from scfm_assets.errors import ScfmError
from scfm_assets.warehouse.text_table import text_table

NAME = "scfm.duckdb"
"""The SQL file, below the home folder."""
MOST_ROWS = 500
"""Rows that a table on the screen shows."""


Rows = Sequence[tuple[Any, ...]]


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
    path = published_file(home)
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
    return FORMATS[format](names, rows)


def published_file(home: Path) -> Path:
    """Path of the SQL file.

    Raises
    ------
    ScfmError
        If nothing was published yet.
    """
    path = home.absolute() / NAME
    if not path.is_file():
        raise ScfmError(str(path), "there is no warehouse yet", "Run `scfm run` first: it publishes what it makes.")
    return path


def _as_table(names: Sequence[str], answer: Rows) -> str:
    rows = answer[:MOST_ROWS]
    numeric = [i for i, column in enumerate(zip(*rows, strict=True)) if all(map(_is_number, column))]
    lines = text_table(names, [[_cell(value) for value in row] for row in rows], right=numeric, ruled=True)
    if len(answer) > len(rows):
        lines.append(f"... and more than these {MOST_ROWS} rows: csv and json give all")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float | Decimal):
        return f"{float(value) + 0.0:.6g}"  # + 0: no minus before zero
    return "NULL" if value is None else str(value)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float | Decimal)


def _as_csv(names: Sequence[str], rows: Rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *rows])
    return text.getvalue().removesuffix("\n")


def _as_json(names: Sequence[str], rows: Rows) -> str:
    objects = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
    return json.dumps(objects, indent=1, default=str, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: it has no NaN, no infinity and no decimals."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    number = float(value) if isinstance(value, Decimal) else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


FORMATS: dict[str, Callable[[Sequence[str], Rows], str]] = {"table": _as_table, "csv": _as_csv, "json": _as_json}
