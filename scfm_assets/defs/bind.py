"""From declarations to Dagster: the only place where assets and sources become Dagster's own definitions."""

# Annotations stay objects here (no `from __future__ import annotations`): Dagster reads them.

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg

from scfm_assets.defs.automation import condition_of
from scfm_assets.engine import make
from scfm_assets.engine.declare import FORCE_TAG, LISTENER, Check, Failed, Job, Node, Source
from scfm_assets.engine.platform import Platform
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place, Relation, Space
from scfm_assets.resources import kubernetes
from scfm_assets.resources.compute import Compute
from scfm_assets.resources.store import Manifest, StoreFolder
from scfm_assets.tables.columns import MATERIALIZATION, Column
from scfm_assets.tables.platform import TABLES

OWNER = "team:scfm"
OUTPUTS = {
    Space.WHOLE: "One output.",
    Space.TISSUE: "One output per tissue: choose one under *Partitions* to see its numbers and plots.",
    Space.SLICE: "One output per slice, a number of cells of a tissue: choose one under *Partitions* to see its "
    "numbers and plots.",
}


def dagster_asset(platform: Platform, node: Node) -> dg.AssetsDefinition:
    """Turn a declaration into a Dagster asset."""
    grid, key = platform.grid, dg.AssetKey(node.asset.split("/"))
    above = {read.asset: (read.relation, platform.nodes[read.asset].space) for read in node.reads.values()}
    above |= {name: (Relation.SAME, platform.sources[name].space) for name in node.watches}
    deps = [
        dg.AssetDep(dg.AssetKey(name.split("/")), partition_mapping=relation.mapping(grid, node.space, space))
        for name, (relation, space) in above.items()
    ]

    @dg.asset(
        key=key,
        deps=deps,
        partitions_def=grid.definition(node.space),
        group_name=group_of(node.asset),
        description=described(node),
        code_version=node.code if isinstance(node.code, str) else None,  # digests are asked for when they are needed
        kinds=set(node.kinds) | ({"duckdb"} if node.tables else set()),
        owners=[OWNER],
        pool=node.pool,
        op_tags=kubernetes.op_tags(node.pool),
        automation_condition=condition_of(platform, node),
        tags=dict.fromkeys(node.tags, ""),
        metadata={"dagster/column_schema": _columns(node.rows)} if node.rows else None,
        check_specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=key,
                description=check.doc,
                blocking=check.blocking,
                partitions_def=grid.definition(node.space),
            )
            for check in node.checks
        ],
    )
    def materialize(context: dg.AssetExecutionContext, store: StoreFolder, compute: Compute) -> dg.MaterializeResult:
        place = grid.parse(context.partition_key if context.has_partition_key else None)
        job = Job(platform.catalog, platform.grid, place, store.open(), compute, context.log.info)
        try:
            manifest, facts = make.materialize(platform, node, job, force=FORCE_TAG in context.run.tags)
        except Exception as error:
            LISTENER.get()(Failed.by(node.asset, place, error))
            if isinstance(error, ScfmError):
                raise dg.Failure(str(error), allow_retries=False) from error
            raise
        if facts.facts.get("kept"):
            context.log.info("fresh: inputs, code and configuration are those of the stored output, which is kept")
        return dg.MaterializeResult(
            metadata={
                **{name: dg.MetadataValue.md(text) for name, text in facts.shown.items()},
                **_plain(manifest.facts),
                "peak_memory_MB": round(manifest.facts["peak_memory_bytes"] / 1e6),
                **_plain(facts.facts),
                "dagster/uri": job.store.files.uri(posixpath.commonpath(manifest.value) if manifest.value else ""),
                "materialization": manifest.materialization,
                "made_of": dg.MetadataValue.json(made_of(manifest)),
            },
            data_version=dg.DataVersion(manifest.version),
            check_results=[_check_result(check, manifest) for check in node.checks],
        )

    return materialize


def described(node: Node) -> str:
    """Say what an asset is, how many outputs it has and under which names SQL knows it."""
    tables = "".join(f" In SQL: `{name}` (`{name}_latest`: the rows that hold now)." for name in node.tables)
    return f"{node.doc}\n\n{OUTPUTS[node.space]}{tables}"


def made_of(manifest: Manifest) -> dict[str, Any]:
    """What lineage needs of a materialization: what it was made of, down to files, by what code and where."""
    inputs = {name: [version, manifest.upstream.get(name)] for name, version in manifest.inputs.items()}
    same = ("materialization", "made_at", "code", "config", "sources", "environment", "facts")
    return {**{name: getattr(manifest, name) for name in same}, "inputs": inputs}


def _columns(name: str) -> dg.TableSchema:
    """A table's columns, their meaning, limits and key, as the UI shows them."""
    table = TABLES[name]

    def limits(c: Column) -> dg.TableColumnConstraints:
        other = [c.check] if c.check else []
        return dg.TableColumnConstraints(nullable=c.nullable, unique=(c.name,) == table.key, other=other)

    columns = [dg.TableColumn(c.name, c.type, c.doc, limits(c)) for c in (*table.columns, MATERIALIZATION)]
    key = [f"unique ({', '.join(table.key)})"] if table.key else []
    return dg.TableSchema(columns, dg.TableConstraints(key))


def _check_result(check: Check, manifest: Manifest) -> dg.AssetCheckResult:
    """Tell how an output did in a check; one that is older than the check is warned of, not held back."""
    results = {name: (passed, words) for name, passed, words in manifest.checks}
    passed, words = results.get(check.name, (False, "not asked: the output was made before there was this check"))
    blocking = check.blocking and check.name in results
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=passed, check_name=check.name, description=words, severity=severity)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    names = {"rows": "dagster/row_count"}
    return {names.get(k, k): v for k, v in facts.items() if isinstance(v, (str, int, float, bool))}


def group_of(name: str) -> str:
    """Group of an asset in the UI: ``model_<name>``, or the first part of the key."""
    parts = name.split("/")
    return re.sub(r"\W", "_", f"model_{parts[1]}") if parts[0] == "models" else parts[0]


def dagster_source(platform: Platform, source: Source) -> dg.AssetsDefinition | dg.SourceAsset:
    """Turn a source into an observable Dagster asset: observing it digests its content."""
    grid = platform.grid
    observable = dg.observable_source_asset(
        key=dg.AssetKey(source.asset.split("/")),
        description=source.doc,
        group_name=group_of(source.asset),
        metadata=source.facts,
        tags={f"dagster/kind/{kind}": "" for kind in source.kinds},
        partitions_def=grid.definition(source.space),
    )
    if source.space is Space.WHOLE:

        @observable
        def observe() -> dg.DataVersion:
            return dg.DataVersion(source.version(Place()))

        return observe

    @observable
    def observe_each() -> dg.DataVersionsByPartition:
        return dg.DataVersionsByPartition({tissue: source.version(Place(tissue)) for tissue in grid.tissues})

    return observe_each
