"""What we use of Dagster beyond its public API, each use held once: what breaks here breaks with Dagster's version."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.storage import sql
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.test.definitions import scoped_reconstruction_metadata

from scfm_assets.engine import dagster_internals as internals
from scfm_assets.engine import kept_connections

LETTERS = dg.StaticPartitionsDefinition(["a", "b"])


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@dg.asset(partitions_def=LETTERS)
def letters() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("v1"))


def test_a_location_knows_what_it_was_planned_with_only_where_a_run_loads_it_again() -> None:
    assert internals.planned_with("key") is None
    with scoped_reconstruction_metadata({"key": "value"}):
        assert internals.planned_with("key") == "value"
        assert internals.planned_with("other") is None


def test_a_backfill_takes_assets_of_several_partitions_and_is_at_work(instance: dg.DagsterInstance) -> None:
    assert not internals.backfill_is_at_work(instance)
    partitions = {dg.AssetKey("letters"): (LETTERS, ["b"])}
    backfill = internals.add_backfill(instance, partitions, {dg.AssetKey("report")}, title="stale")
    (added,) = instance.get_backfills()
    assert (added.backfill_id, added.title) == (backfill, "stale")
    assert added.asset_backfill_data is not None
    target = added.asset_backfill_data.target_subset
    assert target.non_partitioned_asset_keys == {dg.AssetKey("report")}
    assert set(target.partitions_subsets_by_asset_key[dg.AssetKey("letters")].get_partition_keys()) == {"b"}
    assert internals.backfill_is_at_work(instance)


@pytest.mark.parametrize(
    ("status", "tick"), [(InstigatorStatus.RUNNING, 7.0), (InstigatorStatus.STOPPED, float("inf"))]
)
def test_when_a_sensor_last_looked_is_known(
    instance: dg.DagsterInstance, status: InstigatorStatus, tick: float
) -> None:
    assert internals.last_tick(instance, "automation") == 0
    origin = LoadableTargetOrigin(executable_path=sys.executable, module_name="scfm_assets.definitions")
    from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin

    location = ManagedGrpcPythonEnvCodeLocationOrigin(loadable_target_origin=origin)
    where = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "automation")
    data = SensorInstigatorData(last_tick_timestamp=7.0)
    instance.add_instigator_state(InstigatorState(where, internals.InstigatorType.SENSOR, status, data))
    assert internals.last_tick(instance, "automation") == tick
    assert internals.last_tick(instance, "lineage") == 0


def test_another_process_opens_the_same_records(instance: dg.DagsterInstance) -> None:
    dg.materialize([letters], partition_key="a", instance=instance)
    reference = pickle.loads(pickle.dumps(internals.reference_to(instance)))
    with internals.opened(reference) as other:
        assert len(other.get_runs()) == 1


def test_records_are_opened_by_their_folder(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    dg.materialize([letters], partition_key="a", instance=instance)
    with internals.opened_at(tmp_path) as opened:
        assert len(opened.get_runs()) == 1


def test_engines_of_sqlite_are_made_once_for_each_file_and_the_records_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(url: str, **options: Any) -> Any:
        made.append(url)
        return sql.create_engine(url, **options)

    modules = (internals.sqlite_event_log, internals.sqlite_run_storage, internals.sqlite_schedule_storage)
    for module in modules:
        assert module.create_engine is sql.create_engine or module.create_engine is kept_connections.kept_engine
        monkeypatch.setattr(module, "create_engine", counted)

    def records(folder: Path) -> list[list[str]]:
        with dg.DagsterInstance.local_temp(str(folder)) as instance:
            for key in ("a", "b"):
                dg.materialize([letters], partition_key=key, instance=instance)
        with dg.DagsterInstance.local_temp(str(folder)) as again:
            runs = [run.run_id for run in reversed(again.get_runs())]
            return [[str(event.dagster_event_type) for event in again.all_logs(run)] for run in runs]

    (tmp_path / "stock").mkdir()
    stock = records(tmp_path / "stock")
    assert len(made) > 100
    made.clear()
    monkeypatch.setattr(kept_connections, "create_engine", counted)
    internals.reuse_engines()
    (tmp_path / "kept").mkdir()
    assert records(tmp_path / "kept") == stock
    assert len(made) == len(set(made)) == 5  # the index, the runs, the schedules, and one for each run


def test_ctrl_c_in_a_step_is_told_from_a_failure(instance: dg.DagsterInstance) -> None:
    from dagster._core.errors import DagsterExecutionInterruptedError

    assert DagsterExecutionInterruptedError.__name__ == internals.INTERRUPTED

    def run(error: BaseException) -> dg.ExecuteInProcessResult:
        @dg.asset
        def fails() -> None:
            raise error

        definitions = dg.Definitions([fails])
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=instance, raise_on_error=False)

    assert not internals.was_interrupted(run(ValueError("a failure")))
    assert internals.was_interrupted(run(DagsterExecutionInterruptedError()))


def test_records_in_sqlite_belong_to_one_machine(instance: dg.DagsterInstance) -> None:
    assert internals.records_are_local(instance)
    assert not internals.records_are_local(dg.DagsterInstance.ephemeral())


def test_the_process_of_a_run_is_known_once_it_has_started(instance: dg.DagsterInstance) -> None:
    waiting = create_run_for_test(instance)
    assert internals.process_of(instance, waiting.run_id) is None
    done = dg.materialize([letters], partition_key="a", instance=instance)
    assert internals.process_of(instance, done.run_id) == os.getpid()


def test_materializations_come_in_order_with_their_tags(instance: dg.DagsterInstance) -> None:
    for key in ("a", "b"):
        dg.materialize([letters], partition_key=key, instance=instance)
    records = internals.materialization_records(instance, limit=10, ascending=True)
    assert [record.partition_key for record in records] == ["a", "b"]
    assert all(_tags(record)[internals.VERSION_TAG] == "v1" for record in records)
    (last,) = internals.materialization_records(instance, limit=1, ascending=False)
    assert last.storage_id == records[-1].storage_id
    cursor = records[0].storage_id
    assert len(internals.materialization_records(instance, limit=10, ascending=True, after_cursor=cursor)) == 1


def _tags(record: dg.EventLogRecord) -> dict[str, Any]:
    assert record.asset_materialization is not None
    return dict(record.asset_materialization.tags or {})


def test_partition_tags_name_a_key_and_its_dimensions(instance: dg.DagsterInstance) -> None:
    grid = dg.MultiPartitionsDefinition({"tissue": LETTERS, "n_cells": dg.StaticPartitionsDefinition(["10"])})

    @dg.asset(partitions_def=grid)
    def slices() -> None: ...

    done = dg.materialize([slices], partition_key="10|a", instance=instance)
    (run,) = instance.get_runs()
    assert run.tags[internals.PARTITION_TAG] == "10|a"
    (event,) = done.get_asset_materialization_events()
    tags = event.materialization.tags or {}
    assert tags[f"{internals.PARTITION_TAG}/tissue"] == "a"
    assert tags[f"{internals.PARTITION_TAG}/n_cells"] == "10"


def test_the_tags_of_dagster_are_called_what_we_call_them() -> None:
    from dagster._core.definitions.data_version import DATA_VERSION_TAG
    from dagster._core.storage import tags

    assert internals.VERSION_TAG == DATA_VERSION_TAG
    assert internals.PARTITION_TAG == tags.PARTITION_NAME_TAG
    assert internals.BACKFILL_TAG == tags.BACKFILL_ID_TAG
    assert internals.SERVED_TAG == tags.GRPC_INFO_TAG


def test_the_daemon_is_a_module_that_runs() -> None:
    command = [sys.executable, *internals.DAEMON, "--help"]
    help_text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "--module-name" in help_text
    assert "-m," in help_text
