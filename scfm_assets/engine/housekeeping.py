"""What the store holds, whether it is up to date, and what of it nobody needs any more."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from graphlib import TopologicalSorter
from itertools import chain
from typing import TYPE_CHECKING, Any

from scfm_assets.errors import ScfmError
from scfm_assets.resources.files import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from scfm_assets.engine.declare import Node
    from scfm_assets.engine.plan import Plan
    from scfm_assets.engine.platform import Platform
    from scfm_assets.partitions import Place
    from scfm_assets.resources.store import Manifest, Store

AN_HOUR = 3600.0


# What there is ----------------------------------------------------------------------------------------------------


class State(Enum):
    """How the stored output of an asset at a place stands to what it is made of."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class Standing:
    """One asset at one place: its state, and in words why it is not fresh."""

    asset: str
    place: Place
    state: State
    why: str = ""


@dataclass
class AssetStatus:
    """One asset over all places.

    Attributes
    ----------
    standings
        Its places.
    bytes_now, bytes_before
        Size of what holds now, and of what earlier checkpoints left.
    """

    asset: str
    standings: list[Standing] = field(default_factory=list)
    bytes_now: int = 0
    bytes_before: int = 0

    def count(self, state: State) -> int:
        """Count the places in a state."""
        return sum(standing.state is state for standing in self.standings)


def status(platform: Platform, store: Store) -> list[AssetStatus]:
    """Say of every asset what is there, what is stale and why, and how large it is. Nothing is computed."""
    standings: dict[tuple[str, Place], Standing] = {}
    statuses = []
    for name in in_order(platform):
        node = platform.nodes[name]
        of_asset = AssetStatus(name)
        for place in platform.grid.places(node.space):
            standing = _standing(platform, node, place, store, standings)
            standings[name, place] = standing
            of_asset.standings.append(standing)
            now, before = _sizes(store, node, place)
            of_asset.bytes_now += now
            of_asset.bytes_before += before
        statuses.append(of_asset)
    return statuses


def in_order(platform: Platform) -> list[str]:
    """Names of all assets, inputs first."""
    above = {name: {read.asset for read in node.reads.values()} for name, node in platform.nodes.items()}
    return list(TopologicalSorter(above).static_order())


def _standing(
    platform: Platform, node: Node, place: Place, store: Store, known: Mapping[tuple[str, Place], Standing]
) -> Standing:
    stored = store.manifest(node.asset, place)
    if stored is None:
        return Standing(node.asset, place, State.MISSING)
    try:
        reasons = list(_reasons(platform.plan(node, place, store), stored, known))
    except ScfmError as error:  # a source that cannot be read
        reasons = [f"{error.place}: {error.problem}"]
    return Standing(node.asset, place, State.STALE if reasons else State.FRESH, "; ".join(reasons))


def _reasons(plan: Plan, stored: Manifest, known: Mapping[tuple[str, Place], Standing]) -> Iterator[str]:
    """Say why a stored output would be made anew; nothing if it would be kept."""
    for parameter, above in plan.upstream.items():
        read = plan.node.reads[parameter]
        states = Counter(known[read.asset, where].state for where in above)
        for state in (State.MISSING, State.STALE):
            if states[state] and not (state is State.MISSING and read.may_lack):
                yield f"input: {read.asset} is {state.value}"
    if plan.kept is not None:
        return
    if failed := [name for name, passed, _ in stored.checks if not passed]:
        yield f"check failed: {', '.join(failed)}"
    yield from plan.changes(stored)


def _sizes(store: Store, node: Node, place: Place) -> tuple[int, int]:
    current = store.manifest(node.asset, place)
    now = _files(current.value, current.tables) if current else set()
    revisions = store.revisions(node.asset, place)
    before = {file for revision in revisions for file in _files(revision.value, revision.tables)} - now
    return sum(map(store.files.size, now)), sum(map(store.files.size, before))


def _files(value: Iterable[str], tables: Mapping[str, Iterable[str]]) -> set[str]:
    return {*value, *chain.from_iterable(tables.values())}


# What nobody needs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leftover:
    """A file that can go: its path below the store, its size, and why nobody needs it."""

    file: str
    size: int
    why: str


def leftovers(platform: Platform, store: Store, *, keep: int = 0, age: float = AN_HOUR) -> list[Leftover]:
    """Find what can be removed without losing a result: never a table, never what holds now.

    Parameters
    ----------
    platform, store
        What is declared, and what is stored.
    keep
        How many earlier checkpoints keep their arrays.
    age
        Seconds that a hidden or unfinished file must have been left alone: younger ones may belong to a living writer.

    Returns
    -------
    Arrays of superseded checkpoints, hidden files of killed writers, and unfinished work that no run would go on from.

    Raises
    ------
    ScfmError
        If the store is not a folder, or a manifest names a file outside of it.
    """
    if not isinstance(store.files, Folder):
        raise ScfmError("SCFM_STORE", "only a store in a folder can be pruned", "Object storage has lifecycle rules.")
    return [*_superseded(store, keep), *_of_killed_writers(store, age), *_unfinished(platform, store, age)]


def remove(store: Store, found: list[Leftover]) -> int:
    """Remove leftovers; return the bytes that this freed. What is gone already is passed over."""
    freed = 0
    for leftover in found:
        path = store.root / leftover.file
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        freed += leftover.size
    return freed


def _superseded(store: Store, keep: int) -> Iterator[Leftover]:
    """Find arrays that only manifests of earlier checkpoints name."""
    for folder in sorted({file.parent for file in (store.root / "manifests").rglob("revision-*.json")}):
        current = _read(folder / "manifest.json")
        revisions = [read for file in folder.glob("revision-*.json") if (read := _read(file)) is not None]
        if current is None:
            continue
        earlier = [r for r in revisions if r["materialization"] != current["materialization"]]
        earlier.sort(key=lambda revision: revision["made_at"], reverse=True)
        needed = set().union(*(_files(kept["value"], kept["tables"]) for kept in (current, *earlier[:keep])))
        for revision in earlier[keep:]:
            for name in sorted(set(revision["value"]) - needed - _files((), revision["tables"])):
                path = store.root / name
                if store.files.holds(name):
                    why = f"{revision['asset']} of checkpoint {revision['facts']['checkpoint']}, which was superseded"
                    yield Leftover(name, path.stat().st_size, why)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None


def _of_killed_writers(store: Store, age: float) -> Iterator[Leftover]:
    for path in sorted(store.root.rglob(".*")):
        if path.is_file() and _old(path, age):
            yield Leftover(_name(store, path), path.stat().st_size, "half-written by a process that was killed")


def _unfinished(platform: Platform, store: Store, age: float) -> Iterator[Leftover]:
    """Find sums of killed passes that are made of other inputs, code or settings than a run would use now."""
    resumable = {
        _name(store, store.halfway(node.asset, place, plan.recipe).path)
        for node in platform.nodes.values()
        if node.computes or node.on_request
        for place in platform.grid.places(node.space)
        for plan in [platform.plan(node, place, store)]
        if plan.kept is None
    }
    for path in sorted(path for path in (store.root / "halfway").rglob("*") if path.is_file()):
        work = path.parent.with_suffix(".safetensors") if path.parent.suffix == ".parts" else path
        if not path.name.startswith(".") and _name(store, work) not in resumable and _old(path, age):
            yield Leftover(_name(store, path), path.stat().st_size, "unfinished, and nothing would go on from it")


def _old(path: Path, age: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= age
    except FileNotFoundError:  # its writer has just renamed it
        return False


def _name(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()
