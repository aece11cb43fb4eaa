"""Lineage as a projection of Dagster's records: of events that the tests report, and of platforms that really ran."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import duckdb
import pytest

from scfm_assets.engine.declare import Job
from scfm_assets.engine.make import materialize
from scfm_assets.errors import ScfmError
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets.tables.lineage import LINEAGE, LINEAGE_TABLES, create_tables
from scfm_assets.tables.platform import TABLES
from scfm_assets.tables.schema import ddl
from scfm_assets.warehouse.lineage import projection as lineage
from scfm_assets.warehouse.lineage import tree as lineage_tree
from scfm_assets.warehouse.lineage.projection import is_behind, sync
from scfm_assets.warehouse.query import query
from scfm_assets_tests.platforms import Home
from scfm_assets_tests.published import publish, sync_lineage

PACKAGES = {"torch": "2.6.0", "numpy": "2.0.0"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def report(
    instance: dg.DagsterInstance,
    id_: str,
    asset: str = "atlas/processed",
    *,
    tissue: str | None = "lung",
    n_cells: int | None = None,
    inputs: dict[str, tuple[str, str | None]] | None = None,
    sources: dict[str, dict[str, str]] | None = None,
    kept: bool = False,
    version: str = "content",
    **different: Any,
) -> None:
    """Tell Dagster of a materialization as an asset of the platform does."""
    made_of = {
        "materialization": id_,
        "made_at": "2026-01-02T03:04:05.678+00:00",
        "code": "1",
        "config": "config",
        "inputs": {label: list(read) for label, read in (inputs or {}).items()},
        "sources": sources or {},
        "environment": {"python": "3.11.7", "platform": "Linux x86_64", "commit": "abc", "packages": PACKAGES},
        "facts": {"seconds": 1.5},
        **different,
    }
    dimensions = {"tissue": tissue, "n_cells": n_cells} if n_cells else {}
    event = dg.AssetMaterialization(
        dg.AssetKey(asset.split("/")),
        partition=f"{n_cells}|{tissue}" if n_cells else tissue,
        metadata={
            "materialization": id_,
            "made_of": dg.MetadataValue.json(made_of),
            "rows": 3,
            **({"kept": True} if kept else {}),
        },
        tags={"dagster/data_version": version, **{f"dagster/partition/{k}": str(v) for k, v in dimensions.items()}},
    )
    instance.report_runless_asset_event(event)


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return con.execute(sql).fetchall()


def everything(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    return {table.name: rows(con, f'from "{table.name}" order by all') for table in LINEAGE_TABLES}


# What becomes a row -------------------------------------------------------------------------------------------------


def test_a_materialization_is_one_row_with_what_it_was_made_of(instance, con):
    report(
        instance,
        "a1",
        "models/m/attention_increment",
        n_cells=20,
        inputs={"models/m/tokenized_cells[20|lung]": ("v1", "b2"), "models/m/checkpoint": ("v2", None)},
        sources={"models/m/checkpoint": {"config.json": "c", "model.safetensors": "d"}},
        facts={
            "checkpoint": "v2", "device": "cuda", "precision": "bf16", "seconds": 1.5, "simulated": False,
            "peak_memory_bytes": 2**40, "model_layers": 6, "model_family": "geneformer", "base": 10,
        },
    )  # fmt: skip
    assert sync(instance, con) == 1
    (row,) = con.sql("from lineage").to_arrow_table().to_pylist()
    assert json.loads(row.pop("fingerprint")) == {"layers": 6, "family": "geneformer"}
    assert json.loads(row.pop("packages")) == PACKAGES
    made_at, recorded_at = row.pop("made_at"), row.pop("recorded_at")
    assert made_at.isoformat() == "2026-01-02T03:04:05.678000"
    assert recorded_at > made_at
    assert row == {
        "storage_id": 1, "materialization": "a1", "keeps": None, "run_id": None,
        "asset": "models/m/attention_increment", "partition": "20|lung", "tissue": "lung", "n_cells": 20,
        "code_version": "1", "config": "config", "data_version": "content", "checkpoint": "v2", "device": "cuda",
        "precision": "bf16", "seconds": 1.5, "peak_memory_bytes": 2**40, "python": "3.11.7",
        "platform": "Linux x86_64", "git_commit": "abc", "simulated": False, "kept": False,
    }  # fmt: skip
    assert rows(con, "from lineage_input order by input") == [
        ("a1", "models/m/checkpoint", "models/m/checkpoint", None, "v2", None),
        ("a1", "models/m/tokenized_cells[20|lung]", "models/m/tokenized_cells", "20|lung", "v1", "b2"),
    ]
    assert rows(con, "from lineage_source order by file") == [
        ("a1", "models/m/checkpoint", "v2", "config.json", "c"),
        ("a1", "models/m/checkpoint", "v2", "model.safetensors", "d"),
    ]


@pytest.mark.parametrize(
    ("tissue", "partition"), [("lung", "lung"), (None, None)], ids=["of a tissue", "without partitions"]
)
def test_the_place_of_an_asset_without_slices(instance, con, tissue, partition):
    report(instance, "a1", tissue=tissue)
    sync(instance, con)
    assert rows(con, "select partition, tissue, n_cells from lineage") == [(partition, tissue, None)]


def test_events_that_are_not_ours_leave_no_row(instance, con):
    instance.report_runless_asset_event(dg.AssetMaterialization("somebody's"))
    instance.report_runless_asset_event(dg.AssetMaterialization("partly", metadata={"materialization": "a1"}))
    instance.report_runless_asset_event(dg.AssetObservation("seen", metadata={"materialization": "a1"}))
    assert sync(instance, con) == 0
    report(instance, "a1")
    assert sync(instance, con) == 1
    assert rows(con, "select materialization, asset from lineage") == [("a1", "atlas/processed")]


def test_a_kept_output_is_a_row_that_names_what_it_keeps(instance, con):
    read = {"atlas/raw[lung]": ("v", None)}
    report(instance, "a1", inputs=read, sources={"atlas/raw[lung]": {"lung.h5ad": "f"}})
    report(instance, "a1", inputs=read, sources={"atlas/raw[lung]": {"lung.h5ad": "f"}}, kept=True)
    sync(instance, con)
    report(instance, "a1", inputs=read, sources={"atlas/raw[lung]": {"lung.h5ad": "f"}}, kept=True)
    sync(instance, con)
    told = rows(con, "select storage_id, materialization, keeps, kept from lineage order by 1")
    assert told == [(1, "a1", None, False), (2, None, "a1", True), (3, None, "a1", True)]
    assert rows(con, "select count(*) from lineage_input") == rows(con, "select count(*) from lineage_source") == [(1,)]


def test_an_id_whose_first_event_was_lost_gets_its_row_from_the_one_that_keeps_it(instance, con):
    report(instance, "a1", kept=True, inputs={"atlas/raw[lung]": ("v", None)})
    report(instance, "a1", kept=True, inputs={"atlas/raw[lung]": ("v", None)})
    sync(instance, con)
    assert rows(con, "select materialization, keeps, kept from lineage order by storage_id") == [
        ("a1", "a1", True),
        (None, "a1", True),
    ]
    assert rows(con, "select materialization, input from lineage_input") == [("a1", "atlas/raw[lung]")]


# Reading the log ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Few events at a time, so that a few events are many."""
    for name, value in {"OVERLAP": 3, "BATCH": 4, "BLOCK": 5}.items():
        monkeypatch.setattr(lineage, name, value)


