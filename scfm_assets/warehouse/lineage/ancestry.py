"""What an output is made of, asked of the tables of lineage: materializations, their inputs, the files of sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scfm_assets.errors import ScfmError
from scfm_assets.warehouse.query import published_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import duckdb


@dataclass(frozen=True)
class ReadInput:
    """Something that a materialization was made of: another materialization, or a source with its files."""

    label: str
    asset: str
    partition: str | None
    version: str
    upstream: str | None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Asset and tissue, as people write them."""
        return f"{self.asset} {self.partition or ''}".rstrip()


@dataclass(frozen=True)
class Materialization:
    """One output of one asset, and how it was made."""

    id: str
    asset: str
    partition: str | None
    tissue: str | None
    n_cells: int | None
    version: str | None
    code: str
    config: str
    checkpoint: str | None
    device: str | None
    precision: str | None
    packages: Mapping[str, str]
    python: str | None
    platform: str | None
    commit: str | None
    made_at: datetime
    inputs: tuple[ReadInput, ...]

    @cached_property
    def label(self) -> str:
        """Asset and partition, as inputs name them."""
        return self.asset if self.partition is None else f"{self.asset}[{self.partition}]"

    @property
    def place(self) -> str:
        """Tissue and number of cells, as people write them."""
        return " ".join(part for part in (self.tissue, self.n_cells and f"n={self.n_cells}") if part)

    @property
    def machine(self) -> str:
        """Device and precision of the forward passes; empty where there were none."""
        return " ".join(part for part in (self.device, self.precision) if part)


Made = Mapping[str, Materialization]
"""Materializations by id."""


@contextmanager
def lineage_of(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the SQL file to read lineage from it.

    Raises
    ------
    ScfmError
        If there is none, or no lineage in it, or somebody writes to it.
    """
    import duckdb

    path = published_file(home)
    try:
        con = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        remedy = "Close the program that writes to it, or move the file away: `scfm lineage sync` makes it anew."
        raise ScfmError(str(path), f"cannot be read: {error}", remedy) from error
    with con:
        if "lineage" not in tables_there(con):
            raise ScfmError(str(path), "there is no lineage in it yet", "Run `scfm lineage sync`.")
        yield con


def tables_there(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Name the tables and views of the SQL file."""
    return {name for (name,) in con.execute("select table_name from information_schema.tables").fetchall()}


def named_rows(answer: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Rows of an answer by the names of its columns."""
    names = [name for name, *_ in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


CURRENT = """
with told as (
    select coalesce(keeps, materialization) as id, asset, partition, n_cells, tissue, checkpoint,
           max(recorded_at) as told_at
    from lineage group by all
)
"""
"""An output that was kept, or taken back when its checkpoint came back, is the current one again."""


def revisions(con: duckdb.DuckDBPyConnection, of: Materialization) -> list[str]:
    """All materializations of the same asset at the same place, the current one first."""
    here = "select id from told where asset = ? and partition is not distinct from ? order by told_at desc"
    return [name for (name,) in con.execute(CURRENT + here, [of.asset, of.partition]).fetchall()]


ANCESTORS = """
create or replace temp table wanted as
with recursive up(id) as (
    select unnest(?)
    union
    select upstream from lineage_input join up on materialization = id where upstream is not null
)
from up
"""


def ancestors(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Materialization]:
    """Materializations and everything that they were made of, by id."""
    con.execute(ANCESTORS, [list(ids)])
    files: dict[tuple[str, str], dict[str, str]] = {}
    sources = (
        "select materialization, source, file, digest from lineage_source semi join wanted on materialization = id"
    )
    for reader, source, file, digest in con.execute(f"{sources} order by file").fetchall():
        files.setdefault((reader, source), {})[file] = digest
    inputs: dict[str, list[ReadInput]] = {}
    read = (
        "select i.materialization, i.input, i.asset, i.partition, i.version, i.upstream "
        "from lineage_input i semi join wanted on i.materialization = id "
        "left join lineage l on l.materialization = i.upstream order by i.asset, l.tissue, l.n_cells, i.input"
    )
    for reader, label, asset, partition, version, upstream in con.execute(read).fetchall():
        behind = files.get((reader, label), {})
        inputs.setdefault(reader, []).append(ReadInput(label, asset, partition, version, upstream, behind))
    answer = con.execute(
        "select materialization as id, asset, partition, tissue, n_cells, data_version as version, "
        "code_version as code, config, checkpoint, device, precision, packages, python, platform, "
        "git_commit as commit, made_at from lineage semi join wanted on materialization = wanted.id"
    )
    return {
        row["id"]: Materialization(
            **{**row, "packages": json.loads(row["packages"]), "inputs": tuple(inputs.get(row["id"], ()))}
        )
        for row in named_rows(answer)
    }
