"""What the catalog declares, opened: atlases, networks and checkpoints as `core/` and `families/` take them.

Content digests are remembered by path, size and time of change, so that asking again costs nothing.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scfm_assets.catalog import Atlas, Catalog, Network, home
from scfm_assets.core.digest import digest_file, digest_json
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.core.atlas import AtlasSpec
    from scfm_assets.core.evaluation import NoNetwork
    from scfm_assets.core.networks import NetworkSpec, NetworkTable
    from scfm_assets.core.simulate import World

SIMULATOR = "1"
"""Version of what the simulator draws; raise it when the same specification gives other counts."""


# Files ------------------------------------------------------------------------------------------------------------


def file_digest(path: Path) -> str:
    """Digest a file's content, remembered by path, size and times of change.

    Any number of processes may ask at once: what is remembered of one file is one small file, replaced as a whole.

    Raises
    ------
    ScfmError
        If there is no such file, or it changes while it is read.
    """
    stamp = _stamp(path)
    remembered = home() / "digests" / f"{digest_json(str(path))}.json"
    try:
        known = json.loads(remembered.read_text())
    except (FileNotFoundError, ValueError):  # a machine that lost power may leave an empty one
        known = None
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return known["digest"]
    digest = digest_file(path)
    if _stamp(path) != stamp:
        raise ScfmError(str(path), "it changes while it is read", "Wait until it is written.")
    remembered.parent.mkdir(parents=True, exist_ok=True)
    fresh = remembered.with_name(f".{remembered.stem}.{uuid.uuid4().hex[:8]}")
    fresh.write_text(json.dumps({"stamp": stamp, "digest": digest}))
    fresh.replace(remembered)
    return digest


def _stamp(path: Path) -> list[Any]:
    """Give what changes when a file does; copying tools set its time of modification back, but not that of change."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise ScfmError(str(path), "there is no such file", "Correct the path in the catalog.") from None
    return [str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def fetched(url: str, sha256: str) -> Path:
    """Give the local copy of a download, fetching it first if need be; its SHA-256 must be the declared one."""
    import pooch

    folder = home() / "downloads"
    name = f"{sha256[:12]}-{Path(url).name}"
    try:
        return Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=name, path=folder, progressbar=False))
    except ValueError as error:
        raise ScfmError(
            url, f"what was downloaded has another SHA-256: {error}", "Correct sha256, or the url."
        ) from error
    except OSError as error:
        remedy = f"Check the network, or put the file at {folder / name}."
        raise ScfmError(url, f"cannot be downloaded: {error}", remedy) from error


def _local(entry: Any) -> Path:
    return entry.file if entry.file is not None else fetched(entry.url, entry.sha256)


def origin(entry: Atlas | Network) -> str:
    """Say where an atlas or a network comes from, without what an address may hold of secrets."""
    if entry.file is not None:
        return str(entry.file)
    if entry.url is not None:
        address = urlsplit(entry.url)
        return f"{address.scheme}://{address.hostname}{address.path}"
    return "simulated here" if entry.simulated else f"bundled with {entry.source}"


# Atlases ----------------------------------------------------------------------------------------------------------


def atlas_version(catalog: Catalog, tissue: str) -> str:
    """Digest what an atlas holds, as its authors give it."""
    entry = catalog.atlases[tissue]
    if entry.simulated:
        return digest_json([SIMULATOR, simulation(catalog), tissue])
    if entry.scanpy is not None:
        return file_digest(_bundled(entry.scanpy))
    return file_digest(_local(entry))


def atlas_files(catalog: Catalog, tissue: str) -> dict[str, str]:
    """Give the digest of the file that an atlas comes from, or of the specification that it is simulated by."""
    entry = catalog.atlases[tissue]
    if entry.simulated:
        return {"simulation": atlas_version(catalog, tissue)}
    path = _bundled(entry.scanpy) if entry.scanpy is not None else _local(entry)
    return {path.name: file_digest(path)}


def gene_table_version(catalog: Catalog, tissue: str) -> str | None:
    """Digest the table by which an atlas's symbols become gene ids."""
    table = catalog.atlases[tissue].gene_table
    return file_digest(table) if table is not None else None


