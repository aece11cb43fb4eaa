"""Checkpoints that the catalog names, opened and known by digest; controls are built when they are first asked for."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from scfm_assets.catalog import HubAddress, is_hub
from scfm_assets.core.base import digest_json, replacing
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets.home import home
from scfm_assets.inputs import hub, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.attention import FamilyModel, Wanted
    from scfm_assets.core.genes import Vocabulary

CONTROLS = "1"
"""Version of how controls are built; raise it when the same specification gives other weights."""
BUILT = "built.json"
"""Digests of a control's files as they were built, beside them."""


def checkpoint_folder(catalog: Catalog, model: str) -> Path:
    """Folder of a model's files; a control is built where it is opened for the first time."""
    folder = known_folder(catalog, model)
    if catalog.models[model].control is not None and not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            whole = Path(beside) / "new"  # whatever way a family writes, nobody sees half of it
            _build_control(catalog, model, whole)
            try:
                whole.rename(folder)
            except OSError:  # another process was quicker; what it built from the same inputs is as good
                if not folder.exists():
                    raise
        with replacing(folder / BUILT) as hidden:
            hidden.write_text(json.dumps(checkpoint_files(catalog, model)))
    return folder


def known_folder(catalog: Catalog, model: str) -> Path:
    """Folder in which a model's files are, or will be once its control has been built."""
    entry = catalog.models[model]
    if entry.checkpoint is not None:
        return _local(str(entry.checkpoint), hub.fetched_folder)
    return home() / "checkpoints" / f"{entry.control}-{control_identity(catalog, model)[:12]}"


def control_identity(catalog: Catalog, model: str) -> str:
    """Digest what the weights of a control are made by: kind, seed, and the world or the architecture behind it."""
    entry = catalog.models[model]
    identity = entry.model_dump(mode="json", include={"family", "control", "seed"})
    if (config := architecture_of(catalog, model)) is not None:
        files = sorted(config.glob("*.json")) if config.is_dir() else [config]
        identity |= {"config": [sources.file_digest(path) for path in files]}
    else:
        genes = {tissue: sources.atlas_version(catalog, tissue) for tissue in _built_in(catalog)}
        identity |= {"world": sources.simulation(catalog), "genes": genes}
    return digest_json([CONTROLS, sources.SIMULATOR, identity])


def checkpoint_version(catalog: Catalog, model: str) -> str:
    """Digest a model's weights, configuration and dictionaries.

    A control need not be built to be asked: it is known by what it is built from, and by its files only where
    somebody has changed them since.
    """
    entry = catalog.models[model]
    how = [entry.family, entry.words, sorted(entry.files)]
    if entry.control is not None and not _changed_since_built(catalog, model):
        return digest_json([how, control_identity(catalog, model)])
    return digest_json([how, *map(list, checkpoint_files(catalog, model).items())])


def checkpoint_files(catalog: Catalog, model: str) -> dict[str, str]:
    """Digest of every file that decides what a model computes; of a control before it is built, what builds it."""
    entry, folder = catalog.models[model], known_folder(catalog, model)
    if entry.control is not None and not folder.exists():
        return {f"{entry.control} control": control_identity(catalog, model)}
    files = FAMILIES[entry.family].digest_inputs(folder, options_of(catalog, model))
    names = [path.name for path in files]
    return {
        path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": sources.file_digest(path)
        for path in files
    }


def _changed_since_built(catalog: Catalog, model: str) -> bool:
    """Whether the files of a control are others than those that were built."""
    try:
        built = json.loads((known_folder(catalog, model) / BUILT).read_text())
    except FileNotFoundError:
        return False  # not built yet
    except ValueError:
        return True  # nobody knows any more what was built
    return built != checkpoint_files(catalog, model)


def checkpoint_digest(catalog: Catalog, model: str) -> str:
    """First 12 hex digits of the checkpoint's digest, as they stand in every table."""
    return checkpoint_version(catalog, model)[:12]


def open_model(catalog: Catalog, model: str) -> FamilyModel:
    """Open a model of the catalog; the one opened last is kept in memory."""
    entry = catalog.models[model]
    options = json.dumps(options_of(catalog, model) | {"expect": entry.expect.as_dict()}, sort_keys=True)
    return _opened(entry.family, checkpoint_folder(catalog, model), checkpoint_version(catalog, model), options)


@lru_cache(maxsize=2)
def _opened(family_name: str, folder: Path, _version: str, options: str) -> FamilyModel:
    return FAMILIES[family_name].open(folder, json.loads(options))


