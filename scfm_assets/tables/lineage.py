"""The tables of lineage: native tables of the SQL file, filled from Dagster's records by `lineage.sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.tables.columns import MATERIALIZATION, Column, Table
from scfm_assets.tables.schema import comment, ddl

if TYPE_CHECKING:
    import duckdb


LATEST = Table(
    "latest",
    "One row: a materialization that holds now.",
    (
        MATERIALIZATION,
        Column("asset", "VARCHAR", "Asset, as evaluation/metrics."),
        Column("partition", "VARCHAR", "Partition key as the store writes it.", nullable=True),
    ),
    key=("materialization",),
)
"""Filled from the store's manifests when the views are made: rows of all others belong to earlier checkpoints."""


def _must(name: str, type_: str, doc: str) -> Column:
    return Column(name, type_, doc)


def _may(name: str, type_: str, doc: str) -> Column:
    return Column(name, type_, doc, nullable=True)


LINEAGE = Table(
    "lineage",
    "One row: Dagster was told that an asset is materialized, because it was made or because it was kept.",
    (
        _must("storage_id", "BIGINT", "Place in Dagster's event log; a log that is begun anew counts from 1 again."),
        _may("materialization", "VARCHAR", "Id of the materialization; NULL where an earlier row has it already."),
        _may("keeps", "VARCHAR", "Id of the stored materialization that was kept; NULL where one was made."),
        _may("run_id", "VARCHAR", "Dagster's run; NULL for an event outside of runs."),
        _must("asset", "VARCHAR", "Asset, as evaluation/metrics."),
        _may("partition", "VARCHAR", "Dagster's partition key; NULL for an asset without partitions."),
        _may("tissue", "VARCHAR", "Tissue of the partition."),
        _may("n_cells", "INTEGER", "Cells of each repeat of the slice."),
        _must("code_version", "VARCHAR", "Version of the asset's code."),
        _must("config", "VARCHAR", "Digest of the catalog entries that the output depends on."),
        _may("data_version", "VARCHAR", "Digest of the content."),
        _may("checkpoint", "VARCHAR", "First 12 hex digits of the digest of the model's files, for a model's assets."),
        _may("fingerprint", "JSON", "What the model is: layers, heads, parameters, ..."),
        _may("device", "VARCHAR", "Where forward passes ran: cpu, cuda, mps."),
        _may("precision", "VARCHAR", "Their precision: fp32, tf32, bf16."),
        _may("seconds", "DOUBLE", "Seconds that making it took."),
        _may("peak_memory_bytes", "BIGINT", "Largest memory of the process by then, in bytes."),
        _must("packages", "JSON", "Package -> version."),
        _may("python", "VARCHAR", "Version of Python."),
        _may("platform", "VARCHAR", "Operating system and processor."),
        _may("git_commit", "VARCHAR", "Commit of the checkout, with -dirty where files differed; NULL outside of one."),
        _may("simulated", "BOOLEAN", "Whether anything that it was made of is simulated."),
        _must("kept", "BOOLEAN", "Whether nothing was computed, because the stored output was fresh."),
        _must("made_at", "TIMESTAMP", "When it was made (UTC)."),
        _must("recorded_at", "TIMESTAMP", "When Dagster was told (UTC)."),
    ),
    key=("storage_id", "recorded_at"),
)

LINEAGE_INPUT = Table(
    "lineage_input",
    "One row: something that a materialization was made of, and exactly which materialization or version of it.",
    (
        _must("materialization", "VARCHAR", "Id of the materialization that reads."),
        _must("input", "VARCHAR", "What is read: an asset or source, with its partition in brackets."),
        _must("asset", "VARCHAR", "Its name without the partition."),
        _may("partition", "VARCHAR", "Its partition key; NULL where it has none."),
        _must("version", "VARCHAR", "Digest of its content."),
        _may("upstream", "VARCHAR", "Id of the materialization that was read; NULL for a source."),
    ),
)

LINEAGE_SOURCE = Table(
    "lineage_source",
    "One row: a file behind a source that a materialization depends on; for simulated data, its specification.",
    (
        _must("materialization", "VARCHAR", "Id of the materialization that depends on it."),
        _must("source", "VARCHAR", "The source, with its partition in brackets: an `input` of lineage_input."),
        _must("version", "VARCHAR", "Digest of the source's content."),
        _must("file", "VARCHAR", "Name of the file; `simulation` for what is simulated."),
        _must(
            "digest",
            "VARCHAR",
            "First 20 hex digits of the SHA-256 of the file, or of the specification that is simulated.",
        ),
    ),
)

RUNS = Table(
    "runs",
    "One row: a run of Dagster's and how it went.",
    (
        _must("run_id", "VARCHAR", "Id of the run, as in lineage."),
        _must("job", "VARCHAR", "Job that ran."),
        _must("status", "VARCHAR", "QUEUED, STARTED, SUCCESS, FAILURE, ... when Dagster's records were last read."),
        _may("started_at", "TIMESTAMP", "When it started (UTC)."),
        _may("ended_at", "TIMESTAMP", "When it ended (UTC); NULL for one that goes on or was killed."),
        _may("partition", "VARCHAR", "Partition key that it was started for."),
        _may("backfill", "VARCHAR", "Backfill that it belongs to."),
        _may("catalog", "VARCHAR", "Catalog that `scfm run` took."),
        _must("tags", "JSON", "All tags of the run."),
    ),
    key=("run_id",),
)

LINEAGE_POSITION = Table(
    "lineage_position",
    "One row in all: how far Dagster's records have been read.",
    (
        _must("storage_id", "BIGINT", "Last materialization that was there; 0 if none was."),
        _may("recorded_at", "TIMESTAMP", "When Dagster was told of it (UTC)."),
        _may("runs_at", "TIMESTAMP", "Last change of any run (UTC)."),
    ),
)

LINEAGE_TABLES = (LINEAGE, LINEAGE_INPUT, LINEAGE_SOURCE, RUNS, LINEAGE_POSITION)

ONE_ROW_PER_ID = 'create unique index if not exists "lineage_materialization" on lineage (materialization)'


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of lineage that are missing, and add the columns that a newer release declares."""
    stored: dict[str, set[str]] = {}
    for table, column in con.execute(
        "select table_name, column_name from duckdb_columns() where not internal"
    ).fetchall():
        stored.setdefault(table, set()).add(column)
    for table in LINEAGE_TABLES:
        if table.name not in stored:
            _create(con, table)
        elif new := [column for column in table.columns if column.name not in stored[table.name]]:
            for column in new:
                con.execute(f'alter table "{table.name}" add column "{column.name}" {column.type}')
            comment(con, table)


def _create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    con.execute(ddl(table))
    comment(con, table)
    if table.key:
        key = ", ".join(f'"{name}"' for name in table.key)
        con.execute(f'create unique index "{table.name}_key" on "{table.name}" ({key})')
    if table is LINEAGE:
        con.execute(ONE_ROW_PER_ID)
