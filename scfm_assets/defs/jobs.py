"""Jobs named for what people do. A click on one asks for what is missing or stale, and for nothing else.

Dagster's own asset jobs hold assets of one kind of partition only; ours lead from tissues over slices to one report.
So a job is one short run that looks at the store and asks for a backfill, which Dagster's daemon then works through.
"""

# Annotations stay objects here (no `from __future__ import annotations`): Dagster reads them.

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import dagster as dg

from scfm_assets.engine.dagster_internals import VERSION_TAG, add_backfill, backfill_is_at_work
from scfm_assets.engine.declare import STUDY
from scfm_assets.engine.housekeeping import Standing, State, status
from scfm_assets.engine.platform import Platform
from scfm_assets.engine.watching import look, on_hub, refresh
from scfm_assets.engine.worker import last_version
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place
from scfm_assets.resources.store import Store

NIGHTLY_JOB = "refresh_stale"
Where = tuple[str, Place]

CLICK = (
    "A click on Launch run starts a run of some seconds, which looks up what is missing or stale and asks for that in "
    "one backfill (named in its log, shown under Runs > Backfills). If everything is fresh, nothing is asked for."
)
AT_NIGHT = (
    "Looks whether atlases, networks, code or catalog have changed, and asks in one backfill for what has "
    "become stale; what was never made is left alone, and so is everything while a backfill is at work. A "
    "source that cannot be read fails the run, after the others have been looked at."
)


def jobs(platform: Platform, home: Path) -> list[dg.JobDefinition]:
    """The jobs by which people ask for assets, and the nightly one."""
    networks = [name for name in platform.nodes if name.startswith("networks/")]
    on_request = {name for name, node in platform.nodes.items() if node.on_request}
    unasked = set(platform.nodes) - on_request
    curves = _with_inputs(platform, ["scaling/curves", "report"]) & unasked
    tagged = {name for name, node in platform.nodes.items() if STUDY in node.tags}
    studies = tagged | _with_inputs(platform, sorted(on_request))
    refreshed = _with_readers(platform, networks) & unasked
    by_click = (
        ("everything", "All assets of the catalog but the studies.", unasked),
        ("studies", "The studies, and all that they are made of.", studies),
        ("scaling_curve", "The scaling curves and the report, and all that leads to them.", curves),
        ("refresh_networks", "The reference networks, and all that is made of them.", refreshed),
    )
    return [
        *(_job(platform, home, name, f"{doc} {CLICK}", assets) for name, doc, assets in by_click),
        _job(platform, home, NIGHTLY_JOB, AT_NIGHT, set(platform.nodes), nightly=True),
    ]


def _job(
    platform: Platform, home: Path, name: str, doc: str, chosen: set[str], *, nightly: bool = False
) -> dg.JobDefinition:
    @dg.op(name=f"ask_for_{name}")
    def ask(context: dg.OpExecutionContext) -> None:
        instance = context.instance
        if nightly and backfill_is_at_work(instance):
            context.log.info("a backfill is at work: what it leaves is looked at next time")
            return
        versions, unread = _read_sources(platform, chosen)
        states = {State.STALE} if nightly else {State.STALE, State.MISSING}
        standings = _standings(platform, home, chosen, set(unread))
        wanted = [(standing.asset, standing.place) for standing in standings if standing.state in states]
        if wanted:
            backfill = request(instance, platform, wanted, title=name)
            context.log.info(f"backfill {backfill} asks for {len(wanted)} outputs")
        else:
            context.log.info("everything is fresh")
        # Told after the backfill was added: automation finds what is made of a changed source in progress.
        for (source, place), version in versions.items():
            key = dg.AssetKey(source.split("/"))
            if last_version(instance, key, place, observed=True) != version:
                context.log_event(dg.AssetObservation(key, partition=place.key, tags={VERSION_TAG: version}))
        if unread:
            problems = [f"{source} {place}: {problem}" for (source, place), problem in unread.items()]
            raise dg.Failure("\n".join(problems), allow_retries=False)

    @dg.job(name=name, description=doc, executor_def=dg.in_process_executor)
    def job() -> None:
        ask()

    return job


def _read_sources(platform: Platform, assets: Iterable[str]) -> tuple[dict[Where, str], dict[Where, str]]:
    """Versions of all sources that assets watch, and for those that cannot be read, the reasons."""
    versions, unread = {}, {}
    for name in sorted({source for asset in assets for source in platform.nodes[asset].watches}):
        source = platform.sources[name]
        for place in platform.grid.places(source.space):
            try:
                versions[name, place] = _settled(platform, name) or source.version(place)
            except (ScfmError, OSError) as error:
                unread[name, place] = str(error)
    return versions, unread


def _settled(platform: Platform, source: str) -> str | None:
    """Version of a checkpoint that nobody is copying; None for sources that need no such look."""
    model = source.split("/")[1]
    if not source.startswith("models/") or platform.catalog.models[model].checkpoint is None:
        return None
    if addresses := on_hub(platform.catalog, model):
        refresh(addresses)
        return None
    seen = look(platform.catalog, model)
    if seen.version is None:
        raise ScfmError(source, seen.reason)
    return seen.version


def _standings(platform: Platform, home: Path, chosen: Collection[str], unread: set[Where]) -> Iterator[Standing]:
    """State of the chosen outputs, but for those that cannot be made because a source cannot be read."""
    store, lost = Store(home), set(unread)
    for of_asset in status(platform, store):
        node = platform.nodes[of_asset.asset]
        for standing in of_asset.standings:
            watched = {(source.asset, where) for source, where in platform.watched(node, standing.place)}
            read = {
                (node.reads[parameter].asset, where)
                for parameter, places in platform.upstream(node, standing.place, store).items()
                if not node.reads[parameter].may_lack
                for where in places
            }
            if lost & (watched | read):
                lost.add((standing.asset, standing.place))
            elif standing.asset in chosen:
                yield standing


def request(
    instance: dg.DagsterInstance, platform: Platform, wanted: Sequence[tuple[str, Place]], *, title: str
) -> str:
    """Ask Dagster's daemon for a backfill, and return its id.

    Parameters
    ----------
    instance
        Where Dagster records runs.
    platform
        What there is.
    wanted
        Assets and places. What is made of each other is made in order.
    title
        What people see in the list of backfills.
    """
    definitions = {name: platform.grid.definition(platform.nodes[name].space) for name, _ in wanted}
    partitions = {
        dg.AssetKey(name.split("/")): (definition, [str(place.key) for asset, place in wanted if asset == name])
        for name, definition in definitions.items()
        if definition is not None
    }
    unpartitioned = {dg.AssetKey(name.split("/")) for name, definition in definitions.items() if definition is None}
    return add_backfill(instance, partitions, unpartitioned, title=title)


def _with_inputs(platform: Platform, names: Sequence[str]) -> set[str]:
    """Assets with all that they are made of."""
    reached, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [read.asset for read in platform.nodes[name].reads.values()]
    return reached


def _with_readers(platform: Platform, names: Sequence[str]) -> set[str]:
    """Assets with all that is made of them."""
    return {name for name in platform.nodes if _with_inputs(platform, [name]) & set(names)}