def atlas_spec(catalog: Catalog, tissue: str) -> AtlasSpec:
    """Say how the atlas of a tissue is to be read."""
    from scfm_assets.core.atlas import AtlasSpec

    entry = catalog.atlases[tissue]
    path = _local(entry) if entry.source in {"file", "url"} else None
    names = {field.name for field in dataclasses.fields(AtlasSpec)} - {"tissue", "path", "max_n_cells"}
    declared = {name: getattr(entry, name) for name in names}
    if entry.simulated:
        declared |= {"donor": "donor", "batch": "batch"}
    return AtlasSpec(tissue=tissue, path=path, max_n_cells=max(catalog.experiment.n_cells), **declared)


def read_atlas(catalog: Catalog, tissue: str) -> AnnData:
    """Read the atlas of a tissue as its authors give it."""
    from scfm_assets.core.atlas import read, read_scanpy

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


def audit_spec(catalog: Catalog, file: Path, tissue: str | None) -> AtlasSpec:
    """Say how a file that is audited is to be read: as an atlas of the catalog is declared, else by a guess."""
    from scfm_assets.core.audit import guess_spec

    if tissue is None:
        return guess_spec(file)
    if tissue not in catalog.atlases:
        problem = f"{tissue!r} is no atlas of the catalog {catalog.name}"
        raise ScfmError("--tissue", problem, f"There are: {', '.join(catalog.atlases)}.")
    return dataclasses.replace(atlas_spec(catalog, tissue), path=file)


# Simulation -------------------------------------------------------------------------------------------------------


def simulation(catalog: Catalog) -> dict[str, Any]:
    """Give what the catalog declares of the simulated world, with its tissues."""
    if catalog.simulation is None:
        raise ScfmError(str(catalog.path), "declares nothing under 'simulation'", "See data/catalogs/demo.yaml.")
    tissues = [tissue for tissue, entry in catalog.atlases.items() if entry.simulated]
    return {**catalog.simulation.model_dump(mode="json"), "tissues": tissues}


def world(catalog: Catalog) -> World:
    """Draw the simulated world."""
    from scfm_assets.core.simulate import WorldSpec, make_world

    tissues = tuple(simulation(catalog)["tissues"])
    return make_world(WorldSpec(tissues=tissues, **catalog.simulation.world() if catalog.simulation else {}))


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


def network_files(catalog: Catalog, name: str) -> dict[str, str]:
    """Give the digest of the file that a network comes from, or of the specification that it is simulated by."""
    entry = catalog.networks[name]
    if entry.simulated:
        return {"simulation": network_version(catalog, name)}
    path = _local(entry)
    return {path.name: file_digest(path)}


def network_spec(catalog: Catalog, name: str) -> NetworkSpec:
    """Say how a network is to be read."""
    from scfm_assets.core.networks import NetworkSpec

    entry = catalog.networks[name]
    return NetworkSpec(
        name=name,
        path=None if entry.simulated else _local(entry),
        format=entry.format,
        columns={str(field): column for field, column in entry.columns.items()},
        organism=entry.organism,
        ids=entry.ids,
        confidence=entry.confidence or None,
        version=entry.version,
        licence=entry.licence,
    )


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
    """Give the stored networks of a tissue's organism, or say that there is none."""
    from scfm_assets.core.evaluation import networks_of
    from scfm_assets.core.networks import network_of_rows

    tables = [network_of_rows(rows, network_spec(catalog, name)) for name, rows in stored.items()]
    return networks_of(tables, catalog.atlases[tissue].organism)


def tfs_of_networks(
    catalog: Catalog, tissue: str, panel: pa.Table, stored: Mapping[str, pa.Table]
) -> dict[str, np.ndarray]:
    """Give the panel indices of each stored network's TFs, of the networks of the tissue's organism."""
    from scfm_assets.core.evaluation import NoNetwork
    from scfm_assets.core.universe import edges_in_panel

    known = stored_networks(catalog, tissue, stored)
    names = [panel.column(name).to_pylist() for name in ("gene_id", "symbol")]
    if isinstance(known, NoNetwork):
        return {}
    return {network.name: edges_in_panel(network, *names, tissue=tissue).tfs for network in known}
