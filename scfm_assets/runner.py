"""`scfm run`: ask Dagster for what is missing or stale, slice by slice, and for nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg

from scfm_assets.core.errors import ScfmError
from scfm_assets.defs.declare import FORCE_TAG, LISTENER, Done, Failed, Node, Platform, Progress
from scfm_assets.partitions import Place, Space
from scfm_assets.resources.store import Store

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class Started:
    """A batch of assets at one place is about to be materialized."""

    place: Place
    assets: tuple[str, ...]


Event = Started | Progress | Done | Failed


@dataclass
class Outcome:
    """What a run did."""

    computed: list[Done] = field(default_factory=list)
    kept: list[Done] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    blocked: list[tuple[str, Place]] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.failed and not self.blocked

    def hear(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Done):
            (self.kept if event.kept else self.computed).append(event)
        elif isinstance(event, Failed):
            self.failed.append(event)


def dagster_home(home: Path) -> Path:
    """Make the folder of Dagster's own records with the settings that the platform ships, and give it."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        shipped = files("scfm_assets").joinpath("dagster.yaml").read_text()
        fresh = settings.with_name(f".{settings.name}.{os.getpid()}")
        fresh.write_text(shipped)
        os.replace(fresh, settings)
    return folder


def run(
    platform: Platform,
    definitions: dg.Definitions,
    *,
    home: Path,
    instance: dg.DagsterInstance,
    select: str | None = None,
    force: bool = False,
    show: Callable[[Event], None] = lambda _: None,
) -> Outcome:
    """Materialize what is missing or stale.

    Parameters
    ----------
    platform, definitions
        What there is, as declared and as Dagster knows it.
    home
        Folder that holds everything that is written.
    instance
        Where Dagster records runs.
    select
        Dagster's asset selection syntax, as ``key:"models/planted/*"``; all assets by default.
    force
        Recompute what is fresh, too.
    show
        Called with everything that happens.
    """
    outcome, store = Outcome(), Store(home)

    def listen(event: Progress | Done | Failed) -> None:
        outcome.hear(event)
        show(event)

    token = LISTENER.set(listen)
    try:
        chosen = _selected(definitions, select, platform)
        unseen = _observe(platform, chosen, instance, listen)
        job = definitions.resolve_implicit_global_asset_job_def()
        for space, nodes in _stages(platform, chosen):
            for place in platform.grid.places(space):
                todo = list(_needed(platform, nodes, place, store, instance, force=force, unseen=unseen))
                ready = [node for node, there in todo if there]
                outcome.blocked += [(node.asset, place) for node, there in todo if not there]
                if ready:
                    show(Started(place, tuple(node.asset for node in ready)))
                    _execute(job, ready, place, instance, force=force, catalog=platform.catalog.name)
    finally:
        LISTENER.reset(token)
    return outcome


def _execute(
    job: dg.JobDefinition,
    nodes: Sequence[Node],
    place: Place,
    instance: dg.DagsterInstance,
    *,
    force: bool,
    catalog: str,
) -> None:
    """Materialize assets at one place in one Dagster run. Failures reach the listener from inside."""
    result = job.execute_in_process(
        instance=instance,
        partition_key=place.key,
        asset_selection=[dg.AssetKey(node.asset.split("/")) for node in nodes],
        run_config=QUIET,
        tags={"scfm/catalog": catalog, **({FORCE_TAG: "true"} if force else {})},
        raise_on_error=False,
    )
    for event in result.filter_events(lambda event: event.is_failure):
        error = getattr(event.event_specific_data, "error", None)
        if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
            raise KeyboardInterrupt


