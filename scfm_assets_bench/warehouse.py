"""The SQL file at sizes that a year of work may bring: many events of lineage, many rows of metrics."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from scfm_assets.home import PACKAGE
from scfm_assets_bench.measure import once
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated_home import metrics_home, recorded_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import dagster as dg

    from scfm_assets_bench.settings import BenchSettings, Tell

BENCH = "warehouse"
SQL = PACKAGE / "sql"
SAMPLE = 500
"""Events that the baseline of the lineage projection inserts, one by one; its time is extrapolated."""

NOTES = (
    "Lineage: events as scfm run leaves them, each with eight inputs, in SQLite; against one "
    f"insert per row, its time extrapolated from {SAMPLE} events.",
    "Queries: each shipped query asked of a fresh read-only connection, as `scfm sql` does it; against pandas "
    "reading the table's files once, before any question.",
)


def run(settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Project lineage, look for news, and ask the ten questions."""
    with tempfile.TemporaryDirectory(prefix="scfm-bench-") as folder:
        yield from lineage(Path(folder) / "lineage", 2_000 if settings.quick else 100_000, tell)
        slices = (2, 3) if settings.quick else (25, 10)
        yield from queries(Path(folder) / "metrics", slices, settings.repeats or 3, tell)


# Lineage ----------------------------------------------------------------------------------------------------------


def lineage(home: Path, events: int, tell: Tell) -> Iterator[Result]:
    """Time the projection of an event log, and a look at one that has not grown."""
    from scfm_assets.resources.files import files_of
    from scfm_assets.warehouse.lineage.projection import sync_lineage

    tell(f"writing {events:,} events")
    with recorded_instance(home / "dagster", events) as instance:
        tell("projecting them")
        projected = once(lambda: sync_lineage(home, files_of(home), instance))
        if projected.value != events:
            msg = f"{projected.value} of {events} events became rows of lineage"
            raise RuntimeError(msg)
        theirs = once(lambda: _row_by_row(instance)).wall * events / SAMPLE
        yield Result(
            BENCH,
            f"lineage of {events:,} events",
            f"an insert per row, {events // SAMPLE} x {SAMPLE} events (extrapolated)",
            ratio=theirs / projected.wall,
            seconds=projected.wall,
            baseline_seconds=theirs,
        )
        looks = [once(lambda: sync_lineage(home, files_of(home), instance)).wall for _ in range(5)]
        yield Result(
            BENCH,
            "a sync with nothing new",
            "projecting all of it",
            ratio=projected.wall / median(looks),
            seconds=median(looks),
            baseline_seconds=projected.wall,
        )


def _row_by_row(instance: dg.DagsterInstance) -> None:
    """Project the first events as one would at first: a statement for each row."""
    import json

    import dagster as dg
    import duckdb

    event_filter = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
    records = instance.event_log_storage.get_event_records(event_filter, limit=SAMPLE, ascending=True)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/naive.duckdb") as con:
        con.execute("create table lineage (id bigint primary key, run_id text, asset text, partition text, facts json)")
        con.execute("create table lineage_input (id bigint, input text, version text, upstream text)")
        for record in records:
            event: Any = record.asset_materialization
            made_of, key = event.metadata["made_of"].value, "/".join(event.asset_key.path)
            row = [record.storage_id, record.run_id, key, event.partition, json.dumps(made_of["facts"])]
            con.execute("insert or ignore into lineage values (?, ?, ?, ?, ?)", row)
            for name, (version, upstream) in made_of["inputs"].items():
                con.execute("insert into lineage_input values (?, ?, ?, ?)", [row[0], name, version, upstream])


# Questions --------------------------------------------------------------------------------------------------------


def queries(home: Path, slices: tuple[int, int], repeats: int, tell: Tell) -> Iterator[Result]:
    """Time each question that comes with the platform."""
    import pandas as pd

    from scfm_assets.resources.files import files_of
    from scfm_assets.warehouse.publish import publish
    from scfm_assets.warehouse.query import query

    n_rows = metrics_home(home, slices, tell)
    publish(home, files_of(home))
    tables = home / "store" / "tables" / "metrics"
    tell("pandas reads the table")
    read = once(lambda: len(pd.concat(pd.read_parquet(file) for file in sorted(tables.rglob("data.parquet")))))
    for file in sorted(SQL.glob("*.sql")):
        tell(f"asking {file.stem}")
        sql = file.read_text(encoding="utf-8")
        ask: Callable[[], str] = lambda sql=sql: query(home, sql)  # noqa: E731
        seconds = median(once(ask).wall for _ in range(repeats))
        yield Result(
            BENCH,
            f"{file.stem}, {n_rows:,} rows of metrics",
            "pandas reads metrics once",
            ratio=read.wall / seconds,
            seconds=seconds,
            baseline_seconds=read.wall,
        )
