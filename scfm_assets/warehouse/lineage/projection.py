"""Lineage: which data, code and weights made every number, projected from Dagster's records into the SQL file.

Dagster's records are the truth and these tables are a view of them that SQL can join. They are brought up to date in
the copy that `publish` swaps in, in one transaction: a kill at any moment leaves the old tables, and the next call
goes on from there. Calling twice adds nothing.

Only materializations that carry our metadata (`materialization` and `made_of`) become rows. Others, as the button
"Report materialization" in the UI makes them, or assets that a user adds to the code location, do not say what they are
made of: a row without inputs would look like a number that is made of nothing.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from scfm_assets.engine.dagster_internals import BACKFILL_TAG, PARTITION_TAG, VERSION_TAG, materialization_records
from scfm_assets.tables.lineage import LINEAGE, LINEAGE_INPUT, LINEAGE_SOURCE, RUNS, create_tables
from scfm_assets.warehouse.publish import publish
from scfm_assets.warehouse.query import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from scfm_assets.tables.columns import Table
    from scfm_assets.warehouse.publish import StoredFiles

OVERLAP = 200
"""Ids read again each time: on PostgreSQL, events of concurrent writers may become visible late."""
RUN_OVERLAP = timedelta(minutes=1)
"""The same for runs, whose changes are found by time, and by the clocks of several machines."""
BATCH = 500
"""Events fetched at once: each may carry plots of 50 kB."""
BLOCK = 10_000
"""Events inserted at once."""


@dataclass(frozen=True)
class Position:
    """How far Dagster's records go, or how far they have been read."""

    storage_id: int
    recorded_at: datetime | None
    runs_at: datetime | None

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> Position:
        """Tell how far the records go now."""
        events = materialization_records(instance, limit=1, ascending=False)
        runs = instance.get_run_records(limit=1, order_by="update_timestamp")
        last = (events[0].storage_id, _time(events[0].timestamp)) if events else (0, None)
        return cls(*last, _naive(runs[0].update_timestamp) if runs else None)


START = Position(0, None, None)


def sync_lineage(home: Path, files: StoredFiles, instance: dg.DagsterInstance) -> int:
    """Bring the lineage in ``<home>/scfm.duckdb`` up to date, if anything happened since the last time.

    Parameters
    ----------
    home, files
        As for `publish`.
    instance
        Whose records are read.

    Returns
    -------
    int
        Rows added to `lineage`.
    """
    if not is_behind(home, instance):
        return 0
    added: list[int] = []
    publish(home, files, fill=lambda con: added.append(sync(instance, con)))
    return sum(added)


def is_behind(home: Path, instance: dg.DagsterInstance) -> bool:
    """Tell whether something happened in Dagster that the lineage in ``<home>/scfm.duckdb`` does not hold."""
    return _published_position(home) != Position.of(instance)


def sync(instance: dg.DagsterInstance, con: duckdb.DuckDBPyConnection) -> int:
    """Project what happened since the last call into the tables of lineage, making them if need be.

    An event is known by its id and time, so that a log that was begun anew, whose ids start at 1 again, adds to what
    the old one left.

    Parameters
    ----------
    instance
        Whose records are read.
    con
        Connection to the SQL file that `publish` is about to swap in.

    Returns
    -------
    int
        Rows added to `lineage`.
    """
    with _all_or_nothing(con):
        create_tables(con)
        known = _position(con) or START
        reached = Position.of(instance)  # before reading: what happens meanwhile may be read again
        added = sum(_insert_events(con, block) for block in _blocks(_events_since(instance, known)))
        _update_runs(con, instance, known.runs_at)
        con.execute("delete from lineage_position")
        con.execute("insert into lineage_position values (?, ?, ?)", astuple(reached))
    return added


