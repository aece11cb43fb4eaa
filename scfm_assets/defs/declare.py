"""How an asset is declared here: one decorator that adds what every asset of the platform needs.

A declaration says where the asset lives (`Space`), what it reads (`reads`), which part of the catalog it depends on
(`config`), and what its value looks like in the store (`format`, `table`). Its body gets a `Job` and the loaded inputs,
calls `core/`, and returns a value. The rest happens once, here: an output whose inputs, code and configuration are
those of the stored one is kept; values are digested by content, checked against their schema, and stored; facts go to
Dagster.
"""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.core.digest import digest_json
from scfm_assets.core.errors import ScfmError
from scfm_assets.partitions import Grid, Place, Relation, Space
from scfm_assets.resources.store import TABLE, Format, Manifest, Output, Store
from scfm_assets.warehouse.schema import TABLES, check_table

if TYPE_CHECKING:
    import dagster as dg

    from scfm_assets.catalog import Catalog
    from scfm_assets.resources.compute import Compute


@dataclass(frozen=True)
class Reads:
    """One input of an asset: which asset, and which of its places."""

    asset: str
    relation: Relation = Relation.SAME

    @property
    def may_lack(self) -> bool:
        """Whether the asset takes what is there instead of asking for all of it."""
        return self.relation is Relation.ALL


def same(asset: str) -> Reads:
    """Read the same place of an asset (or its tissue, or all of it if it has no partitions)."""
    return Reads(asset)


def up_to(asset: str) -> Reads:
    """Read all slices of the tissue with at most as many cells: a mapping from n_cells to values."""
    return Reads(asset, Relation.UP_TO)


def everything(asset: str) -> Reads:
    """Read all places within this one that are there: a mapping from places to values."""
    return Reads(asset, Relation.ALL)


@dataclass(frozen=True)
class Check:
    """Something that holds for every output of an asset, or stops it from travelling on."""

    name: str
    doc: str
    passes: Callable[[Any], tuple[bool, str]]
    blocking: bool = True


@dataclass(frozen=True)
class Facts:
    """What an asset says about its output besides the value: plain facts, and things to look at in the UI."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, dg.MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Something outside the platform, known by a digest of its content."""

    asset: str
    space: Space
    version: Callable[[Place], str]
    doc: str
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Node:
    """One declared asset."""

    asset: str
    space: Space
    reads: Mapping[str, Reads]
    watches: tuple[str, ...]
    body: Callable[..., Any]
    code: str
    config: Callable[[Catalog, Place], Any]
    format: Format
    table: str | None
    publishes: Callable[[Job, Any], Mapping[str, pa.Table]] | None
    facts: Callable[[Job, Any], Facts] | None
    checks: tuple[Check, ...]
    simulated: Callable[[Catalog, Place], bool]
    still_valid: Callable[[Grid, Manifest], bool]
    pool: str | None
    kinds: frozenset[str]

    @property
    def doc(self) -> str:
        """What a row or a file of the asset is."""
        return (self.body.__doc__ or "").strip()


@dataclass
class Job:
    """What an asset's body works with."""

    platform: Platform
    place: Place
    store: Store
    compute: Compute
    said: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog:
        """The catalog that the platform was built from."""
        return self.platform.catalog

    @property
    def tissue(self) -> str:
        """The tissue of this place."""
        if self.place.tissue is None:
            msg = "this asset has no tissue"
            raise TypeError(msg)
        return self.place.tissue

    @property
    def n_cells(self) -> int:
        """The number of cells of this slice."""
        if self.place.n_cells is None:
            msg = "this asset is not in a slice"
            raise TypeError(msg)
        return self.place.n_cells

    def say(self, **facts: Any) -> None:
        """Record facts about the output, shown in Dagster and kept with the output."""
        self.said.update(facts)

    def progress(self, done: int, total: int) -> None:
        """Report how far long work has come."""
        LISTENER.get()(Progress(self.place, done, total))


@dataclass(frozen=True)
class Progress:
    """How far an asset has come."""

    place: Place
    done: int
    total: int


@dataclass(frozen=True)
class Done:
    """An asset is materialized: computed now, or kept because it was fresh."""

    asset: str
    place: Place
    kept: bool
    seconds: float
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """An asset could not be made: what a user can mend says what to do, anything else brings its traceback."""

    asset: str
    place: Place
    error: str

    @classmethod
    def by(cls, asset: str, place: Place, error: Exception) -> Failed:
        """Tell of an error."""
        told = str(error) if isinstance(error, ScfmError) else "".join(traceback.format_exception(error))
        return cls(asset, place, told)