def _observe(
    platform: Platform, chosen: Iterable[str], instance: dg.DagsterInstance, show: Callable[[Any], None]
) -> set[tuple[str, Place]]:
    """Tell Dagster the versions of the sources that have changed; give the sources that cannot be read."""
    unseen = set()
    watched = {name for asset in chosen for name in platform.nodes[asset].watches}
    for source in (platform.sources[name] for name in sorted(watched)):
        key = dg.AssetKey(source.asset.split("/"))
        for place in platform.grid.places(source.space):
            try:
                version = source.version(place)
            except ScfmError as error:
                show(Failed(source.asset, place, error))
                unseen.add((source.asset, place))
                continue
            if _last_version(instance, key, place, dg.DagsterEventType.ASSET_OBSERVATION) != version:
                instance.report_runless_asset_event(
                    dg.AssetObservation(asset_key=key, partition=place.key, tags={VERSION_TAG: version})
                )
    return unseen


def _last_version(
    instance: dg.DagsterInstance, key: dg.AssetKey, place: Place, kind: dg.DagsterEventType
) -> str | None:
    """Data version of the last materialization or observation of an asset at a place, as Dagster has it."""
    fetch = (
        instance.fetch_observations
        if kind is dg.DagsterEventType.ASSET_OBSERVATION
        else instance.fetch_materializations
    )
    partitions = [place.key] if place.key is not None else None
    records = fetch(dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions), limit=1).records
    if not records:
        return None
    event = records[0].asset_observation or records[0].asset_materialization
    return (event.tags or {}).get(VERSION_TAG) if event else None


def _selected(definitions: dg.Definitions, select: str | None, platform: Platform) -> set[str]:
    if select is None:
        return set(platform.nodes)
    graph = definitions.resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph)
    except Exception as error:  # noqa: BLE001 - Dagster's parser raises its own and antlr's errors
        raise ScfmError(
            "--select", f"{select!r} is not an asset selection: {error}", 'For example: key:"atlas/*"'
        ) from error
    chosen = {"/".join(key.path) for key in keys} & set(platform.nodes)
    if not chosen:
        known = ", ".join(sorted(platform.nodes))
        raise ScfmError("--select", f"{select!r} selects no asset", f"There are: {known}.")
    return chosen


def _stages(platform: Platform, chosen: Iterable[str]) -> Iterator[tuple[Space, list[Node]]]:
    """Order the chosen assets so that inputs come first, and group neighbours of one space: they share runs."""
    above = {name: {read.asset for read in node.reads.values()} for name, node in platform.nodes.items()}
    wanted = set(chosen)
    order = [platform.nodes[name] for name in _grouped(TopologicalSorter(above), platform.nodes) if name in wanted]
    for space, nodes in groupby(order, key=lambda node: node.space):
        yield space, list(nodes)


def _grouped(sorter: TopologicalSorter[str], nodes: Mapping[str, Node]) -> Iterator[str]:
    """Give a topological order that stays in one space as long as it can."""
    sorter.prepare()
    ready: list[str] = []
    space: Space | None = None
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=lambda name: (nodes[name].space is not space, list(Space).index(nodes[name].space)))
        name = ready.pop(0)
        space = nodes[name].space
        sorter.done(name)
        yield name


def _needed(
    platform: Platform,
    nodes: Sequence[Node],
    place: Place,
    store: Store,
    instance: dg.DagsterInstance,
    *,
    force: bool,
    unseen: set[tuple[str, Place]],
) -> Iterator[tuple[Node, bool]]:
    """Give the assets that have to be asked for at a place, and whether what they read is (or will be) there."""
    coming: set[str] = set()
    for node in nodes:
        sources = {
            (name, Place() if platform.sources[name].space is Space.WHOLE else Place(place.tissue))
            for name in node.watches
        }
        if sources & unseen:
            yield node, False
            continue
        upstream = platform.upstream(node, place, store)
        missing = {
            node.reads[parameter].asset
            for parameter, found in upstream.items()
            if not node.reads[parameter].may_lack and any(manifest is None for manifest in found.values())
        }
        above = {read.asset for read in node.reads.values()}
        if missing - coming:
            yield node, False
            continue
        if not force and not above & coming:
            stored = platform.fresh(node, place, store)
            key = dg.AssetKey(node.asset.split("/"))
            known = _last_version(instance, key, place, dg.DagsterEventType.ASSET_MATERIALIZATION)
            if stored is not None and stored.version == known:
                continue
        coming.add(node.asset)
        yield node, True