def architecture_of(catalog: Catalog, model: str) -> Path | None:
    """The checkpoint folder or the file whose architecture a control takes over."""
    config = catalog.models[model].config
    if config is None:
        return None
    fetch = hub.fetched_file if str(config).endswith(".json") else hub.fetched_folder
    return _local(str(config), fetch)


def options_of(catalog: Catalog, model: str) -> dict[str, Any]:
    """Options of a model as its family takes them: files as paths on this machine."""
    entry = catalog.models[model]
    return {**entry.words, **{name: str(_local(place, hub.fetched_file)) for name, place in entry.files.items()}}


def _local(place: str, fetch: Callable[[HubAddress, Path], Path]) -> Path:
    """Path on this machine; what is on the hub is fetched once per process and commit."""
    if not is_hub(place):
        return Path(place)
    return _fetched(place, hub.resolved_revision(HubAddress.parse(place), home()), home(), fetch)


@lru_cache(maxsize=64)
def _fetched(place: str, _commit: str, to: Path, fetch: Callable[[HubAddress, Path], Path]) -> Path:
    return fetch(HubAddress.parse(place), to)


# Controls ---------------------------------------------------------------------------------------------------------


def _build_control(catalog: Catalog, model: str, folder: Path) -> None:
    """Build the checkpoint of a control: from the simulated world, or after a foreign architecture."""
    from scfm_assets.core.intake import process
    from scfm_assets.core.simulate import network_table, nonzero_medians
    from scfm_assets.families.controls import CONTROLS, ControlInputs

    entry = catalog.models[model]
    randomize = FAMILIES[entry.family].random
    config = architecture_of(catalog, model)
    if config is not None and randomize is not None:
        randomize(folder, config, options_of(catalog, model), entry.seed)
        return
    medians: dict[str, float] = {}
    for tissue in _built_in(catalog):
        atlas = process(sources.read_atlas(catalog, tissue), sources.atlas_spec(catalog, tissue))
        counts: Any = atlas.X
        medians = {**nonzero_medians(counts, atlas.var_names.tolist()), **medians}
    network = network_table(sources.world(catalog))
    inputs = ControlInputs(list(medians), medians, network, entry.seed)
    CONTROLS[str(entry.control)](folder, inputs)


def _built_in(catalog: Catalog) -> list[str]:
    """Tissues that need no file: the vocabulary of the controls is made of their genes."""
    return [tissue for tissue, entry in catalog.atlases.items() if entry.simulated or entry.scanpy is not None]


def ceilings(
    catalog: Catalog, tissue: str, panel: pa.Table, detection: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """The AUROC that planted controls would reach with infinitely many cells, by tissue and model.

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
    from scfm_assets.families.planted import ceiling

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
    """What a model's forward passes should leave; `regulators` are the TFs of the panel, None for no groups."""
    from scfm_assets.core.attention import Wanted

    entry = catalog.models[model]
    return Wanted(
        layers=() if entry.layers == "all" else entry.layers,
        aggregation=entry.aggregation,
        heads=entry.heads,
        ranked=entry.attention == "rank_normalised",
        states=entry.hidden_states,
        tfs=() if regulators is None else tuple(regulators.column("panel_index").to_pylist()),
        n_groups=0 if regulators is None else catalog.experiment.cell_groups,
    )


def panel_vectors(catalog: Catalog, model: str, panel: pa.Table) -> np.ndarray | None:
    """Static embeddings of the panel's genes, (K, hidden); None where hidden states are not asked for."""
    from scfm_assets.core.attention import panel_vectors

    if not catalog.models[model].hidden_states:
        return None
    return panel_vectors(open_model(catalog, model), panel)


def vocabularies(catalog: Catalog) -> tuple[dict[str, Vocabulary], dict[str, ScfmError]]:
    """Genes that each model of the catalog knows, and for the others what they lack."""
    known: dict[str, Vocabulary] = {}
    missing: dict[str, ScfmError] = {}
    for model, entry in catalog.models.items():
        try:
            folder, options = checkpoint_folder(catalog, model), options_of(catalog, model)
            known[model] = FAMILIES[entry.family].vocabulary(folder, options)
        except ScfmError as error:
            missing[model] = error
    return known, missing


def names_of(catalog: Catalog, model: str, atlas: AnnData) -> list[str]:
    """Names of an atlas's genes by which they are looked up in a model's vocabulary."""
    vocabulary = open_model(catalog, model).vocabulary
    return vocabulary.names_of(atlas.var_names.tolist(), atlas.var["symbol"].tolist())