def _silent(_: Progress | Done | Failed) -> None:
    """Listen to nothing."""


LISTENER: ContextVar[Callable[[Progress | Done | Failed], None]] = ContextVar("listener", default=_silent)
"""Whoever wants to show what happens: `scfm run` sets it."""

FORCE_TAG = "scfm/force"
"""A run with this tag recomputes what is fresh."""


def asset(
    name: str,
    *,
    space: Space,
    reads: Mapping[str, Reads] | None = None,
    watches: Sequence[str] = (),
    code: str = "1",
    config: Callable[[Catalog, Place], Any] = lambda _catalog, _place: None,
    format: Format = TABLE,  # noqa: A002
    table: str | None = None,
    publishes: Callable[[Job, Any], Mapping[str, pa.Table]] | None = None,
    facts: Callable[[Job, Any], Facts] | None = None,
    checks: Sequence[Check] = (),
    simulated: Callable[[Catalog, Place], bool] | None = None,
    still_valid: Callable[[Grid, Manifest], bool] = lambda _grid, _manifest: True,
    pool: str | None = None,
    kinds: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], Node]:
    """Declare an asset.

    Parameters
    ----------
    name
        Key, as ``"atlas/gene_panel"``.
    space
        Whether it is one for all, one per tissue, or one per slice.
    reads
        Parameter of the body -> input.
    watches
        Sources (see `Source`) whose content the asset depends on.
    code
        Version of what the body does; raise it when results change.
    config
        The part of the catalog that the output depends on, as JSON values.
    format, table
        How the value is stored; a table is also checked against its schema and appears in SQL under its name.
    publishes
        Further SQL tables made from the value.
    facts
        Facts and plots made from the value.
    checks
        What must hold for every output.
    simulated
        Whether the output stands on simulated data; inherited by everything downstream through the catalog.
    still_valid
        A further condition under which a stored output may be kept.
    pool
        Dagster pool that limits how many run at once.
    kinds
        Badges in the UI.
    """

    def declare(body: Callable[..., Any]) -> Node:
        return Node(
            asset=name,
            space=space,
            reads=dict(reads or {}),
            watches=tuple(watches),
            body=body,
            code=code,
            config=config,
            format=format,
            table=table,
            publishes=publishes,
            facts=facts,
            checks=tuple(checks),
            simulated=simulated or _tissue_is_simulated,
            still_valid=still_valid,
            pool=pool,
            kinds=frozenset(kinds),
        )

    return declare


def _tissue_is_simulated(catalog: Catalog, place: Place) -> bool:
    tissues = catalog.atlases if place.tissue is None else [place.tissue]
    return all(catalog.atlases[tissue].simulated for tissue in tissues)


