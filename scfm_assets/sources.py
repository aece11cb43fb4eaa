"""What the catalog declares, opened: atlases, networks and checkpoints as `core/` and `families/` take them.

Content digests are remembered by path, size and time of change, so that asking again costs nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.catalog import Catalog, home
from scfm_assets.core.digest import digest_file, digest_json
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.core.atlas import AtlasSpec
    from scfm_assets.core.edges import EdgeScores
    from scfm_assets.core.evaluation import NoNetwork
    from scfm_assets.core.networks import NetworkSpec, NetworkTable
    from scfm_assets.core.simulate import World
    from scfm_assets.families.family import FamilyModel
    from scfm_assets.partitions import Place

SIMULATOR = "1"
"""Version of what the simulator draws; raise it when the same specification gives other counts."""
CONTROLS = "1"
"""Version of how controls are built; raise it when the same specification gives other weights."""


# Files ------------------------------------------------------------------------------------------------------------


def file_digest(path: Path) -> str:
    """Digest a file's content, remembered by path, size and time of change."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise ScfmError(str(path), "there is no such file", "Correct the path in the catalog.") from None
    stamp = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    cache = home() / "digests.json"
    known: dict[str, str] = json.loads(cache.read_text()) if cache.exists() else {}
    if stamp not in known:
        known[stamp] = digest_file(path)
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_name(f".{cache.name}.{os.getpid()}")
        fresh.write_text(json.dumps(known, indent=0))
        fresh.replace(cache)
    return known[stamp]


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


# Atlases ----------------------------------------------------------------------------------------------------------


def atlas_version(catalog: Catalog, tissue: str) -> str:
    """Digest what an atlas holds, as its authors give it."""
    entry = catalog.atlases[tissue]
    if entry.simulated:
        return digest_json([SIMULATOR, _simulation(catalog), tissue])
    if entry.scanpy is not None:
        return file_digest(_bundled(entry.scanpy))
    return file_digest(_local(entry))


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


