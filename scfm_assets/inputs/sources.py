"""What the catalog declares, opened: atlases and networks as `core/` takes them."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.core.base import digest_json
from scfm_assets.errors import ScfmError
from scfm_assets.inputs.downloads import fetched, shown
from scfm_assets.inputs.file_digests import file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Atlas, Catalog, Network
    from scfm_assets.core.evaluation import NoNetwork
    from scfm_assets.core.intake import AtlasSpec
    from scfm_assets.core.networks import NetworkSpec, NetworkTable
    from scfm_assets.core.simulate import World, WorldSpec

SIMULATOR = "1"
"""Version of what the simulator draws; raise it when the same specification gives other counts."""


# Files ------------------------------------------------------------------------------------------------------------


def _local(entry: Any) -> Path:
    return entry.file if entry.file is not None else fetched(entry.url, entry.sha256)


def origin(entry: Atlas | Network) -> str:
    """Say where an atlas or a network comes from, without what an address may hold of secrets."""
    if entry.file is not None:
        return str(entry.file)
    if entry.url is not None:
        return shown(entry.url)
    return "simulated here" if entry.simulated else f"bundled with {entry.source}"


def _declared(entry: Atlas | Network, spec: type[AtlasSpec | NetworkSpec]) -> dict[str, Any]:
    """What an entry says of how its data are to be read."""
    names = {field.name for field in dataclasses.fields(spec)} - {"tissue", "name", "path", "max_n_cells"}
    return {name: getattr(entry, name) for name in names}


# Atlases ----------------------------------------------------------------------------------------------------------


def atlas_version(catalog: Catalog, tissue: str) -> str:
    """Digest what an atlas holds, as its authors give it."""
    entry = catalog.atlases[tissue]
    if entry.simulated:
        return digest_json([SIMULATOR, simulation(catalog), tissue])
    files = atlas_files(catalog, tissue)
    if len(files) == 1 and _atlas_file(entry).is_file():
        return next(iter(files.values()))
    return digest_json([list(part) for part in files.items()])


def atlas_files(catalog: Catalog, tissue: str) -> dict[str, str]:
    """Digest of each file that an atlas comes from, or of the specification that it is simulated by."""
    entry = catalog.atlases[tissue]
    if entry.simulated:
        return {"simulation": atlas_version(catalog, tissue)}
    from scfm_assets.core.intake import parts

    return {name: file_digest(part) for name, part in parts(_atlas_file(entry)).items()}


def _atlas_file(entry: Atlas) -> Path:
    return _bundled(entry.scanpy) if entry.scanpy is not None else _local(entry)


def gene_table_version(catalog: Catalog, tissue: str) -> str | None:
    """Digest the table by which an atlas's symbols become gene ids."""
    table = catalog.atlases[tissue].gene_table
    return file_digest(table) if table is not None else None


def atlas_spec(catalog: Catalog, tissue: str) -> AtlasSpec:
    """Say how the atlas of a tissue is to be read."""
    from scfm_assets.core.intake import AtlasSpec

    entry = catalog.atlases[tissue]
    path = _local(entry) if entry.source in {"file", "url"} else None
    declared = _declared(entry, AtlasSpec)
    if entry.simulated:
        declared |= {"donor": "donor", "batch": "batch"}
    return AtlasSpec(tissue=tissue, path=path, max_n_cells=max(catalog.experiment.n_cells), **declared)


def read_atlas(catalog: Catalog, tissue: str) -> AnnData:
    """Read the atlas of a tissue as its authors give it."""
    from scfm_assets.core.intake import read, read_scanpy

    entry = catalog.atlases[tissue]
    if entry.simulated:
        return _simulated_atlas(catalog, tissue)
    if entry.scanpy is not None:
        return read_scanpy(entry.scanpy)
    return read(atlas_spec(catalog, tissue))


def _bundled(name: str) -> Path:
    """File of a data set that comes with scanpy, found without importing scanpy."""
    from importlib.util import find_spec

    spec = find_spec("scanpy")
    if spec is None or spec.origin is None:
        raise ScfmError(name, "comes with scanpy, which is not installed", "pip install scanpy")
    return next((Path(spec.origin).parent / "datasets").rglob(f"*{name.removesuffix('_reduced')}*.h5ad"))


def inspection_spec(catalog: Catalog, file: Path, tissue: str | None, organism: str | None = None) -> AtlasSpec:
    """Say how a file that is inspected is to be read: as an atlas of the catalog is declared, else by a guess."""
    from scfm_assets.core.intake import guess_spec

    if tissue is None:
        return guess_spec(file, organism=organism)
    if tissue not in catalog.atlases:
        problem = f"{tissue!r} is no atlas of the catalog {catalog.name}"
        raise ScfmError("--tissue", problem, f"There are: {', '.join(catalog.atlases)}.")
    declared = dataclasses.replace(atlas_spec(catalog, tissue), path=file)
    return declared if organism is None else dataclasses.replace(declared, organism=organism)


