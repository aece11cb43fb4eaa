"""Which materializations are meant: by rows of a table, by asset and place, or by the first digits of an id."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scfm_assets.errors import ScfmError
from scfm_assets.tables.platform import TABLES
from scfm_assets.warehouse.lineage.ancestry import CURRENT, ancestors, named_rows, tables_there

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb


@dataclass(frozen=True)
class Chosen:
    """The materializations that made what was asked for, at one place: the current one first."""

    asset: str
    partition: str | None
    ids: tuple[str, ...]
    rows: int = 0


def chosen(con: duckdb.DuckDBPyConnection, name: str, where: Mapping[str, Any]) -> list[Chosen]:
    """The materializations behind a table's rows, of an asset, or of an id, place by place.

    Parameters
    ----------
    con
        See `ancestry.lineage_of`.
    name
        A table, an asset (of a model also by its last word, with `model` in `where`), or the first digits of an id.
    where
        Column -> value; of a checkpoint, the first digits.

    Raises
    ------
    ScfmError
        If there is nothing of this name, or nothing as asked.
    """
    if name.removesuffix("_latest") in TABLES:
        return made_rows(con, name, where)
    if "model" in where:
        rest = {column: value for column, value in where.items() if column != "model"}
        if materializations := made_assets(con, f"models/{where['model']}/{name}", rest):
            return materializations
    if materializations := made_assets(con, name, where):
        return materializations
    if not where and (id_ := id_of(con, name)):
        only = ancestors(con, [id_])[id_]
        return [Chosen(only.asset, only.partition, (id_,))]
    assets = ", ".join(asset for (asset,) in con.execute("select distinct asset from lineage order by 1").fetchall())
    problem = "is no table, no asset that was materialized, and no id of a materialization"
    raise ScfmError(name, problem, f"Tables: {', '.join(TABLES)}.\nAssets: {assets}.")


def made_rows(con: duckdb.DuckDBPyConnection, table: str, where: Mapping[str, Any]) -> list[Chosen]:
    """The materializations whose rows a table holds now, place by place.

    Parameters
    ----------
    con
        See `ancestry.lineage_of`.
    table
        A table of the warehouse.
    where
        Column -> value that its rows have; of a checkpoint, the first digits.

    Raises
    ------
    ScfmError
        If nothing is stored of the table, it has no such column, or no row is as asked.
    """
    table_name = f"table {table}"
    if table not in tables_there(con):
        raise ScfmError(table, "nothing is stored of this table", "`scfm run` makes it, and publishes it when it ends.")
    columns = {name for name, *_ in con.execute(f'describe "{table}"').fetchall()}  # one of TABLES, not a user's word
    for name in where:
        if name not in columns:
            raise ScfmError(table_name, f"has no column {name}", f"It has: {', '.join(sorted(columns))}.")
    if "materialization" not in columns:
        raise ScfmError(table_name, "its rows have no materialization", "`scfm run --force` makes it anew.")
    made = con.execute(
        f'select materialization, count(*) from "{table}" where {_like(where)} group by all',  # noqa: S608
        [*where.values()],
    ).fetchall()
    if not made:
        remedy = f'`scfm sql "from {table}"` shows what there is.'
        raise ScfmError(table_name, f"no row has {_told(where)}" if where else "has no rows", remedy)
    rows = dict(made)
    places = _places(con, "id in (select unnest(?))", [list(rows)])
    if lost := sorted(set(rows) - {id_ for place in places for id_ in place.ids}):
        problem = f"lineage does not hold yet what made some of its rows (materialization {lost[0]})"
        raise ScfmError(table_name, problem, "Run `scfm lineage sync`; if that does not help, `scfm run`.")
    return [replace(place, rows=sum(rows[i] for i in place.ids)) for place in places]


def the_row(con: duckdb.DuckDBPyConnection, table: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """First row of a table that `made_rows` found."""
    return named_rows(con.execute(f'from "{table}" where {_like(where)} limit 1', [*where.values()]))[0]


def made_assets(con: duckdb.DuckDBPyConnection, asset: str, where: Mapping[str, Any]) -> list[Chosen]:
    """All materializations of an asset, place by place; none if there is no such asset.

    Raises
    ------
    ScfmError
        If it was materialized, but not as asked.
    """
    known = {"tissue", "n_cells", "checkpoint"}
    if not con.execute("select 1 from lineage where asset = ? limit 1", [asset]).fetchall():
        return []
    unknown = [name for name in where if name not in known]
    if unknown:
        raise ScfmError(asset, f"an asset is not chosen by {unknown[0]}", f"Choose by: {', '.join(sorted(known))}.")
    places = _places(con, f"asset = ? and {_like(where)}", [asset, *where.values()])
    if not places:
        raise ScfmError(asset, f"was never materialized with {_told(where)}")
    return places


def _places(con: duckdb.DuckDBPyConnection, condition: str, values: Sequence[Any]) -> list[Chosen]:
    """Materializations that a condition holds of, place by place."""
    told = "select asset, partition, list(id order by told_at desc), tissue, n_cells from told"
    in_order = "group by all order by tissue, n_cells, asset"
    found = con.execute(f"{CURRENT} {told} where {condition} {in_order}", values).fetchall()
    return [Chosen(asset, partition, tuple(ids)) for asset, partition, ids, *_ in found]


def _like(where: Mapping[str, Any]) -> str:
    """Condition on declared columns; the values are parameters."""
    terms = [f'starts_with("{name}", ?)' if name == "checkpoint" else f'"{name}" = ?' for name in where]
    return " and ".join(terms) or "true"


def _told(where: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in where.items())


def id_of(con: duckdb.DuckDBPyConnection, prefix: str) -> str | None:
    """Complete the first digits of a materialization's id; None if none begins like this, or no digit is given.

    Raises
    ------
    ScfmError
        If several begin like this.
    """
    if not prefix:
        return None
    ids = con.execute(
        "select materialization from lineage where starts_with(materialization, ?) order by 1 limit 4", [prefix]
    ).fetchall()
    if len(ids) > 1 and ids[0][0] != prefix:
        problem = f"several materializations begin like this: {', '.join(name for (name,) in ids)}"
        place = f"materialization {prefix!r}"
        raise ScfmError(place, problem, "Give more digits.")
    return ids[0][0] if ids else None