@pytest.mark.parametrize("first", [0, 1, 4, 12, 25])
def test_a_log_read_in_two_goes_is_the_log_read_at_once(small, instance, con, first):
    ids = [f"id{i % 17}" for i in range(25)]
    for i, id_ in enumerate(ids):
        report(instance, id_, kept=i >= 17, inputs={f"atlas/raw[t{id_}]": ("v", None)})
        if i + 1 == first:
            assert sync(instance, con) == first
    assert sync(instance, con) == 25 - first
    before = everything(con)
    assert sync(instance, con) == 0
    assert everything(con) == before
    with duckdb.connect() as other:
        assert sync(instance, other) == 25
        assert everything(other) == before
    assert rows(con, "select count(*), count(materialization), count(distinct materialization) from lineage") == [
        (25, 17, 17)
    ]
    assert rows(con, "select count(*), count(distinct materialization) from lineage_input") == [(17, 17)]


def test_an_event_that_becomes_visible_late_is_not_lost(small, instance, con, monkeypatch):
    """On PostgreSQL a writer that commits late shows an id below those already read."""
    for i in range(6):
        report(instance, f"id{i}")
    read = instance.event_log_storage.get_event_records

    def without_the_fifth(*args: Any, **options: Any) -> list[dg.EventLogRecord]:
        return [record for record in read(*args, **options) if record.storage_id != 5]

    with monkeypatch.context() as patched:
        patched.setattr(instance.event_log_storage, "get_event_records", without_the_fifth)
        assert sync(instance, con) == 5
    assert sync(instance, con) == 1
    assert rows(con, "select list(storage_id order by storage_id) from lineage") == [([1, 2, 3, 4, 5, 6],)]


