"""All assets of one catalog, and how they hang together: what each reads, and whether what is stored is up to date."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from scfm_assets.core.base import digest_json
from scfm_assets.engine.plan import Plan, label_of
from scfm_assets.partitions import Grid, Place, Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.declare import Node, Source
    from scfm_assets.resources.compute import Compute
    from scfm_assets.resources.store import Manifest, Store


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
        manifests = {}
        for parameter, read in node.reads.items():
            above = self.nodes[read.asset]
            places = read.relation.upstream(self.grid, place, above.space)
            manifests[parameter] = {p: usable(above, store.manifest(read.asset, p)) for p in places}
        return manifests

    def watched(self, node: Node, place: Place) -> Iterator[tuple[Source, Place]]:
        """All sources that a node depends on, and where."""
        for name in node.watches:
            source = self.sources[name]
            yield source, Place() if source.space is Space.WHOLE else Place(place.tissue)

    def config_digest(self, node: Node, place: Place, compute: Compute | None = None) -> str:
        """Digest the part of the catalog that an output depends on, and a precision that is not exact."""
        declared, precision = node.config(self.catalog, place), (compute or self.compute).precision
        return digest_json([declared, precision] if node.computes and precision != "fp32" else declared)

    def plan(self, node: Node, place: Place, store: Store, compute: Compute | None = None) -> Plan:
        """Look up what an output would be made of now, and whether the stored one was.

        That may be the one of an earlier checkpoint: a model that goes back to it takes its outputs back.

        Raises
        ------
        ScfmError
            If a source that the node watches cannot be read.
        """
        upstream = self.upstream(node, place, store)
        versions = {
            label_of(node.reads[parameter].asset, where): manifest.version
            for parameter, manifests in upstream.items()
            for where, manifest in manifests.items()
            if manifest is not None
        }
        versions |= {label_of(source.asset, at): source.version(at) for source, at in self.watched(node, place)}
        config = self.config_digest(node, place, compute)
        plan = Plan(node, place, upstream, versions, node.code_version, config)
        stored = usable(node, store.manifest(node.asset, place))
        if stored is None:
            return plan
        candidates = chain([stored], reversed(store.revisions(node.asset, place)) if stored.checkpoint else ())
        return replace(plan, kept=next((manifest for manifest in candidates if self._fits(plan, manifest)), None))

    def _fits(self, plan: Plan, manifest: Manifest) -> bool:
        valid = usable(plan.node, manifest) is not None and plan.node.still_valid(self.grid, manifest)
        return valid and manifest.made_of(plan.code, plan.config, plan.versions)


def refused(node: Node, manifest: Manifest) -> list[str]:
    """Say which blocking checks an output did not pass, and what they saw."""
    saw = {name: words for name, passed, words in manifest.checks if not passed}
    failed = [check for check in node.checks if check.blocking and check.name in saw]
    return [f"check {check.name} failed: {saw[check.name]}\n{check.doc}" for check in failed]


def usable(node: Node, manifest: Manifest | None) -> Manifest | None:
    """Pass an output on only if its blocking checks held."""
    return None if manifest is None or refused(node, manifest) else manifest
