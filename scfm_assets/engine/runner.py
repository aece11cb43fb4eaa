"""`scfm run`: ask Dagster for what is missing or stale, slice by slice, and for nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from importlib.resources import files
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import dagster as dg

from scfm_assets.core.base import replacing
from scfm_assets.engine.dagster_internals import VERSION_TAG
from scfm_assets.engine.declare import LISTENER, Done, Failed, Node
from scfm_assets.engine.worker import Worker, last_version
from scfm_assets.engine.worker_pool import WorkerPool
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.platform import Platform
    from scfm_assets.engine.worker import Event
    from scfm_assets.engine.worker_pool import Assemble


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
    """Make the folder of Dagster's own records with the settings that the platform ships, and return it.

    Raises
    ------
    ScfmError
        If SCFM_POSTGRES and the settings that are there do not agree on where the records are.
    """
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings, postgres = folder / "dagster.yaml", bool(os.environ.get("SCFM_POSTGRES"))
    shipped, storage = (files("scfm_assets").joinpath(f"dagster{kind}.yaml").read_text() for kind in ("", ".postgres"))
    if not settings.exists():
        with replacing(settings) as hidden:
            hidden.write_text(shipped + storage if postgres else shipped)
    named = "{env: SCFM_POSTGRES}" in settings.read_text()
    if postgres and not named:
        raise ScfmError("SCFM_POSTGRES", f"is set, and {settings} does not use it", f"Add to that file:\n{storage}")
    if named and not postgres:
        raise ScfmError("SCFM_POSTGRES", f"is not set, and {settings} uses it", "Set it to the URL of the database.")
    return folder


def run(
    catalog: Catalog,
    assemble: Assemble,
    *,
    home: Path,
    instance: dg.DagsterInstance,
    select: str | None = None,
    force: bool = False,
    jobs: int = 1,
    show: Callable[[Event], None] = lambda _: None,
) -> Outcome:
    """Materialize what is missing or stale.

    Parameters
    ----------
    catalog
        What is declared.
    assemble
        Declares the assets of a catalog, for us and for Dagster: a function of a module, which other processes import.
    home
        Folder that holds everything that is written.
    instance
        Where Dagster records runs.
    select
        Dagster's asset selection syntax, as ``key:"models/planted/*"``; by default all but what is made on request.
    force
        Recompute what is fresh, too.
    jobs
        Number of processes; tissues are shared out among them.
    show
        Called with everything that happens.
    """
    outcome = Outcome()

    def listen(event: Event) -> None:
        outcome.hear(event)
        show(event)

    platform, definitions = assemble(catalog, home)
    token = LISTENER.set(listen)
    try:
        chosen = _selected(definitions, select, platform)
        unseen = _observe(platform, chosen, instance, listen)
        worker = Worker.of(platform, definitions, home, instance, force=force)
        with WorkerPool(jobs, catalog, assemble, home, instance, force=force, listen=listen) as pool:
            for space, assets in _stages(platform, chosen):
                places = platform.grid.places(space)
                shares = [list(share) for _, share in groupby(places, key=lambda place: place.tissue)]
                if jobs > 1:
                    shares = [s for s in shares if any(worker.needed(assets, place, unseen) for place in s)]
                if jobs > 1 and len(shares) > 1:
                    outcome.blocked += pool.work(assets, shares, unseen)
                else:
                    outcome.blocked += worker.work(assets, chain.from_iterable(shares), unseen)
    finally:
        LISTENER.reset(token)
    return outcome


def _observe(
    platform: Platform, chosen: Iterable[str], instance: dg.DagsterInstance, show: Callable[[Any], None]
) -> set[tuple[str, Place]]:
    """Tell Dagster the versions of the sources that have changed; return the sources that cannot be read."""
    unseen = set()
    watched = {name for asset in chosen for name in platform.nodes[asset].watches}
    for source in (platform.sources[name] for name in sorted(watched)):
        key = dg.AssetKey(source.asset.split("/"))
        for place in platform.grid.places(source.space):
            try:
                version = source.version(place)
            except ScfmError as error:
                show(Failed.by(source.asset, place, error))
                unseen.add((source.asset, place))
                continue
            if last_version(instance, key, place, observed=True) != version:
                observation = dg.AssetObservation(key, partition=place.key, tags={VERSION_TAG: version})
                instance.report_runless_asset_event(observation)
    return unseen


def _selected(definitions: dg.Definitions, select: str | None, platform: Platform) -> set[str]:
    if select is None:
        return {name for name, node in platform.nodes.items() if not node.on_request}
    graph = definitions.resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph)
    except Exception as error:  # Dagster's parser raises its own and antlr's errors
        problem = f"{select!r} is not an asset selection: {error}"
        raise ScfmError("--select", problem, 'For example: key:"networks/*"') from error
    chosen = {"/".join(key.path) for key in keys} & set(platform.nodes)
    if not chosen:
        known = ", ".join(sorted(platform.nodes))
        raise ScfmError("--select", f"{select!r} selects no asset", f"There are: {known}.")
    return chosen


def _stages(platform: Platform, chosen: Iterable[str]) -> Iterator[tuple[Space, list[str]]]:
    """Order the chosen assets so that inputs come first, and group neighbours of one space: they share runs."""
    above = {name: {read.asset for read in node.reads.values()} for name, node in platform.nodes.items()}
    selected = set(chosen)
    order = [name for name in _grouped(TopologicalSorter(above), platform.nodes) if name in selected]
    for space, assets in groupby(order, key=lambda name: platform.nodes[name].space):
        yield space, list(assets)


def _grouped(sorter: TopologicalSorter[str], nodes: Mapping[str, Node]) -> Iterator[str]:
    """Topological order that stays in one space as long as it can."""
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
