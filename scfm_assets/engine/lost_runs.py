"""Runs that nobody works on any more, though Dagster's records say so: their processes were killed with all around."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import dagster as dg

from scfm_assets.engine.dagster_internals import SERVED_TAG, process_of, records_are_local

HOST_TAG = "scfm/host"
"""The machine on which `scfm run` made a run. It has no code server that would notice its death."""


def this_host() -> str:
    """Name of this machine."""
    return platform.node()


def give_up_lost_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    """Mark runs as failed whose process is gone, and tell of each.

    A worker that dies is noticed by the code server that started it. If that dies, too, or if the run was made by
    `scfm run`, its assets would stay in progress for ever, and automation would wait for them. Runs of other machines
    are left alone; so are all runs where records are shared between machines.
    """
    if not records_are_local(instance):
        return
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if run.tags.get(HOST_TAG, this_host() if SERVED_TAG in run.tags else None) != this_host():
            continue
        process = process_of(instance, run.run_id)
        if process is not None and not is_alive(process):
            message = f"its process {process} is gone, and nobody noticed"
            instance.report_run_failed(run, message)
            yield f"run {run.run_id[:8]} is marked as failed: {message}"


def is_alive(process: int) -> bool:
    """Tell whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
