"""How an output is made: plan, make, store, tell."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from scfm_assets.engine.declare import LISTENER, Done, Facts, Failed, Job, Node, imported
from scfm_assets.engine.environment import environment
from scfm_assets.engine.plan import Plan, label_of
from scfm_assets.engine.platform import Platform, refused
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place, Relation
from scfm_assets.resources.store import Format, Manifest, Output, Store
from scfm_assets.tables.schema import TABLES, check_table


@dataclass(frozen=True)
class StoredValues(Mapping[Place, Any]):
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


def materialize(platform: Platform, node: Node, job: Job, *, force: bool = False) -> tuple[Manifest, Facts]:
    """Make the output of a node at the job's place, or keep the stored one if nothing behind it has changed.

    The way of an output: `Platform.plan` looks up what it would be made of; the body makes the value of the loaded
    inputs; its tables are checked against their schemas; facts and checks are taken from the value; `Store.write`
    makes all files appear; `LISTENER` hears of it.
    """
    started = time.perf_counter()
    plan = platform.plan(node, job.place, job.store, job.compute)
    if plan.kept is not None and not force:
        return _keep(plan.kept, node, job, started)
    job.halfway = job.store.halfway(node.asset, job.place, plan.recipe)
    job.inputs.update({name: _load(platform, plan, name, job.store) for name in plan.upstream})
    output = _make(platform, plan, job, started)
    manifest = job.store.write(node.asset, job.place, output)
    job.halfway.remove()
    seconds, problems = time.perf_counter() - started, refused(node, manifest)
    done = Done(node.asset, job.place, False, seconds, output.facts)  # noqa: FBT003
    LISTENER.get()(Failed(node.asset, job.place, "\n".join(problems)) if problems else done)
    return manifest, Facts(output.facts, output.shown)


def _keep(kept: Manifest, node: Node, job: Job, started: float) -> tuple[Manifest, Facts]:
    """Keep a stored output; one of an earlier checkpoint becomes the current one again."""
    if kept != job.store.manifest(node.asset, job.place):
        job.store.take_back(node.asset, job.place, kept)
    LISTENER.get()(Done(node.asset, job.place, True, time.perf_counter() - started, kept.facts))  # noqa: FBT003
    return kept, Facts({"kept": True}, job.store.shown(node.asset, job.place))


def _make(platform: Platform, plan: Plan, job: Job, started: float) -> Output:
    """Run the body, and gather what is stored with its value."""
    node = plan.node
    value = node.body(job, **job.inputs)
    simulated = node.simulated(platform.catalog, job.place)
    tables = _tables(node, job, value, simulated=simulated)
    value = value if node.table is None else tables[node.table]
    facts = node.facts(job, value) if node.facts is not None else Facts()
    checks = tuple((check.name, *check.passes(job, value)) for check in node.checks)
    sources = {label_of(source.asset, at): source.files(at) for source, at in platform.watched(node, job.place)}
    cost = {
        "seconds": round(time.perf_counter() - started, 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    return Output(
        format=node.format,
        value=value,
        tables=tables,
        code=plan.code,
        config=plan.config,
        inputs=plan.versions,
        checks=checks,
        facts={**job.said, **facts.facts, **cost, "simulated": simulated},
        shown=facts.shown,
        upstream=plan.materializations,
        sources=sources,
        environment=environment(),
    )


def _tables(node: Node, job: Job, value: Any, *, simulated: bool) -> dict[str, pa.Table]:
    """All SQL tables of a value, each as its schema says."""
    partition = {"tissue": job.place.tissue, "n_cells": job.place.n_cells, "simulated": simulated}
    tables = {node.table: value} if node.table is not None else {}
    for name, rows in node.publishes.items():
        tables[name] = rows(job, value) if callable(rows) else imported(rows)(value)
    return {name: check_table(name, _with_partition(name, table, partition)) for name, table in tables.items()}


def _with_partition(name: str, table: pa.Table, partition: Mapping[str, Any]) -> pa.Table:
    """Repeat the partition in every row of a table that declares its columns, so that one file explains itself."""
    declared = [column.name for column in TABLES[name].columns]
    for column, value in partition.items():
        if column in declared and column not in table.column_names:
            table = table.append_column(column, pa.array([value] * table.num_rows))
    return table


def _load(platform: Platform, plan: Plan, parameter: str, store: Store) -> Any:
    """Load an input: one value where it reads its own place, else all that are stored, each when it is looked up."""
    read, manifests = plan.node.reads[parameter], plan.upstream[parameter]
    form = platform.nodes[read.asset].format
    if not read.may_lack:
        for where, manifest in manifests.items():
            if manifest is None:
                problem = f"nothing is stored at {where or 'all'}"
                raise ScfmError(read.asset, problem, f"Materialize it first: {plan.node.asset} is made of it.")
    if read.relation is Relation.SAME:
        (manifest,) = manifests.values()
        return store.read(manifest, form) if manifest else None
    return StoredValues(store, form, {place: manifest for place, manifest in manifests.items() if manifest is not None})
