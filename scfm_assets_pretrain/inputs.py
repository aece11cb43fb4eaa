"""What is asked of a training, and what it is made from: cells of the catalog's atlases, and dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.core.base import digest_json
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import MEDIANS_FILE, TOKENS_FILE
from scfm_assets.families.scgpt_files import VOCAB_FILE
from scfm_assets.inputs import sources
from scfm_assets_pretrain.recipe import HELD_OUT

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets_pretrain.corpus import CorpusCells
    from scfm_assets_pretrain.objectives import Objective
    from scfm_assets_pretrain.recipe import Recipe

FROM_ATLASES = "made of the atlases"


@dataclass(frozen=True)
class VocabularyFiles:
    """Files of a vocabulary; all None makes one of the atlases."""

    tokens: Path | None = None
    medians: Path | None = None
    ensembl_mapping: Path | None = None
    vocab: Path | None = None

    def as_dict(self) -> dict[str, str]:
        """The files that are set, as the families take them."""
        return {name: str(path) for name, path in self.as_paths().items()}

    def as_paths(self) -> dict[str, Path]:
        """The files that are set, by kind."""
        return {name: path for name, path in vars(self).items() if path is not None}


@dataclass(frozen=True)
class TrainingJob:
    """One training.

    Parameters
    ----------
    catalog, tissues
        Where the cells come from.
    folder
        The model's folder; its name is the model's.
    objective
        How cells become tokens, and what is learnt of them.
    recipe
        Architecture and training.
    dictionaries
        Vocabulary.
    revisions
        Steps after which a revision is saved, rising; the last step is always one.
    evaluations
        How often the held-out cells are looked at beside that.
    layer
        The layer whose scaling curve the platform draws.
    threads
        Of the CPU.
    """

    catalog: Catalog
    tissues: tuple[str, ...]
    folder: Path
    objective: Objective
    recipe: Recipe
    dictionaries: VocabularyFiles
    revisions: tuple[int, ...]
    evaluations: int
    layer: int
    threads: int

    def identity(self) -> dict[str, Any]:
        """What decides the weights; a training goes on only where all of it is the same."""
        files = {kind: sources.file_digest(path) for kind, path in self.dictionaries.as_paths().items()}
        atlases = {
            tissue: [
                sources.atlas_version(self.catalog, tissue),
                sources.gene_table_version(self.catalog, tissue),
                self.catalog.atlases[tissue].model_dump(
                    mode="json", exclude_defaults=True, exclude={"file", "url", "gene_table"}
                ),
            ]
            for tissue in self.tissues
        }
        return {
            **{name.replace("_", "-"): value for name, value in self.recipe.as_dict().items()},
            **{f"atlas {tissue}": digest_json(parts) for tissue, parts in atlases.items()},
            "vocabulary": files or FROM_ATLASES,
            "objective": self.objective.identity,
        }


def dictionaries_of_model(catalog: Catalog, name: str, objective: Objective) -> VocabularyFiles:
    """Name the dictionaries of a model of the catalog.

    Raises
    ------
    ScfmError
        If there is no such model, or it is of another family than the one to be trained.
    """
    from scfm_assets.inputs.checkpoints import known_folder, options_of

    if name not in catalog.models:
        problem = f"{name!r} is no model of the catalog {catalog.name}"
        raise ScfmError("--vocabulary-of", problem, f"There are: {', '.join(catalog.models) or 'none'}.")
    entry = catalog.models[name]
    if entry.family != objective.family:
        problem = f"model {name!r} is of the family {entry.family}"
        raise ScfmError("--vocabulary-of", problem, f"Name a model of the family {objective.family}.")
    options = {kind: Path(file) for kind, file in options_of(catalog, name).items() if kind in objective.dictionaries}
    if not options.keys() & {"tokens", "vocab"}:
        folder = known_folder(catalog, name)
        beside = {"tokens": folder / TOKENS_FILE, "medians": folder / MEDIANS_FILE, "vocab": folder / VOCAB_FILE}
        options = {kind: beside[kind] for kind in objective.dictionaries if kind in beside} | options
    return VocabularyFiles(**options)


def read_cells(catalog: Catalog, tissue: str, seed: int) -> CorpusCells:
    """Read the atlas of a tissue as the platform does, and choose its held-out cells."""
    from scfm_assets.core.intake import process
    from scfm_assets_pretrain.corpus import CorpusCells
    from scfm_assets_pretrain.split import hold_out

    atlas = process(sources.read_atlas(catalog, tissue), sources.atlas_spec(catalog, tissue))
    counts: Any = atlas.X
    split = hold_out(atlas.obs_names.tolist(), atlas.obs["donor"].astype(str).tolist(), share=HELD_OUT, seed=seed)
    return CorpusCells(tissue, counts, atlas.var_names.tolist(), atlas.var["symbol"].astype(str).tolist(), split)