def test_a_log_that_was_begun_anew_adds_to_the_old_one(small, con):
    """Somebody removes the folder of Dagster's records: ids start at 1 again, the outputs are kept."""
    with dg.DagsterInstance.ephemeral() as old:
        for i in range(9):
            report(old, f"id{i}")
        assert sync(old, con) == 9
    with dg.DagsterInstance.ephemeral() as new:
        report(new, "id3", kept=True)
        report(new, "new")
        assert sync(new, con) == 2
        assert sync(new, con) == 0
        for i in range(20):
            report(new, f"newer{i}")
        assert sync(new, con) == 20
    assert rows(con, "select count(materialization), count(*) from lineage") == [(30, 31)]


def test_runs_carry_their_present_status(instance, con):
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def job() -> None:
        nothing()

    tags = {"scfm/catalog": "demo", "dagster/partition": "20|lung", "dagster/backfill": "b", "other": "o"}
    run = instance.create_run_for_job(job, tags=tags)
    sync(instance, con)
    assert rows(con, "select run_id, job, status, ended_at, partition, backfill, catalog from runs") == [
        (run.run_id, "job", "NOT_STARTED", None, "20|lung", "b", "demo")
    ]
    assert json.loads(rows(con, "select tags from runs")[0][0])["other"] == "o"
    instance.report_run_failed(run)
    assert job.execute_in_process(instance=instance).success
    sync(instance, con)
    assert rows(con, "select status, ended_at is null, started_at <= ended_at from runs order by status") == [
        ("FAILURE", False, None),
        ("SUCCESS", False, True),
    ]


# The SQL file -------------------------------------------------------------------------------------------------------


def test_nothing_is_copied_when_nothing_happened(instance, tmp_path):
    assert is_behind(tmp_path, instance)
    report(instance, "a1")
    assert sync_lineage(tmp_path, instance) == 1
    before = (tmp_path / "scfm.duckdb").stat()
    assert not is_behind(tmp_path, instance)
    assert sync_lineage(tmp_path, instance) == 0
    assert (tmp_path / "scfm.duckdb").stat().st_ino == before.st_ino
    report(instance, "a2")
    assert is_behind(tmp_path, instance)
    assert sync_lineage(tmp_path, instance) == 1


def test_a_run_that_starts_or_ends_is_something_that_happened(instance, tmp_path):
    @dg.job
    def job() -> None: ...

    sync_lineage(tmp_path, instance)
    run = instance.create_run_for_job(job)
    assert is_behind(tmp_path, instance)
    sync_lineage(tmp_path, instance)
    assert not is_behind(tmp_path, instance)
    instance.report_run_canceled(run)
    assert is_behind(tmp_path, instance)
    sync_lineage(tmp_path, instance)
    assert json.loads(query(tmp_path, "select status from runs", "json")) == [{"status": "CANCELED"}]


def test_an_sql_file_without_lineage_is_behind(instance, tmp_path):
    publish(tmp_path)
    assert is_behind(tmp_path, instance)
    sync_lineage(tmp_path, instance)
    assert not is_behind(tmp_path, instance)
    publish(tmp_path)
    assert not is_behind(tmp_path, instance)