@dataclass(frozen=True)
class Platform:
    """All assets of one catalog, and how they hang together."""

    catalog: Catalog
    grid: Grid
    sources: Mapping[str, Source]
    nodes: Mapping[str, Node]

    def upstream(self, node: Node, place: Place, store: Store) -> dict[str, dict[Place, Manifest | None]]:
        """For every input parameter of a node, the places it reads and what the store holds there."""
        found = {}
        for parameter, read in node.reads.items():
            above = self.nodes[read.asset]
            places = read.relation.upstream(self.grid, place, above.space)
            found[parameter] = {p: self._usable(above, store.manifest(read.asset, p)) for p in places}
        return found

    def versions(
        self, node: Node, place: Place, upstream: Mapping[str, Mapping[Place, Manifest | None]]
    ) -> dict[str, str]:
        """Give the versions of everything a node reads at a place, by ``"<asset>[<partition>]"``."""
        versions = {}
        for parameter, manifests in upstream.items():
            read = node.reads[parameter]
            for where, manifest in manifests.items():
                if manifest is not None:
                    versions[_label(read.asset, where)] = manifest.version
        for name in node.watches:
            source = self.sources[name]
            where = Place() if source.space is Space.WHOLE else Place(place.tissue)
            versions[_label(name, where)] = source.version(where)
        return versions

    def fresh(self, node: Node, place: Place, store: Store) -> Manifest | None:
        """Give the stored output of a node if nothing that it was made of has changed since."""
        stored = self._usable(node, store.manifest(node.asset, place))
        if stored is None or not node.still_valid(self.grid, stored):
            return None
        versions = self.versions(node, place, self.upstream(node, place, store))
        return stored if stored.made_of(node.code, self.config_digest(node, place), versions) else None

    @staticmethod
    def _usable(node: Node, manifest: Manifest | None) -> Manifest | None:
        """Pass an output on only if its blocking checks held."""
        if manifest is None:
            return None
        failed = {name for name, passed, _ in manifest.checks if not passed}
        return None if any(check.blocking and check.name in failed for check in node.checks) else manifest

    def config_digest(self, node: Node, place: Place) -> str:
        """Digest the part of the catalog that an output depends on."""
        return digest_json(node.config(self.catalog, place))

    def materialize(self, node: Node, job: Job, *, force: bool = False) -> tuple[Manifest, Facts]:
        """Make the output of a node at the job's place, or keep the stored one if it is fresh."""
        started = time.perf_counter()
        kept = None if force else self.fresh(node, job.place, job.store)
        if kept is not None:
            LISTENER.get()(Done(node.asset, job.place, True, time.perf_counter() - started, kept.facts))  # noqa: FBT003
            return kept, Facts({"kept": True})
        upstream = self.upstream(node, job.place, job.store)
        versions = self.versions(node, job.place, upstream)
        job.inputs.update({p: self._load(node, p, found, job) for p, found in upstream.items()})
        value = node.body(job, **job.inputs)
        stamp = {
            "tissue": job.place.tissue,
            "n_cells": job.place.n_cells,
            "simulated": node.simulated(self.catalog, job.place),
        }
        tables = {node.table: value} if node.table is not None else {}
        if node.publishes is not None:
            tables |= node.publishes(job, value)
        tables = {name: check_table(name, _stamped(name, table, stamp)) for name, table in tables.items()}
        if node.table is not None:
            value = tables[node.table]
        shown = node.facts(job, value) if node.facts is not None else Facts()
        checks = tuple((check.name, *check.passes(value)) for check in node.checks)
        facts = {
            **job.said,
            **shown.facts,
            "seconds": round(time.perf_counter() - started, 3),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "simulated": stamp["simulated"],
        }
        output = Output(
            format=node.format,
            value=value,
            tables=tables,
            code=node.code,
            config=self.config_digest(node, job.place),
            inputs=versions,
            checks=checks,
            facts=facts,
        )
        manifest = job.store.write(node.asset, job.place, output)
        LISTENER.get()(Done(node.asset, job.place, False, time.perf_counter() - started, facts))  # noqa: FBT003
        return manifest, Facts(facts, shown.shown)

    def _load(self, node: Node, parameter: str, manifests: Mapping[Place, Manifest | None], job: Job) -> Any:
        read = node.reads[parameter]
        form = self.nodes[read.asset].format
        if not read.may_lack:
            for where, manifest in manifests.items():
                if manifest is None:
                    problem = f"nothing is stored at {where or 'all'}"
                    raise ScfmError(read.asset, problem, f"Materialize it first: {node.asset} is made of it.")
        if read.relation is Relation.SAME:
            (manifest,) = manifests.values()
            return job.store.read(manifest, form) if manifest else None
        return Later(job.store, form, {p: m for p, m in manifests.items() if m is not None})


@dataclass(frozen=True)
class Later(Mapping[Place, Any]):
    """Several stored values by place, each loaded when it is looked up."""

    store: Store
    format: Format
    manifests: Mapping[Place, Manifest]

    def __getitem__(self, place: Place) -> Any:
        return self.store.read(self.manifests[place], self.format)

    def __iter__(self) -> Iterator[Place]:
        return iter(self.manifests)

    def __len__(self) -> int:
        return len(self.manifests)


def _stamped(name: str, table: pa.Table, stamp: Mapping[str, Any]) -> pa.Table:
    """Repeat the partition in every row of a table that declares its columns, so that one file explains itself."""
    declared = [column.name for column in TABLES[name].columns]
    for column, value in stamp.items():
        if column in declared and column not in table.column_names:
            table = table.append_column(column, pa.array([value] * table.num_rows))
    return table


def _label(name: str, place: Place) -> str:
    return name if place.key is None else f"{name}[{place.key}]"