# Simulation -------------------------------------------------------------------------------------------------------


def simulation(catalog: Catalog) -> dict[str, Any]:
    """What the catalog declares of the simulated world, with its tissues."""
    if catalog.simulation is None:
        raise ScfmError(str(catalog.path), "declares nothing under 'simulation'", "See scfm_assets/catalogs/demo.yaml.")
    tissues = [tissue for tissue, entry in catalog.atlases.items() if entry.simulated]
    return {**catalog.simulation.model_dump(mode="json"), "tissues": tissues}


def world(catalog: Catalog) -> World:
    """Return the simulated world, drawn when it is first asked for."""
    from scfm_assets.core.simulate import WorldSpec

    tissues = tuple(simulation(catalog)["tissues"])
    return _drawn(WorldSpec(tissues=tissues, **catalog.simulation.world() if catalog.simulation else {}))


@lru_cache(maxsize=2)
def _drawn(spec: WorldSpec) -> World:
    from scfm_assets.core.simulate import make_world

    return make_world(spec)


def _simulated_atlas(catalog: Catalog, tissue: str) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    from scfm_assets.core.simulate import simulate_counts

    declared = simulation(catalog)
    drawn = simulate_counts(world(catalog), tissue, declared["n_cells"], declared["seed"])
    labels = {"cell_type": drawn.cell_type, "donor": drawn.donor, "batch": drawn.batch}
    obs = pd.DataFrame(labels, index=pd.Index(drawn.barcodes))
    var = pd.DataFrame(index=pd.Index(drawn.gene_ids))
    return AnnData(X=drawn.counts, obs=obs, var=var, uns={"scfm": {"simulated": True}})


# Networks ---------------------------------------------------------------------------------------------------------


def network_version(catalog: Catalog, name: str) -> str:
    """Digest what a network holds, as its authors give it."""
    entry = catalog.networks[name]
    return digest_json([SIMULATOR, simulation(catalog)]) if entry.simulated else file_digest(_local(entry))


def names_version(catalog: Catalog, network: str) -> str | None:
    """Digest the table by which a network's names get gene ids."""
    table = catalog.networks[network].gene_table
    return file_digest(table) if table is not None else None


def network_files(catalog: Catalog, name: str) -> dict[str, str]:
    """Digest of the file that a network comes from, or of the specification that it is simulated by."""
    entry = catalog.networks[name]
    if entry.simulated:
        return {"simulation": network_version(catalog, name)}
    path = _local(entry)
    return {path.name: file_digest(path)}


def network_spec(catalog: Catalog, name: str) -> NetworkSpec:
    """Say how a network is to be read."""
    from scfm_assets.core.networks import NetworkSpec

    entry = catalog.networks[name]
    return NetworkSpec(name=name, path=None if entry.simulated else _local(entry), **_declared(entry, NetworkSpec))


def read_network(catalog: Catalog, name: str) -> NetworkTable:
    """Read a network of the catalog."""
    from scfm_assets.core.networks import read_network as read
    from scfm_assets.core.networks import tidy_network
    from scfm_assets.core.simulate import network_table

    spec = network_spec(catalog, name)
    if catalog.networks[name].simulated:
        return tidy_network(network_table(world(catalog)), spec)
    return read(spec)


def stored_networks(catalog: Catalog, tissue: str, stored: Mapping[str, pa.Table]) -> list[NetworkTable] | NoNetwork:
    """The stored networks of a tissue's organism, or the reason that there is none."""
    from scfm_assets.core.evaluation import networks_of
    from scfm_assets.core.networks import network_of_rows

    tables = [network_of_rows(rows, network_spec(catalog, name)) for name, rows in stored.items()]
    return networks_of(tables, catalog.atlases[tissue].organism)


def tfs_of_networks(
    catalog: Catalog, tissue: str, panel: pa.Table, stored: Mapping[str, pa.Table]
) -> dict[str, np.ndarray]:
    """Panel indices of each stored network's TFs, of the networks of the tissue's organism."""
    from scfm_assets.core.evaluation import NoNetwork
    from scfm_assets.core.universes import edges_in_panel

    known = stored_networks(catalog, tissue, stored)
    names = [panel.column(name).to_pylist() for name in ("gene_id", "symbol")]
    if isinstance(known, NoNetwork):
        return {}
    return {network.name: edges_in_panel(network, *names, tissue=tissue).tfs for network in known}