def test_a_failure_half_way_leaves_the_old_lineage_and_the_next_call_goes_on(instance, tmp_path, monkeypatch):
    report(instance, "a1")
    sync_lineage(tmp_path, instance)
    before = (tmp_path / "scfm.duckdb").read_bytes()
    report(instance, "a2")

    def stop(*_: object) -> None:
        raise RuntimeError("stop")

    with monkeypatch.context() as patched:
        patched.setattr(lineage, "_update_runs", stop)
        with pytest.raises(RuntimeError, match="stop"):
            sync_lineage(tmp_path, instance)
    assert (tmp_path / "scfm.duckdb").read_bytes() == before
    assert is_behind(tmp_path, instance)
    assert sync_lineage(tmp_path, instance) == 1


def test_a_failure_half_way_leaves_no_half_of_it_in_the_connection(instance, con, monkeypatch):
    report(instance, "a1")
    sync(instance, con)
    before = everything(con)
    report(instance, "a2")
    with monkeypatch.context() as patched:
        patched.setattr(lineage, "_update_runs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sync(instance, con)
    assert everything(con) == before
    assert sync(instance, con) == 1


def test_a_user_who_writes_to_the_file_does_not_stop_lineage(instance, tmp_path):
    report(instance, "a1")
    sync_lineage(tmp_path, instance)
    report(instance, "a2")
    code = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "scfm.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        assert sync_lineage(tmp_path, instance) == 1
        writer.stdin.close()


def test_columns_of_a_newer_release_are_added_and_rows_stay(instance, con):
    older = replace(LINEAGE, columns=tuple(c for c in LINEAGE.columns if c.name not in {"platform", "fingerprint"}))
    con.execute(ddl(older))
    con.execute(
        """
        insert into lineage by name
        select 7 as storage_id, 'a0' as materialization, 'x' as asset, '1' as code_version, 'c' as config,
               '{}' as packages, false as kept, now()::timestamp as made_at, now()::timestamp as recorded_at
        """
    )
    report(instance, "a1")
    assert sync(instance, con) == 1
    assert rows(con, "select materialization, platform from lineage order by 1") == [
        ("a0", None),
        ("a1", "Linux x86_64"),
    ]
    assert rows(con, "select column_name from duckdb_columns() where not internal and comment is null") == []


def test_tables_and_columns_carry_their_sentences(con):
    create_tables(con)
    create_tables(con)
    for table in LINEAGE_TABLES:
        assert table.doc.startswith("One row")
        said = f"{table.doc} Key: {', '.join(table.key)}." if table.key else table.doc
        assert rows(con, f"select comment from duckdb_tables() where table_name = '{table.name}'") == [(said,)]
        columns = (
            f"select column_name, comment from duckdb_columns() where table_name = '{table.name}' order by column_index"
        )
        assert rows(con, columns) == [(column.name, column.doc) for column in table.columns]
    assert {table.name for table in LINEAGE_TABLES} & TABLES.keys() == set()


# A platform that ran ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(finished: Home) -> Home:
    """The finished platform, with lineage."""
    sync_lineage(finished.folder, finished.instance)
    return finished


@pytest.fixture
def asked(known: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(known.folder / "scfm.duckdb"), read_only=True) as found:
        yield found


def test_every_row_of_every_table_joins_to_exactly_one_row_of_lineage(asked):
    there = {name for (name,) in rows(asked, "select view_name from duckdb_views() where not internal")} & TABLES.keys()
    assert {"metrics", "scaling_curves", "edge_scores", "cell_sets", "gene_panel", "networks"} <= there
    for table in there:
        joined = f"select count(*) from {table} t join lineage l on l.materialization = t.materialization"
        assert rows(asked, joined) == rows(asked, f"select count(*) from {table}")
    assert rows(asked, "select count(*) > 1000 from metrics") == [(True,)]
    wrong = (
        "from metrics m join lineage l using (materialization) where l.asset <> 'evaluation/metrics' "
        "or l.tissue <> m.tissue or l.n_cells <> m.n_cells or l.simulated <> m.simulated"
    )
    assert rows(asked, wrong) == []


def test_every_number_goes_back_to_files_or_a_simulation(known, asked):
    """Follow all rows of metrics, each step by its exact materialization, to leaves that have digests."""
    lineage_rows = {row[0]: row[1:] for row in rows(asked, "select materialization, asset, data_version from lineage")}
    inputs: dict[str, list[tuple]] = {}
    for reader, *read in rows(asked, "select materialization, input, asset, version, upstream from lineage_input"):
        inputs.setdefault(reader, []).append(tuple(read))
    files: dict[tuple[str, str], dict[str, str]] = {}
    for reader, source, file, digest in rows(asked, "select materialization, source, file, digest from lineage_source"):
        files.setdefault((reader, source), {})[file] = digest

    def leaves(id_: str) -> dict[str, dict[str, str]]:
        found = {}
        assert inputs[id_]
        for label, asset, version, upstream in inputs[id_]:
            if upstream is None:
                assert files[id_, label]
                found[label] = files[id_, label]
            else:
                assert lineage_rows[upstream] == (asset, version)
                found |= leaves(upstream)
        return found

    weights = {
        f"models/{model}/checkpoint": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:20]
            for path in checkpoints.checkpoint_folder(known.catalog, model).iterdir()
            if path.suffix in {".json", ".safetensors"}
        }
        for model in ("planted", "random")
    }
    numbers = rows(asked, "select materialization, any_value(tissue), count(*) from metrics group by 1")
    assert sum(count for *_, count in numbers) == rows(asked, "select count(*) from metrics")[0][0] > 1000
    for id_, tissue, _ in numbers:
        found = leaves(id_)
        assert set(found) == {f"atlas/raw[{tissue}]", "networks/truth_source", *weights}
        for model, digests in weights.items():
            assert found[model].items() <= digests.items()
            assert "model.safetensors" in found[model]
        assert set(found["networks/truth_source"]) == set(found[f"atlas/raw[{tissue}]"]) == {"simulation"}