@contextmanager
def _all_or_nothing(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()


def _published_position(home: Path) -> Position | None:
    import duckdb

    path = home.absolute() / NAME
    if not path.is_file():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            return _position(con)
    except (duckdb.CatalogException, duckdb.IOException):  # no lineage yet, or a user writes to it: publish sees to it
        return None


def _position(con: duckdb.DuckDBPyConnection) -> Position | None:
    rows = con.execute("select storage_id, recorded_at, runs_at from lineage_position").fetchall()
    return Position(*rows[0]) if rows else None


# Reading Dagster's records ------------------------------------------------------------------------------------------


def _events_since(instance: dg.DagsterInstance, known: Position) -> Iterator[dg.EventLogRecord]:
    """The events after a position and a few before it; all of them if it is not one of this log."""
    last = materialization_records(instance, limit=1, ascending=True, storage_ids=[known.storage_id])
    same_log = bool(last) and _time(last[0].timestamp) == known.recorded_at
    cursor = max(0, known.storage_id - OVERLAP) if same_log else 0
    while records := materialization_records(instance, limit=BATCH, ascending=True, after_cursor=cursor):
        yield from records
        cursor = records[-1].storage_id


@dataclass(frozen=True)
class MaterializationRows:
    """What one event of ours says was made, and of what."""

    row: dict[str, Any]
    made_of: Mapping[str, Any]

    def inputs(self) -> Iterator[dict[str, Any]]:
        """Rows of `lineage_input`."""
        for label, (version, upstream) in self.made_of["inputs"].items():
            asset, _, rest = label.partition("[")
            read = {"input": label, "asset": asset, "partition": rest.removesuffix("]") or None}
            yield {**self._id, **read, "version": version, "upstream": upstream or None}

    def sources(self) -> Iterator[dict[str, Any]]:
        """Rows of `lineage_source`."""
        for label, files in self.made_of["sources"].items():
            version, _ = self.made_of["inputs"][label]
            for file, digest in files.items():
                yield {**self._id, "source": label, "version": version, "file": file, "digest": digest}

    @property
    def _id(self) -> dict[str, Any]:
        return {"materialization": self.row["materialization"]}


def _blocks(records: Iterator[dg.EventLogRecord]) -> Iterator[list[MaterializationRows]]:
    """What our events say, many at a time."""
    events = (event for record in records if (event := _materialization(record)) is not None)
    while block := list(islice(events, BLOCK)):
        yield block


def _materialization(record: dg.EventLogRecord) -> MaterializationRows | None:
    """Take from an event what becomes rows; None for one that is not ours."""
    event = record.asset_materialization
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()} if event else {}
    if event is None or not metadata.get("materialization") or "made_of" not in metadata:
        return None
    made_of, tags = metadata["made_of"], event.tags or {}
    facts, environment, kept = made_of["facts"], made_of["environment"], bool(metadata.get("kept"))
    n_cells = tags.get(f"{PARTITION_TAG}/n_cells")
    row = {
        "storage_id": record.storage_id,
        "materialization": metadata["materialization"],
        "keeps": metadata["materialization"] if kept else None,
        "run_id": record.run_id or None,
        "asset": "/".join(event.asset_key.path),
        "partition": None if event.partition is None else str(event.partition),
        "tissue": tags.get(f"{PARTITION_TAG}/tissue", event.partition),
        "n_cells": None if n_cells is None else int(n_cells),
        "code_version": made_of["code"],
        "config": made_of["config"],
        "data_version": tags.get(VERSION_TAG),
        **{name: facts.get(name) for name in ("checkpoint", "device", "precision", "seconds", "peak_memory_bytes")},
        "fingerprint": _fingerprint(facts),
        "packages": json.dumps(environment.get("packages", {})),
        **{name: environment.get(name) for name in ("python", "platform")},
        "git_commit": environment.get("commit"),
        "simulated": facts.get("simulated"),
        "kept": kept,
        "made_at": _naive(datetime.fromisoformat(made_of["made_at"])),
        "recorded_at": _time(record.timestamp),
    }
    return MaterializationRows(row, made_of)


def _fingerprint(facts: Mapping[str, Any]) -> str | None:
    model = {name.removeprefix("model_"): value for name, value in facts.items() if name.startswith("model_")}
    return json.dumps(model) if model else None


def _run(record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "status": run.status.value,
        "started_at": _time(record.start_time),
        "ended_at": _time(record.end_time),
        "partition": run.tags.get(PARTITION_TAG),
        "backfill": run.tags.get(BACKFILL_TAG),
        "catalog": run.tags.get("scfm/catalog"),
        "tags": json.dumps(dict(run.tags)),
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _naive(datetime.fromtimestamp(seconds, UTC))


def _naive(time: datetime) -> datetime:
    """A time as the tables hold it: in UTC, without saying so."""
    return time.astimezone(UTC).replace(tzinfo=None)


# Writing rows -------------------------------------------------------------------------------------------------------

INSERT_INPUTS = "insert into lineage_input by name from new_inputs anti join lineage using (materialization)"
INSERT_SOURCES = "insert into lineage_source by name from new_sources anti join lineage using (materialization)"
INSERT_EVENTS = """
insert into lineage by name
select new.* replace (
    case
        when known.materialization is null
         and row_number() over (partition by new.materialization order by new.storage_id) = 1
        then new.materialization
    end as materialization
)
from new_events new left join lineage known using (materialization)
where not exists (
    from lineage old where old.storage_id = new.storage_id and old.recorded_at = new.recorded_at
)
"""
"""The first event of an id carries it, even one that says `kept`: a run that is killed between writing an output and
telling Dagster leaves that to the next run, which keeps the output."""


def _rows(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as Arrow, which DuckDB takes in bulk."""
    return table.rows(rows, stamped=())


def _insert_events(con: duckdb.DuckDBPyConnection, block: list[MaterializationRows]) -> int:
    """Insert what is new; return the number of rows added to `lineage`."""
    first = {event.row["materialization"]: event for event in reversed(block)}.values()
    con.register("new_inputs", _rows(LINEAGE_INPUT, chain.from_iterable(event.inputs() for event in first)))
    con.register("new_sources", _rows(LINEAGE_SOURCE, chain.from_iterable(event.sources() for event in first)))
    con.register("new_events", _rows(LINEAGE, [event.row for event in block]))
    con.execute(INSERT_INPUTS)
    con.execute(INSERT_SOURCES)
    added = con.execute(INSERT_EVENTS).fetchall()[0][0]
    for name in ("new_inputs", "new_sources", "new_events"):
        con.unregister(name)
    return added


def _update_runs(con: duckdb.DuckDBPyConnection, instance: dg.DagsterInstance, since: datetime | None) -> None:
    """Take over the runs that changed, with their present status."""
    changed = dg.RunsFilter(updated_after=since - RUN_OVERLAP) if since else None
    con.register("new_runs", _rows(RUNS, map(_run, instance.get_run_records(changed))))
    con.execute("insert or replace into runs by name from new_runs")
    con.unregister("new_runs")
