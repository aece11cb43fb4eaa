"""What one output would be made of now, and whether the stored one is just that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets.core.base import digest_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scfm_assets.engine.declare import Node
    from scfm_assets.partitions import Place
    from scfm_assets.resources.store import Manifest


@dataclass(frozen=True)
class Plan:
    """What one output would be made of now.

    It is asked for once where it is decided whether an output is needed, and once more right before the output is
    made: minutes may lie between, in which another run may have replaced an input.

    Attributes
    ----------
    node, place
        Which output.
    upstream
        Parameter of the body -> places that it reads -> what the store holds there, None if nothing that can be used.
    versions
        Versions of all inputs and watched sources, by ``"<asset>[<partition>]"``.
    code, config
        Version of the code, and digest of the part of the catalog that decides the output.
    kept
        The stored output if it was made of just this; it may be that of an earlier checkpoint.
    """

    node: Node
    place: Place
    upstream: Mapping[str, Mapping[Place, Manifest | None]]
    versions: Mapping[str, str]
    code: str
    config: str
    kept: Manifest | None = None

    @property
    def recipe(self) -> str:
        """Digest of everything that decides the output: code, configuration and inputs."""
        return digest_json([self.code, self.config, dict(self.versions)])

    @property
    def missing(self) -> set[str]:
        """Assets that the output cannot do without, and of which something is not stored."""
        return {asset for asset, _, manifest in self.inputs(needed=True) if manifest is None}

    @property
    def materializations(self) -> dict[str, str]:
        """Materialization of every stored input, by the names of `versions`."""
        inputs = self.inputs()
        return {label_of(asset, at): manifest.materialization for asset, at, manifest in inputs if manifest is not None}

    def inputs(self, *, needed: bool = False) -> Iterator[tuple[str, Place, Manifest | None]]:
        """All inputs as asset, place and what is stored; if `needed`, only those that the output cannot do without."""
        for parameter, manifests in self.upstream.items():
            read = self.node.reads[parameter]
            if not (needed and read.may_lack):
                yield from ((read.asset, place, manifest) for place, manifest in manifests.items())

    def changes(self, stored: Manifest) -> Iterator[str]:
        """Say what differs from what a stored output was made of: code, settings or inputs."""
        if stored.code != self.code:
            yield f"code: {stored.code} became {self.code}"
        if stored.config != self.config:
            yield "settings: its part of the catalog, a default, or the precision changed"
        for name, version in self.versions.items():
            if stored.inputs.get(name) != version:
                yield f"input: {name} {'changed' if name in stored.inputs else 'is new'}"
        yield from (f"input: {name} is gone" for name in stored.inputs if name not in self.versions)


def label_of(asset: str, place: Place) -> str:
    """Name an input at a place, as manifests do: the asset, and its partition in brackets."""
    return asset if place.key is None else f"{asset}[{place.key}]"