def test_lineage_is_the_event_log(known, asked):
    filters = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = known.instance.event_log_storage.get_event_records(filters)
    told = {(event.storage_id, event.run_id, "/".join(event.asset_key.path), event.partition_key) for event in events}
    assert set(rows(asked, "select storage_id, run_id, asset, partition from lineage")) == told
    assert rows(asked, "select count(*), count(materialization) from lineage") == [(len(events), len(events))]
    assert rows(asked, "from lineage anti join runs using (run_id)") == []
    assert rows(asked, "select distinct status, catalog from runs") == [("SUCCESS", "tiny")]
    assert rows(asked, "select count(*) from runs") == [(known.instance.get_runs_count(),)]


@pytest.mark.long
def test_an_output_whose_event_was_lost_is_told_by_the_next_run(rerun: Home):
    """A run is killed after it wrote an output and before Dagster heard of it; the content is what it was before."""
    node, place = rerun.platform.nodes["atlas/cell_sets"], Place("sim_one", 20)
    before = rerun.store.manifest(node.asset, place)
    job = Job(rerun.catalog, rerun.platform.grid, place, rerun.store, rerun.platform.compute)
    lost, _ = materialize(rerun.platform, node, job, force=True)
    assert before is not None
    assert (lost.version, lost.materialization != before.materialization) == (before.version, True)
    publish(rerun.folder, fill=lambda con: sync(rerun.instance, con))
    with pytest.raises(ScfmError, match="scfm lineage sync"):
        lineage_tree.show(rerun.folder, "cell_sets", {"tissue": "sim_one", "n_cells": 20})

    outcome = rerun.run()
    assert not outcome.computed
    assert (node.asset, place) in [(done.asset, done.place) for done in outcome.kept]
    assert sync_lineage(rerun.folder, rerun.instance) == len(outcome.kept)
    first_told = "select materialization, keeps from lineage where kept and materialization is not null"
    told = query(rerun.folder, first_told, "json")
    assert json.loads(told) == [{"materialization": lost.materialization, "keeps": lost.materialization}]
    assert lost.materialization[:8] in lineage_tree.show(
        rerun.folder, "cell_sets", {"tissue": "sim_one", "n_cells": 20}
    )
    assert not rerun.run().kept


def test_the_key_of_lineage_is_declared(con):
    create_tables(con)
    indexes = rows(con, "select index_name, is_unique from duckdb_indexes() where table_name = 'lineage' order by 1")
    assert indexes == [("lineage_key", True), ("lineage_materialization", True)]
    assert LINEAGE.key == ("storage_id", "recorded_at")