def vocabularies(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Give the gene ids that each model of the catalog knows."""
    return {model: tuple(open_model(catalog, model).vocabulary.gene_ids) for model in catalog.models}


# Simulation -------------------------------------------------------------------------------------------------------


def _simulation(catalog: Catalog) -> dict[str, Any]:
    if catalog.simulation is None:
        raise ScfmError(str(catalog.path), "declares nothing under 'simulation'", "See data/catalogs/demo.yaml.")
    tissues = [tissue for tissue, entry in catalog.atlases.items() if entry.simulated]
    return {**catalog.simulation.model_dump(mode="json"), "tissues": tissues}


def _world(catalog: Catalog) -> World:
    from scfm_assets.core.simulate import WorldSpec, make_world

    tissues = tuple(_simulation(catalog)["tissues"])
    return make_world(WorldSpec(tissues=tissues, **catalog.simulation.world() if catalog.simulation else {}))


def _simulated_atlas(catalog: Catalog, tissue: str) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    from scfm_assets.core.simulate import simulate_counts

    declared = _simulation(catalog)
    drawn = simulate_counts(_world(catalog), tissue, declared["n_cells"], declared["seed"])
    labels = {"cell_type": drawn.cell_type, "donor": drawn.donor, "batch": drawn.batch}
    obs = pd.DataFrame(labels, index=pd.Index(drawn.barcodes))
    var = pd.DataFrame(index=pd.Index(drawn.gene_ids))
    return AnnData(X=drawn.counts, obs=obs, var=var, uns={"scfm": {"simulated": True}})


# Networks ---------------------------------------------------------------------------------------------------------


def network_version(catalog: Catalog, name: str) -> str:
    """Digest what a network holds, as its authors give it."""
    entry = catalog.networks[name]
    return digest_json([SIMULATOR, _simulation(catalog)]) if entry.simulated else file_digest(_local(entry))


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
        return tidy_network(network_table(_world(catalog)), spec)
    return read(spec)


def stored_networks(catalog: Catalog, tissue: str, stored: Mapping[str, pa.Table]) -> list[NetworkTable] | NoNetwork:
    """Give the stored networks of a tissue's organism, or say that there is none."""
    from scfm_assets.core.evaluation import networks_of
    from scfm_assets.core.networks import network_of_rows

    tables = [network_of_rows(rows, network_spec(catalog, name)) for name, rows in stored.items()]
    return networks_of(tables, catalog.atlases[tissue].organism)


# Checkpoints ------------------------------------------------------------------------------------------------------


def checkpoint_folder(catalog: Catalog, model: str) -> Path:
    """Give the folder of a model's files, building it first if the model is a control."""
    entry = catalog.models[model]
    if entry.checkpoint is not None:
        return entry.checkpoint
    identity = entry.model_dump(mode="json", include={"control", "seed"})
    if entry.config is not None:
        identity |= {"config": file_digest(entry.config)}
    else:
        identity |= {"world": _simulation(catalog), "genes": _versions_of_built_in_atlases(catalog)}
    folder = home() / "checkpoints" / f"{entry.control}-{digest_json([CONTROLS, SIMULATOR, identity])[:12]}"
    if not folder.exists():
        _build_control(catalog, model, folder)
    return folder


def checkpoint_version(catalog: Catalog, model: str) -> str:
    """Digest a model's weights, configuration and dictionaries."""
    entry = catalog.models[model]
    from scfm_assets.families import FAMILIES

    options = entry.options.as_dict()
    files = FAMILIES[entry.family].digest_inputs(checkpoint_folder(catalog, model), options)
    how = [entry.family, options.get("generation"), sorted(name for name in options if name != "generation")]
    return digest_json([how, *([path.name, file_digest(path)] for path in files)])


def checkpoint_digest(catalog: Catalog, model: str) -> str:
    """First 12 hex digits of the checkpoint's digest, as they stand in every table."""
    return checkpoint_version(catalog, model)[:12]


def open_model(catalog: Catalog, model: str) -> FamilyModel:
    """Open a model of the catalog; the one opened last is kept in memory."""
    entry = catalog.models[model]
    options = tuple(sorted(_options(catalog, model).items(), key=lambda item: item[0]))
    folder = checkpoint_folder(catalog, model)
    return _opened(entry.family, folder, checkpoint_version(catalog, model), json.dumps(options, default=str))


@lru_cache(maxsize=2)
def _opened(family_name: str, folder: Path, _version: str, options: str) -> FamilyModel:
    from scfm_assets.families import FAMILIES

    return FAMILIES[family_name].open(folder, dict(json.loads(options)))


def _options(catalog: Catalog, model: str) -> dict[str, Any]:
    entry = catalog.models[model]
    return {**entry.options.as_dict(), "expect": entry.expect.as_dict()}


def _versions_of_built_in_atlases(catalog: Catalog) -> dict[str, str]:
    return {t: atlas_version(catalog, t) for t in _built_in(catalog)}


# Controls ---------------------------------------------------------------------------------------------------------


def _build_control(catalog: Catalog, model: str, folder: Path) -> None:
    """Build the checkpoint of a control: from the simulated world, or after a foreign architecture."""
    from scfm_assets.core.simulate import network_table, nonzero_medians
    from scfm_assets.families.controls import CONTROLS, ControlInputs

    entry = catalog.models[model]
    options = {"seed": entry.seed}
    if entry.config is not None:
        inputs = ControlInputs(like=entry.config, options=options)
    else:
        medians: dict[str, float] = {}
        for tissue in _built_in(catalog):
            atlas = _processed(catalog, tissue)
            counts: Any = atlas.X
            found = nonzero_medians(counts, atlas.var_names.tolist())
            medians = {**found, **medians}
        inputs = ControlInputs(
            genes=list(medians), medians=medians, network=network_table(_world(catalog)), options=options
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    CONTROLS[str(entry.control)].build(folder, inputs)


def _built_in(catalog: Catalog) -> list[str]:
    """Tissues that need no file: the vocabulary of the controls is made of their genes."""
    return [tissue for tissue, entry in catalog.atlases.items() if entry.simulated or entry.scanpy is not None]


def _processed(catalog: Catalog, tissue: str) -> AnnData:
    from scfm_assets.core.atlas import process

    return process(read_atlas(catalog, tissue), atlas_spec(catalog, tissue))


def ceilings(
    catalog: Catalog, tissue: str, panel: pa.Table, detection: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Give the AUROC that planted controls would reach with infinitely many cells, by tissue and model.

    Parameters
    ----------
    catalog
        What is declared.
    tissue
        Where.
    panel
        The tissue's gene panel.
    detection
        Share of the tissue's cells that hold each gene.
    """
    import pyarrow.compute as pc

    from scfm_assets.core.simulate import network_table
    from scfm_assets.families.controls import ceiling

    planted = [name for name, entry in catalog.models.items() if entry.control == "planted"]
    if not planted or not catalog.atlases[tissue].simulated:
        return {}
    network = network_table(_world(catalog))
    column = pc.field("tissue")
    here = network.filter(column.is_null() | (column == tissue))
    genes = panel.column("gene_id").to_pylist()
    return {
        (tissue, name): ceiling(checkpoint_folder(catalog, name), network=here, panel=genes, detection=detection)
        for name in planted
    }


# Rows of SQL tables -----------------------------------------------------------------------------------------------


def edge_rows(catalog: Catalog, place: Place, scores: EdgeScores, networks: Iterable[pa.Table], model: str) -> pa.Table:
    """Give the rows of `edge_scores` for SQL: the pairs whose first gene is a TF of some network."""
    from scfm_assets.core.edges import edge_table

    tfs = {tf for table in networks for tf in table.column("tf").unique().to_pylist()}
    return edge_table(
        scores,
        tfs,
        tissue=str(place.tissue),
        n_cells=int(place.n_cells or 0),
        model=model,
        checkpoint=checkpoint_digest(catalog, model) if model in catalog.models else None,
        simulated=catalog.atlases[str(place.tissue)].simulated,
    )


def evaluation_of(catalog: Catalog, place: Place, model: str) -> dict[str, Any]:
    """Give what `core.evaluation.evaluate` wants to know about a slice and a model, from the catalog."""
    from scfm_assets.core.edges import DIRECTIONS
    from scfm_assets.core.evaluation import Intervals
    from scfm_assets.core.universe import UNIVERSES

    experiment = catalog.experiment
    return {
        "universes": [universe for universe in UNIVERSES if universe.name in experiment.universes],
        "directions": [direction for direction in DIRECTIONS if direction.name in experiment.directions],
        "intervals": Intervals(**experiment.intervals.model_dump()),
        "tissue": str(place.tissue),
        "n_cells": int(place.n_cells or 0),
        "model": model,
        "checkpoint": checkpoint_digest(catalog, model) if model in catalog.models else None,
        "simulated": catalog.atlases[str(place.tissue)].simulated,
    }
