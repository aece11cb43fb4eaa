"""All assets of one catalog, and how they hang together: what each reads, whether it is fresh, how it is made."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.core.base import digest_json
from scfm_assets.engine.declare import LISTENER, Done, Facts, Failed, Job, Node, Source
from scfm_assets.engine.environment import environment
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Grid, Place, Relation, Space
from scfm_assets.resources.store import Format, Manifest, Output, Store
from scfm_assets.tables.schema import TABLES, check_table

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.resources.compute import Compute


@dataclass(frozen=True)
class Platform:
    """All assets of one catalog, and how they hang together."""

    catalog: Catalog
    grid: Grid
    sources: Mapping[str, Source]
    nodes: Mapping[str, Node]
    compute: Compute

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
                    versions[label_of(read.asset, where)] = manifest.version
        for source, where in self.watched(node, place):
            versions[label_of(source.asset, where)] = source.version(where)
        return versions

    def watched(self, node: Node, place: Place) -> Iterator[tuple[Source, Place]]:
        """Give the sources that a node depends on, and where."""
        for name in node.watches:
            source = self.sources[name]
            yield source, Place() if source.space is Space.WHOLE else Place(place.tissue)

    def fresh(self, node: Node, place: Place, store: Store, compute: Compute | None = None) -> Manifest | None:
        """Give the stored output of a node if nothing that it was made of has changed since.

        It may be that of an earlier checkpoint: a model that goes back to it takes its outputs back.
        """
        stored = self._usable(node, store.manifest(node.asset, place))
        if stored is None:
            return None
        versions = self.versions(node, place, self.upstream(node, place, store))
        config = self.config_digest(node, place, compute)
        candidates = chain([stored], reversed(store.revisions(node.asset, place)) if stored.checkpoint else ())
        return next((found for found in candidates if self._fits(node, found, config, versions)), None)

    def _fits(self, node: Node, manifest: Manifest, config: str, versions: Mapping[str, str]) -> bool:
        usable = self._usable(node, manifest) is not None and node.still_valid(self.grid, manifest)
        return usable and manifest.made_of(node.code, config, versions)

    @staticmethod
    def refused(node: Node, manifest: Manifest) -> list[str]:
        """Say which blocking checks an output did not pass, and what they saw."""
        saw = {name: words for name, passed, words in manifest.checks if not passed}
        failed = [check for check in node.checks if check.blocking and check.name in saw]
        return [f"check {check.name} failed: {saw[check.name]}\n{check.doc}" for check in failed]

    def _usable(self, node: Node, manifest: Manifest | None) -> Manifest | None:
        """Pass an output on only if its blocking checks held."""
        return None if manifest is None or self.refused(node, manifest) else manifest

    def config_digest(self, node: Node, place: Place, compute: Compute | None = None) -> str:
        """Digest the part of the catalog that an output depends on, and a precision that is not exact."""
        declared, precision = node.config(self.catalog, place), (compute or self.compute).precision
        return digest_json([declared, precision] if node.computes and precision != "fp32" else declared)

    @staticmethod
    def recipe(node: Node, config: str, versions: Mapping[str, str]) -> str:
        """Digest everything that decides an output: code, configuration and inputs."""
        return digest_json([node.code, config, dict(versions)])

    def materialize(self, node: Node, job: Job, *, force: bool = False) -> tuple[Manifest, Facts]:
        """Make the output of a node at the job's place, or keep the stored one if it is fresh."""
        started = time.perf_counter()
        kept = None if force else self.fresh(node, job.place, job.store, job.compute)
        if kept is not None:
            if kept != job.store.manifest(node.asset, job.place):
                job.store.take_back(node.asset, job.place, kept)
            LISTENER.get()(Done(node.asset, job.place, True, time.perf_counter() - started, kept.facts))  # noqa: FBT003
            return kept, Facts({"kept": True}, job.store.shown(node.asset, job.place))
        upstream = self.upstream(node, job.place, job.store)
        versions = self.versions(node, job.place, upstream)
        config = self.config_digest(node, job.place, job.compute)
        job.halfway = job.store.halfway(node.asset, job.place, self.recipe(node, config, versions))
        job.inputs.update({p: self._load(node, p, found, job) for p, found in upstream.items()})
        value = node.body(job, **job.inputs)
        stamp = {
            "tissue": job.place.tissue,
            "n_cells": job.place.n_cells,
            "simulated": node.simulated(self.catalog, job.place),
        }
        tables = {node.table: value} if node.table is not None else {}
        tables |= {name: publish(job, value) for name, publish in node.publishes.items()}
        tables = {name: check_table(name, _stamped(name, table, stamp)) for name, table in tables.items()}
        if node.table is not None:
            value = tables[node.table]
        shown = node.facts(job, value) if node.facts is not None else Facts()
        checks = tuple((check.name, *check.passes(job, value)) for check in node.checks)
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
            config=config,
            inputs=versions,
            checks=checks,
            facts=facts,
            shown=shown.shown,
            upstream={
                label_of(node.reads[parameter].asset, where): found.materialization
                for parameter, manifests in upstream.items()
                for where, found in manifests.items()
                if found is not None
            },
            sources={
                label_of(source.asset, where): source.files(where) for source, where in self.watched(node, job.place)
            },
            environment=environment(),
        )
        manifest = job.store.write(node.asset, job.place, output)
        job.halfway.remove()
        seconds, refused = time.perf_counter() - started, self.refused(node, manifest)
        done = Done(node.asset, job.place, False, seconds, facts)  # noqa: FBT003
        LISTENER.get()(Failed(node.asset, job.place, "\n".join(refused)) if refused else done)
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


def label_of(name: str, place: Place) -> str:
    """Name an input at a place, as manifests do: the asset, and its partition in brackets."""
    return name if place.key is None else f"{name}[{place.key}]"
