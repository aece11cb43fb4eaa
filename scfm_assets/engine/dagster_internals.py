"""What is used of Dagster beyond its public API, so that one file has to be looked at when Dagster's version is raised.

`scfm_assets_tests/engine/test_dagster_internals.py` holds one contract test for each use.
"""

# Annotations stay objects here (no `from __future__ import annotations`): Dagster reads them.

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.instance import InstanceRef
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.utils import make_new_backfill_id

from scfm_assets.engine.kept_connections import kept_engine

DAEMON = ("-m", "dagster._daemon", "run")
"""Arguments of Python that start the daemon."""

VERSION_TAG = "dagster/data_version"
"""Tag of a materialization or observation that holds its data version."""
PARTITION_TAG = "dagster/partition"
"""Tag that holds a partition key; with ``/<dimension>`` after it, one dimension of the key."""
BACKFILL_TAG = "dagster/backfill"
"""Tag of a run that a backfill asked for."""
SERVED_TAG = ".dagster/grpc_info"
"""Tag of the runs that a code server started."""

INTERRUPTED = "DagsterExecutionInterruptedError"
"""Name of the exception by which a step tells that the user pressed Ctrl-C."""

__all__ = ["BACKFILL_TAG", "DAEMON", "PARTITION_TAG", "SERVED_TAG", "VERSION_TAG", "InstanceRef"]


def planned_with(key: str) -> Any:
    """Return the reconstruction metadata under `key` of the run that this code location is loaded for, else None."""
    context = DefinitionsLoadContext.get()
    if context.load_type is not DefinitionsLoadType.RECONSTRUCTION:
        return None
    return context.reconstruction_metadata.get(key)


def backfill_is_at_work(instance: dg.DagsterInstance) -> bool:
    """Whether some backfill is asked for and not finished."""
    return bool(instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])))


def add_backfill(
    instance: dg.DagsterInstance,
    partitions: Mapping[dg.AssetKey, tuple[dg.PartitionsDefinition, Sequence[str]]],
    unpartitioned: set[dg.AssetKey],
    *,
    title: str,
) -> str:
    """Ask Dagster's daemon for a backfill over assets of several kinds of partitions.

    Parameters
    ----------
    instance
        Where Dagster records runs.
    partitions
        Key of a partitioned asset -> its partitions, and the keys of those that are asked for.
    unpartitioned
        Keys of the other assets.
    title
        What people see in the list of backfills.

    Returns
    -------
    Id of the backfill.
    """
    subsets = {key: of.empty_subset().with_partition_keys(keys) for key, (of, keys) in partitions.items()}
    subset = AssetGraphSubset(partitions_subsets_by_asset_key=subsets, non_partitioned_asset_keys=unpartitioned)
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=make_new_backfill_id(),
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        asset_graph_subset=subset,
        title=title,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def last_tick(instance: dg.DagsterInstance, sensor: str) -> float:
    """Time at which a sensor last began to look; 0 if it never did, infinity if somebody has stopped it."""
    times = [0.0]
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name == sensor:
            tick = getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0
            times.append(tick if state.is_running else float("inf"))
    return max(times)


def reuse_engines() -> None:
    """Let this process keep an engine and a connection of each of Dagster's SQLite files; see `kept_engine`.

    Dagster makes them anew for every event that it writes or reads.
    """
    modules: tuple[Any, ...] = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
    for module in modules:
        module.create_engine = kept_engine


def opened_at(folder: Path) -> dg.DagsterInstance:
    """Open the records in a folder, as Dagster does where DAGSTER_HOME names it."""
    reuse_engines()
    return dg.DagsterInstance.from_config(str(folder))


def reference_to(instance: dg.DagsterInstance) -> InstanceRef:
    """Refer to an instance so that another process can open it: what is returned can be pickled."""
    return instance.get_ref()


def opened(reference: InstanceRef) -> dg.DagsterInstance:
    """Open the instance of another process."""
    return dg.DagsterInstance.from_ref(reference)


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a run in this process ended because the user pressed Ctrl-C."""
    failures = result.filter_events(lambda event: event.is_failure)
    errors = (getattr(event.event_specific_data, "error", None) for event in failures)
    return any(error is not None and error.cls_name == INTERRUPTED for error in errors)


def records_are_local(instance: dg.DagsterInstance) -> bool:
    """Whether the records lie in SQLite, and so belong to one machine."""
    return "sqlite" in type(instance.run_storage).__name__.lower()


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Process that works, or worked, on a run; None if the records do not say."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START):
        if record.dagster_event is not None and record.dagster_event.pid is not None:
            return record.dagster_event.pid
    return None


def materialization_records(
    instance: dg.DagsterInstance, *, limit: int, ascending: bool, **filters: Any
) -> list[dg.EventLogRecord]:
    """All assets' materializations in the order of their ids; `filters` are those of `EventRecordsFilter`."""
    records_filter = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION, **filters)
    return list(instance.event_log_storage.get_event_records(records_filter, limit=limit, ascending=ascending))
