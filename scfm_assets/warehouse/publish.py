"""The SQL file: views over the stored tables, brought up to date beside the old file and swapped in by a rename."""

from __future__ import annotations

import fcntl
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scfm_assets.core.errors import ScfmError
from scfm_assets.warehouse.query import NAME, query
from scfm_assets.warehouse.tables import TABLES, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

__all__ = ["publish", "query"]


def publish(home: Path, *, fill: Callable[[duckdb.DuckDBPyConnection], object] | None = None) -> Path:
    """Bring the warehouse up to date with the stored tables.

    Readers are neither blocked nor changed under their hands: whoever holds the old file keeps it. One publisher works
    at a time, others wait; a killed one leaves the old file in place.

    Parameters
    ----------
    home
        Folder that holds everything written.
    fill
        Called with the connection of the new file, to bring native tables up to date.

    Returns
    -------
    Path
        ``<home>/scfm.duckdb``.

    Raises
    ------
    ScfmError
        If a stored table or the present file cannot be read, or the folder's path holds a question mark.
    """
    target = home.absolute() / NAME
    if "?" in str(target):  # DuckDB reads what follows it as options, and looks for the file elsewhere
        raise ScfmError(str(home), "'?' in the folder's path", "DuckDB keeps no database there: rename the folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(target.with_name(".publish.lock")):
        fresh = target.with_name(f".{NAME}.next")
        try:
            _remove(fresh)
            _copy(target, fresh)
            with _open(fresh, told=target) as con:
                for table in TABLES.values():
                    _view(con, table, target.parent / "store" / "tables" / table.name)
                if fill is not None:
                    fill(con)
            _wal(target).unlink(missing_ok=True)  # it is merged into the new file, and must never meet it
            fresh.replace(target)
        finally:
            _remove(fresh)
    return target


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait for other publishers; the system lets go of the lock when its holder dies."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _wal(path).unlink(missing_ok=True)


def _copy(path: Path, to: Path) -> None:
    """Copy a database with what was committed to it but not yet merged into its file."""
    for file, copy in ((path, to), (_wal(path), _wal(to))):
        if file.exists():
            shutil.copyfile(file, copy)


@contextmanager
def _open(path: Path, told: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    try:
        con = duckdb.connect(str(path))
    except duckdb.Error as error:
        remedy = f"Move {told.name} away: everything that scfm keeps in it is made anew."
        raise ScfmError(str(told), f"cannot be opened: {error}", remedy) from error
    with con:
        yield con


def _view(con: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    """Make the view of a table, or remove it where nothing is stored."""
    import duckdb

    if next(folder.glob("**/data.parquet"), None) is None:
        con.execute(f'drop view if exists "{table.name}"')
        return
    # Absolute, because relative globs start at the working folder of whoever asks.
    files = _quoted(f"{_literal(str(folder))}/**/data.parquet")
    rows = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    try:
        con.execute(f'create or replace view "{table.name}" as from {rows}')
    except duckdb.Error as error:
        raise ScfmError(str(folder), f"cannot be read: {error}", "Remove the file and make it again.") from error
    con.execute(f'comment on view "{table.name}" is {_quoted(table.doc)}')
    stored = {name for name, *_ in con.execute(f'describe "{table.name}"').fetchall()}
    for column in table.columns:
        if column.name in stored:
            con.execute(f'comment on column "{table.name}"."{column.name}" is {_quoted(column.doc)}')


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(path: str) -> str:
    """Take the meaning from characters of a path that a glob would read as wild cards."""
    return re.sub(r"([*?\[])", r"[\1]", path)
