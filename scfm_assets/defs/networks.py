"""Reference networks: the edges that are held to be true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.engine.declare import Check, Facts, Job, Node, Reads, Source, asset, same
from scfm_assets.inputs import sources
from scfm_assets.partitions import Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.partitions import Place

PREFIX = "network_"


def network_source(catalog: Catalog, name: str) -> Source:
    """Declare a network as its authors give it."""
    entry = catalog.networks[name]
    stated = entry.model_dump(include={"version", "licence"}, exclude_none=True)
    return Source(
        asset=f"networks/{name}_source",
        space=Space.WHOLE,
        version=lambda _: sources.network_version(catalog, name),
        files=lambda _: sources.network_files(catalog, name),
        doc=f"Network {name} as its authors give it, by content digest.",
        kinds=frozenset({"table"}),
        facts={"from": sources.origin(entry), "organism": entry.organism, **stated},
    )


def network(catalog: Catalog, name: str) -> Node:
    """Declare one reference network."""
    entry = catalog.networks[name]
    licence = entry.licence or ("none needed: simulated here" if entry.simulated else None)

    @asset(
        f"networks/{name}",
        space=Space.WHOLE,
        watches=[f"networks/{name}_source"],
        config=lambda _, __: {
            **entry.model_dump(mode="json", exclude={"file", "url", "sha256"}),
            "gene_table": sources.names_version(catalog, name),
        },
        table="networks",
        simulated=lambda _, __: entry.simulated,
        facts=lambda _, table: Facts({"rows": table.num_rows, "licence": licence or "not stated"}),
        checks=[
            Check("network_has_edges", "Some edge joins two genes.", "core.evaluation:network_has_edges"),
            Check(
                "licence_is_stated",
                "The catalog says under which licence the network may be used.",
                lambda _, __: (licence is not None, f"licence: {licence or 'not stated in the catalog'}"),
                blocking=False,
            ),
        ],
        kinds=["parquet"],
    )
    def edges(job: Job) -> pa.Table:
        """One row: an edge TF -> target of the network, with sign and confidence where they are known."""
        network_table = sources.read_network(job.catalog, name)
        report = network_table.report.as_dict()
        job.say(version=network_table.version, digest=network_table.digest, rows_read=report.pop("rows"), **report)
        return network_table.rows()

    return edges


def nodes(catalog: Catalog) -> list[Node]:
    """All networks of the catalog."""
    return [network(catalog, name) for name in catalog.networks]


def reads(catalog: Catalog) -> dict[str, Reads]:
    """Inputs of an asset that reads all networks: ``network_<name>``."""
    return {PREFIX + name: same(f"networks/{name}") for name in catalog.networks}


def taken_as(catalog: Catalog, place: Place) -> dict[str, Any]:
    """The part of the catalog that decides which edges of the networks lie in a tissue's panel."""
    named = {name: [entry.organism, entry.ids] for name, entry in catalog.networks.items()}
    return {"organism": catalog.atlases[str(place.tissue)].organism, "networks": named}


def read(inputs: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Pick the networks out of an asset's inputs, by name."""
    return {key.removeprefix(PREFIX): table for key, table in inputs.items() if key.startswith(PREFIX)}
