"""What follows from the declarations of tables: DDL, SQL comments, and a check of rows before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from scfm_assets.errors import ScfmError
from scfm_assets.tables.columns import MATERIALIZATION, Column, Table
from scfm_assets.tables.platform import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb
    import pyarrow as pa

__all__ = ["TABLES", "Column", "Table", "arrow_schema", "check_table", "comment", "ddl", "register", "table_named"]


def table_named(name: str) -> Table:
    """A declared table.

    Raises
    ------
    ScfmError
        If there is none of this name.
    """
    if name not in TABLES:
        place = f"table {name}"
        raise ScfmError(place, "is not declared", f"Declared are: {', '.join(TABLES)}.")
    return TABLES[name]


def register(tables: Iterable[Table]) -> None:
    """Declare further tables: those of the studies, which no list names.

    Raises
    ------
    ScfmError
        If a table of that name is declared otherwise.
    """
    for table in tables:
        if TABLES.setdefault(table.name, table) != table:
            place = f"table {table.name}"
            raise ScfmError(place, "is declared twice, and not alike", "Rename one.")


def ddl(table: Table) -> str:
    """The ``create table`` statement of a table with its constraints."""
    lines = [
        f'"{c.name}" {c.type}' + ("" if c.nullable else " not null") + (f" check ({c.check})" if c.check else "")
        for c in table.columns
    ]
    return f'create table "{table.name}" (\n    ' + ",\n    ".join(lines) + "\n)"


def arrow_schema(name: str) -> pa.Schema:
    """The Arrow schema of a declared table."""
    return table_named(name).schema


def comment(con: duckdb.DuckDBPyConnection, table: Table, *, view: str | None = None, doc: str | None = None) -> None:
    """Write the meaning of a table and of its columns into the database, where any client shows it.

    Parameters
    ----------
    con
        A database that can be written to.
    table
        The declaration.
    view
        Name of the view that shows the table; None if it is a table itself. Columns that it lacks are left aside.
    doc
        What a row is, where it is not what the table declares.
    """
    name, kind = view or table.name, "view" if view else "table"
    key = f" Key: {', '.join(table.key)}." if table.key else ""
    con.execute(f'comment on {kind} "{name}" is {_quoted((doc or table.doc) + key)}')
    stored = {column for column, *_ in con.execute(f'describe "{name}"').fetchall()}
    meaning = {column.name: column.doc for column in (MATERIALIZATION, *table.columns)}
    for column in stored & meaning.keys():
        con.execute(f'comment on column "{name}"."{column}" is {_quoted(meaning[column])}')


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def check_table(name: str, rows: pa.Table) -> pa.Table:
    """Check rows against the declaration of their table.

    Parameters
    ----------
    name
        A table of `TABLES`.
    rows
        Any order of columns; types of the same kind (any integers, any text, whole floats for integers).

    Returns
    -------
    pa.Table
        The rows with the declared columns, order and types.

    Raises
    ------
    ScfmError
        If a column is missing or not declared, has values of another kind or out of its limits, or two rows share a
        key: table, column, number of offending rows, and the first of them.
    """
    import duckdb
    import pyarrow as pa

    table = table_named(name)
    _check_names(table, rows)
    schema = arrow_schema(name)
    columns = [_cast(table, column, rows[column.name], schema.field(column.name).type) for column in table.columns]
    typed = pa.Table.from_arrays(columns, schema=schema)
    if typed.num_rows:
        with duckdb.connect() as con:
            con.execute("set threads = 2")
            con.register("typed", typed)
            _check_limits(con, table, typed)
            _check_key(con, table)
    return typed


def _check_names(table: Table, rows: pa.Table) -> None:
    declared = [column.name for column in table.columns]
    missing = [name for name in declared if name not in rows.column_names]
    unknown = [name for name in rows.column_names if name not in declared]
    twice = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    place = f"table {table.name}"
    if missing:
        raise ScfmError(place, f"column {', '.join(missing)} is missing", f"Declared are: {', '.join(declared)}.")
    if unknown:
        raise ScfmError(place, f"column {', '.join(unknown)} is not declared", f"Declared are: {', '.join(declared)}.")
    if twice:
        raise ScfmError(place, f"column {', '.join(twice)} occurs twice")


def _refuse(table: Table, column: Column, problem: str, remedy: str | None = None) -> NoReturn:
    place = f"table {table.name}, column {column.name}"
    raise ScfmError(place, problem, remedy)


def _cast(table: Table, column: Column, values: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    """Bring a column to its declared type without loss; refuse NULL where it is not allowed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.null_count and not column.nullable:
        first = pc.index(values.is_null(), value=True).as_py()
        _refuse(table, column, f"{values.null_count:,} of {len(values):,} rows are NULL (first: row {first})")
    if values.type == declared:
        return values
    held = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_null(held) or _kind(held) in _fitting(declared)):
        _refuse(table, column, f"holds {held} where {column.type} is declared")
    if pa.types.is_dictionary(declared):
        return _encoded(values, declared)
    try:
        return values.cast(held).cast(declared)
    except pa.ArrowInvalid as error:
        _refuse(table, column, f"holds {held} that do not fit {column.type}: {error}")


def _kind(held: pa.DataType) -> str:
    import pyarrow as pa

    kinds = {
        "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        "whole": (pa.types.is_integer,),
        "number": (pa.types.is_floating,),
        "flag": (pa.types.is_boolean,),
        "time": (pa.types.is_timestamp,),
    }
    return next((kind for kind, tests in kinds.items() if any(test(held) for test in tests)), str(held))


def _fitting(declared: pa.DataType) -> set[str]:
    import pyarrow as pa

    kind = _kind(declared.value_type if pa.types.is_dictionary(declared) else declared)
    return {"whole", "number"} if kind in {"whole", "number"} else {kind}


def _encoded(values: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    """Dictionary-encode text, keeping an encoding that it has."""
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        return values.cast(pa.string()).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int32()), chunk.dictionary.cast(pa.string()))
        for chunk in values.chunks
    ]
    return pa.chunked_array(chunks, type=declared)


def _check_limits(con: duckdb.DuckDBPyConnection, table: Table, typed: pa.Table) -> None:
    """Count the rows that break each column's condition, all in one pass."""
    import numpy as np

    checked = [column for column in table.columns if column.check]
    counts = [f"count(*) filter (where not ({column.check}))" for column in checked]
    broken = _one_row(con, f"select {', '.join(counts)} from typed")  # noqa: S608 (declared above, not by a user)
    for column, count in zip(checked, broken, strict=True):
        if count:
            con.register("numbered", typed.append_column("__row", [np.arange(typed.num_rows)]))
            first = f'"{column.name}", __row from numbered where not ({column.check}) order by __row limit 1'
            value, row = _one_row(con, f"select {first}")
            problem = f"{count:,} of {typed.num_rows:,} rows are not allowed (first: {value!r} in row {row})"
            _refuse(table, column, problem, f"Allowed: {column.check}.")


def _check_key(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    if not table.key:
        return
    key = ", ".join(f'"{name}"' for name in table.key)
    shared = f"{key}, count(*), count(*) over () from typed group by all having count(*) > 1 order by all limit 1"
    for *first, rows, keys in con.execute(f"select {shared}").fetchall():
        values = ", ".join(f"{name}={value}" for name, value in zip(table.key, first, strict=True))
        place, problem = f"table {table.name}", f"{keys:,} keys occur more than once (first: {values}: {rows} rows)"
        raise ScfmError(place, problem, f"Each row has its own {', '.join(table.key)}.")


def _one_row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    return con.execute(sql).fetchall()[0]
