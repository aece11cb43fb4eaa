"""What is missing or stale at a place, asked of Dagster: the work of `scfm run` in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from scfm_assets.engine.dagster_internals import VERSION_TAG, was_interrupted
from scfm_assets.engine.declare import FORCE_TAG, Done, Failed, Node, Progress
from scfm_assets.engine.lost_runs import HOST_TAG, this_host
from scfm_assets.resources.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from scfm_assets.engine.plan import Plan
    from scfm_assets.engine.platform import Platform
    from scfm_assets.partitions import Place

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Event = Progress | Done | Failed


@dataclass(frozen=True)
class Worker:
    """Works through places: in this process, or one of several (see `scfm_assets.engine.worker_pool`)."""

    platform: Platform
    job: dg.JobDefinition
    store: Store
    instance: dg.DagsterInstance
    force: bool

    @classmethod
    def of(
        cls, platform: Platform, definitions: dg.Definitions, home: Path, instance: dg.DagsterInstance, *, force: bool
    ) -> Worker:
        """Worker on a platform, as it is declared and as Dagster knows it."""
        return cls(platform, definitions.resolve_implicit_global_asset_job_def(), Store(home), instance, force)

    def work(
        self, assets: Sequence[str], places: Iterable[Place], unseen: set[tuple[str, Place]]
    ) -> list[tuple[str, Place]]:
        """Materialize what is needed of some assets, place by place.

        Parameters
        ----------
        assets
            Names, inputs first.
        places
            Where, in an order in which no place reads a later one.
        unseen
            Sources that cannot be read.

        Returns
        -------
        Assets that were not made because something that they read is not there.
        """
        blocked = []
        for place in places:
            needed = self.needed(assets, place, unseen)
            blocked += [(node.asset, place) for node, ready in needed if not ready]
            if nodes := [node for node, ready in needed if ready]:
                self._execute(nodes, place)
        return blocked

    def needed(self, assets: Sequence[str], place: Place, unseen: set[tuple[str, Place]]) -> list[tuple[Node, bool]]:
        """Assets that have to be asked for at a place, and whether what they read is (or will be) there."""
        platform, needed = self.platform, []
        coming: set[str] = set()
        for node in (platform.nodes[name] for name in assets):
            if {(source.asset, where) for source, where in platform.watched(node, place)} & unseen:
                needed.append((node, False))
                continue
            plan = platform.plan(node, place, self.store)
            if plan.missing - coming:
                needed.append((node, False))
            elif self.force or coming & {read.asset for read in node.reads.values()} or not self._is_fresh(plan):
                coming.add(node.asset)
                needed.append((node, True))
        return needed

    def _is_fresh(self, plan: Plan) -> bool:
        """Whether the stored output is up to date, and Dagster's last word is on this very one.

        One of the same content is not enough: its rows name another materialization, which lineage would never hear of.
        """
        event = last_event(self.instance, dg.AssetKey(plan.node.asset.split("/")), plan.place)
        if plan.kept is None or event is None:
            return False
        told = event.metadata.get("materialization")  # which an output that is older than the ids does not have
        return plan.kept.materialization == (told.value if told else "")

    def _execute(self, nodes: Sequence[Node], place: Place) -> None:
        """Materialize assets at one place in one Dagster run. Failures reach the listener from inside."""
        result = self.job.execute_in_process(
            instance=self.instance,
            partition_key=place.key,
            asset_selection=[dg.AssetKey(node.asset.split("/")) for node in nodes],
            run_config=QUIET,
            tags={
                "scfm/catalog": self.platform.catalog.name,
                HOST_TAG: this_host(),
                **({FORCE_TAG: "true"} if self.force else {}),
            },
            raise_on_error=False,
        )
        if was_interrupted(result):
            raise KeyboardInterrupt


def last_version(instance: dg.DagsterInstance, key: dg.AssetKey, place: Place, *, observed: bool = False) -> str | None:
    """Data version of the last materialization (or observation) of an asset at a place, as Dagster has it."""
    event = last_event(instance, key, place, observed=observed)
    return (event.tags or {}).get(VERSION_TAG) if event else None


def last_event(
    instance: dg.DagsterInstance, key: dg.AssetKey, place: Place, *, observed: bool = False
) -> dg.AssetMaterialization | dg.AssetObservation | None:
    """Last materialization (or observation) of an asset at a place, as Dagster has it."""
    fetch = instance.fetch_observations if observed else instance.fetch_materializations
    partitions = [place.key] if place.key is not None else None
    records = fetch(dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions), limit=1).records
    return (records[0].asset_observation or records[0].asset_materialization) if records else None
