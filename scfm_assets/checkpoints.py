"""Checkpoints that the catalog names, opened and known by digest; controls are built when they are first asked for."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from scfm_assets import sources
from scfm_assets.catalog import home
from scfm_assets.core.digest import digest_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.edges import EdgeScores
    from scfm_assets.core.increments import Wanted
    from scfm_assets.families.family import FamilyModel
    from scfm_assets.partitions import Place

CONTROLS = "1"
"""Version of how controls are built; raise it when the same specification gives other weights."""


def checkpoint_folder(catalog: Catalog, model: str) -> Path:
    """Give the folder of a model's files, building it first if the model is a control."""
    folder = known_folder(catalog, model)
    if catalog.models[model].control is not None and not folder.exists():
        _build_control(catalog, model, folder)
    return folder


def known_folder(catalog: Catalog, model: str) -> Path:
    """Give the folder in which a model's files are, or will be once its control has been built."""
    entry = catalog.models[model]
    if entry.checkpoint is not None:
        return entry.checkpoint
    identity = entry.model_dump(mode="json", include={"control", "seed"})
    if entry.config is not None:
        identity |= {"config": sources.file_digest(entry.config)}
    else:
        identity |= {"world": sources.simulation(catalog), "genes": _versions_of_built_in_atlases(catalog)}
    return home() / "checkpoints" / f"{entry.control}-{digest_json([CONTROLS, sources.SIMULATOR, identity])[:12]}"


def checkpoint_version(catalog: Catalog, model: str) -> str:
    """Digest a model's weights, configuration and dictionaries."""
    entry = catalog.models[model]
    options = entry.options.as_dict()
    how = [entry.family, options.get("generation"), sorted(name for name in options if name != "generation")]
    return digest_json([how, *map(list, checkpoint_files(catalog, model).items())])


def checkpoint_files(catalog: Catalog, model: str) -> dict[str, str]:
    """Give the digest of every file that decides what a model computes."""
    from scfm_assets.families import FAMILIES

    entry = catalog.models[model]
    files = FAMILIES[entry.family].digest_inputs(checkpoint_folder(catalog, model), entry.options.as_dict())
    names = [path.name for path in files]
    return {
        path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": sources.file_digest(path)
        for path in files
    }


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
    return {t: sources.atlas_version(catalog, t) for t in _built_in(catalog)}


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
            genes=list(medians), medians=medians, network=network_table(sources.world(catalog)), options=options
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    CONTROLS[str(entry.control)].build(folder, inputs)


def _built_in(catalog: Catalog) -> list[str]:
    """Tissues that need no file: the vocabulary of the controls is made of their genes."""
    return [tissue for tissue, entry in catalog.atlases.items() if entry.simulated or entry.scanpy is not None]


def _processed(catalog: Catalog, tissue: str) -> AnnData:
    from scfm_assets.core.atlas import process

    return process(sources.read_atlas(catalog, tissue), sources.atlas_spec(catalog, tissue))


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
    from scfm_assets.core.simulate import network_table
    from scfm_assets.families.controls import ceiling

    planted = [name for name, entry in catalog.models.items() if entry.control == "planted"]
    if not planted or not catalog.atlases[tissue].simulated:
        return {}
    network = network_table(sources.world(catalog))
    column = pc.field("tissue")
    here = network.filter(column.is_null() | (column == tissue))
    genes = panel.column("gene_id").to_pylist()
    return {
        (tissue, name): ceiling(checkpoint_folder(catalog, name), network=here, panel=genes, detection=detection)
        for name in planted
    }


# What is collected of a model -----------------------------------------------------------------------------------------


def wanted_of(catalog: Catalog, model: str, regulators: pa.Table | None) -> Wanted:
    """Give what a model's forward passes should leave; `regulators` are the TFs of the panel, None for no groups."""
    from scfm_assets.core.increments import Wanted

    entry = catalog.models[model]
    return Wanted(
        layers=() if entry.layers == "all" else entry.layers,
        aggregation=entry.aggregation,
        heads=entry.heads,
        states=entry.hidden_states,
        tfs=() if regulators is None else tuple(regulators.column("panel_index").to_pylist()),
        n_groups=0 if regulators is None else catalog.experiment.cell_groups,
    )


def panel_vectors(catalog: Catalog, model: str, panel: pa.Table) -> np.ndarray | None:
    """Give the static embeddings of the panel's genes, (K, hidden), None where hidden states are not asked for."""
    from scfm_assets.core.increments import panel_vectors

    if not catalog.models[model].hidden_states:
        return None
    return panel_vectors(open_model(catalog, model), panel.column("gene_id").to_pylist())


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


def vocabularies(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Give the gene ids that each model of the catalog knows."""
    return {model: tuple(open_model(catalog, model).vocabulary.gene_ids) for model in catalog.models}
