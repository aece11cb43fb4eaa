"""What happens without a hand: checkpoints are watched, stale assets refreshed, lineage kept level, the nights used.

A new checkpoint takes this way: `checkpoint_watcher` tells Dagster its version, `automation` sees that everything made
of it is stale and asks for all of it in one backfill, `lineage` writes down what came of it.
"""

# Annotations stay objects here (no `from __future__ import annotations`): Dagster reads them.

import json
import time
from pathlib import Path
from typing import Any

import dagster as dg

from scfm_assets.defs.jobs import NIGHTLY_JOB, jobs
from scfm_assets.engine import watching
from scfm_assets.engine.dagster_internals import VERSION_TAG, last_tick
from scfm_assets.engine.declare import Node
from scfm_assets.engine.platform import Platform
from scfm_assets.engine.worker import last_version
from scfm_assets.partitions import Place

AUTOMATION = "automation"
SECONDS = 30
"""Time between two looks of a sensor."""
NIGHTLY = "0 3 * * *"

_When = dg.AutomationCondition
_CHANGED = _When.any_deps_match(
    (_When.data_version_changed() & ~_When.executed_with_root_target()) | _When.will_be_requested()
)
_A_CHECK_FAILED = _When.any_deps_match(
    _When.any_checks_match(_When.check_failed() & ~_When.will_be_requested(), blocking_only=True)
)
CONDITION = _When.eager().replace("any_deps_updated", _CHANGED.with_label("any_deps_changed")) & ~(
    _A_CHECK_FAILED.with_label("any_blocking_check_of_deps_failed")
)
"""When an asset is made anew: the content of something that it reads has changed, nothing of it is missing, no check of
it failed.

Dagster's `eager` alone goes by any materialization, also of what was fresh and kept: a click on one slice would have
all that is made of it asked for. Its `all_deps_blocking_checks_passed` is content with one of several partitions that
are read, and waits for ever for a check that was declared after what it checks was made.
"""


def condition_of(platform: Platform, node: Node) -> dg.AutomationCondition:
    """Say when an asset is made anew.

    One that is made on request, only where it was made before. What others take of it does not wait for it.
    """
    if node.on_request:
        return CONDITION & ~_When.missing()
    read = {read.asset for read in node.reads.values() if read.may_lack and platform.nodes[read.asset].on_request}
    if not read:
        return CONDITION
    unasked = dg.AssetSelection.assets(*(dg.AssetKey(name.split("/")) for name in sorted(read)))
    return CONDITION.replace("any_deps_missing", _When.any_deps_missing().ignore(unasked))


# Checkpoints --------------------------------------------------------------------------------------------------------


def checkpoint_watcher(platform: Platform) -> dg.SensorDefinition:
    """Tell Dagster when the content of a model's files has changed and they have settled."""

    @dg.sensor(
        name="checkpoint_watcher",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Digests the files of every model and observes what has changed and settled; everything made of "
        "it is then asked for in one backfill. A folder that is still being copied, or is broken, waits.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # What changes before automation first looks at an asset goes unnoticed: it has nothing to compare with.
        previous: dict[str, dict[str, Any]] = json.loads(context.cursor or "{}")
        known, looked = {}, last_tick(context.instance, AUTOMATION)
        events, waiting = [], [f"{name}: {why}" for name, why in platform.catalog.left_out.items()]
        for model in platform.catalog.models:
            known[model] = previous.get(model, {"version": None, "since": time.time()})
            seen = watching.look(platform.catalog, model)
            key = dg.AssetKey(["models", model, "checkpoint"])
            if seen.version is None:
                waiting.append(f"{model}: {seen.reason}")
            elif last_version(context.instance, key, Place(), observed=True) == seen.version:
                known[model]["version"] = seen.version
            elif looked < known[model]["since"]:
                waiting.append(f"{model}: {seen.version} is told as soon as {AUTOMATION} knows of the model")
            else:
                known[model]["version"] = seen.version
                events.append(dg.AssetObservation(key, tags={VERSION_TAG: seen.version}))
        for line in (*waiting, *(f"{event.asset_key.path[1]}: {event.tags[VERSION_TAG]}" for event in events)):
            context.log.info(line)
        quiet = None if events else "; ".join(["nothing has changed", *waiting])
        return dg.SensorResult(asset_events=events, skip_reason=quiet, cursor=json.dumps(known))

    return watch


# Lineage ------------------------------------------------------------------------------------------------------------


def lineage(home: Path) -> dg.SensorDefinition:
    """Keep the lineage tables of the SQL file level with Dagster's event log."""

    @dg.sensor(
        name="lineage",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Brings lineage, runs and views in scfm.duckdb up to date when anything has happened.",
    )
    def keep_level(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from scfm_assets.resources.files import files_of
        from scfm_assets.warehouse.lineage.projection import sync_lineage

        added = sync_lineage(home, files_of(home.absolute()), context.instance)
        return dg.SkipReason(f"{added} rows of lineage added")

    return keep_level


def automated(platform: Platform, home: Path) -> dg.Definitions:
    """All sensors, schedules and jobs."""
    job_of_name = {job.name: job for job in jobs(platform, home)}
    return dg.Definitions(
        sensors=[
            checkpoint_watcher(platform),
            lineage(home),
            dg.AutomationConditionSensorDefinition(
                AUTOMATION,
                target=dg.AssetSelection.all(),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=SECONDS,
                description="Asks for what has become stale: everything made of a new checkpoint in one backfill.",
            ),
        ],
        schedules=[
            dg.ScheduleDefinition(
                name="nightly",
                job=job_of_name[NIGHTLY_JOB],
                cron_schedule=NIGHTLY,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Every night at 03:00 UTC: have atlases or networks changed, is anything stale?",
            )
        ],
        jobs=list(job_of_name.values()),
    )
