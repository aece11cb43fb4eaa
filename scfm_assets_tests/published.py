"""The warehouse of a home whose store is where the environment says, as the command line publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from scfm_assets.resources.files import files_of
from scfm_assets.warehouse.lineage import projection
from scfm_assets.warehouse.publish import publish as publish_files


def publish(home: Path, **options: Any) -> Path:
    return publish_files(home, files_of(home), **options)


def sync_lineage(home: Path, instance: dg.DagsterInstance) -> int:
    return projection.sync_lineage(home, files_of(home), instance)
