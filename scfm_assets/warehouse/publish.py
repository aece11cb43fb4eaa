"""The SQL file: views over the stored tables, brought up to date beside the old file and swapped in by a rename."""

from __future__ import annotations

import fcntl
import glob
import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from scfm_assets.errors import ScfmError
from scfm_assets.tables.columns import MATERIALIZATION
from scfm_assets.tables.lineage import LATEST
from scfm_assets.tables.platform import TABLES
from scfm_assets.tables.schema import comment
from scfm_assets.warehouse.query import NAME, query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

    from scfm_assets.tables.columns import Table

__all__ = ["publish", "query"]

ENTRY = {"materialization": "materialization", "asset": "asset", "partition": "place"}
"""Columns of the table `latest` -> the manifest's entries behind them."""


class StoredFiles(Protocol):
    """The files of the store."""

    def for_sql(self) -> Path:
        """A local folder with all tables (``tables/**/data.parquet``) and manifests, brought up to date."""
        ...


def publish(
    home: Path, files: StoredFiles, *, fill: Callable[[duckdb.DuckDBPyConnection], object] | None = None
) -> Path:
    """Bring the warehouse up to date with the stored tables.

    Readers are neither blocked nor changed under their hands: whoever holds the old file keeps it. One publisher works
    at a time, others wait; a killed one leaves the old file in place.

    Parameters
    ----------
    home
        Folder that holds everything written.
    files
        The store's files.
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
            with _open(fresh, published=target) as con:
                stored = files.for_sql().absolute()
                _latest(con, stored / "manifests")
                for table in TABLES.values():
                    _views(con, table, stored / "tables" / table.name)
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
def _open(path: Path, published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    try:
        con = duckdb.connect(str(path))
    except duckdb.Error as error:
        remedy = f"Move {published.name} away: everything that scfm keeps in it is made anew."
        raise ScfmError(str(published), f"cannot be opened: {error}", remedy) from error
    with con:
        yield con


def _latest(con: duckdb.DuckDBPyConnection, manifests: Path) -> None:
    """List the materializations that hold now; rows of all others belong to earlier checkpoints."""
    # A manifest may be replaced or removed while they are listed: then the next publication tells of it.
    texts = [text for file in manifests.glob("**/manifest.json") if (text := _text_of(file)) is not None]
    entries = [json.loads(text) for text in texts]
    rows = LATEST.from_columns({name: [manifest.get(key) for manifest in entries] for name, key in ENTRY.items()})
    con.register("manifests", rows)
    con.execute("create or replace table latest as select * from manifests order by all")
    con.unregister("manifests")
    comment(con, LATEST)


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None


def _views(con: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    """Make the view of a table and its twin without earlier checkpoints; remove them where nothing is stored."""
    import duckdb

    twin = f"{table.name}_latest"
    stored = list(folder.glob("**/data.parquet"))
    if link := next((file for file in stored if file.is_symlink()), None):
        raise ScfmError(str(link), f"is a link to {link.resolve()}", "Remove it: tables are files of the store.")
    if not stored:
        con.execute(f'drop view if exists "{twin}"')
        con.execute(f'drop view if exists "{table.name}"')
        return
    # Absolute, because relative globs start at the working folder of whoever asks.
    pattern = f"{glob.escape(str(folder))}/**/data.parquet".replace("'", "''")
    rows = f"read_parquet('{pattern}', union_by_name = true, hive_partitioning = false)"
    try:
        con.execute(f'create or replace view "{table.name}" as from {rows}')
        con.execute(f'create or replace view "{twin}" as from "{table.name}" {_that_hold(con, table)}')
    except duckdb.Error as error:
        raise ScfmError(str(folder), f"cannot be read: {error}", "Remove the file and make it again.") from error
    comment(con, table, view=table.name)
    doc = f"{table.doc} Of each slice the rows that hold now, without earlier checkpoints."
    comment(con, table, view=twin, doc=doc)


def _that_hold(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    """The condition on rows of the twin. Rows from before materializations had ids are taken to hold."""
    if MATERIALIZATION.name not in {name for name, *_ in con.execute(f'describe "{table.name}"').fetchall()}:
        return ""
    return "where materialization is null or materialization in (select materialization from latest)"
