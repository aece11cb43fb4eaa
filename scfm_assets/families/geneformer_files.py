"""The files of a Geneformer checkpoint: which dictionaries belong to it, and whether all are of one generation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scfm_assets.families.official as official
from scfm_assets.core.genes import build_vocabulary
from scfm_assets.errors import ScfmError
from scfm_assets.families.dictionaries import has_medians, read_mapping, read_medians, read_tokens
from scfm_assets.families.family import Option
from scfm_assets.families.folder import CONTROL_FILE, MAPPING_FILE, MEDIANS_FILE, TOKENS_FILE, config_file, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scfm_assets.core.base import Fingerprint
    from scfm_assets.core.genes import Vocabulary


@dataclass(frozen=True)
class Generation:
    """How one generation of Geneformer writes a cell.

    Parameters
    ----------
    name
        As the catalog writes it.
    max_tokens
        Longest cell, special tokens included.
    special
        Whether a cell starts with ``<cls>`` and ends with ``<eos>``.
    """

    name: str
    max_tokens: int
    special: bool


GENERATIONS = {"v1": Generation("v1", 2048, special=False), "v2": Generation("v2", 4096, special=True)}

PLACE = "geneformer options"

OPTIONS = (
    Option(
        "generation",
        "choice",
        "How its cells were tokenized: v1 (2048 tokens) or v2 (4096, with <cls> and <eos>); else the dictionary tells.",
        choices=tuple(GENERATIONS),
    ),
    Option(
        "dictionaries",
        "choice",
        "Which official dictionaries, by the million cells of their corpus, where several lie beside the checkpoint.",
        choices=official.NAMES,
    ),
    Option(
        "tokens",
        "file",
        "Token dictionary: parquet, JSON or Geneformer's own pickle; else token_dictionary.json of the folder, or the "
        "official one of the repository that the folder is in.",
        needed_by=("config",),
    ),
    Option("medians", "file", "Median dictionary; else what lies beside the tokens, or the medians in their table."),
    Option("ensembl_mapping", "file", "Other gene ids -> ids of the dictionary; else the official one, or none."),
)


@dataclass(frozen=True)
class GeneformerFiles:
    """The dictionaries of a checkpoint, and the generation that the catalog declares."""

    tokens: Path
    medians: Path
    ensembl_mapping: Path | None
    declared: Generation | None

    @property
    def paths(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(path for path in (self.tokens, self.medians, self.ensembl_mapping) if path))


def files_of(folder: Path, options: Mapping[str, Any]) -> GeneformerFiles:
    """Find the dictionaries of a checkpoint: those that are named, its own, or the official ones around it.

    Raises
    ------
    ScfmError
        There are none, several fit, or tokens are named without medians.
    """
    declared = _generation(options)
    paths = {name: Path(options[name]) for name in ("tokens", "medians", "ensembl_mapping") if options.get(name)}
    if "tokens" not in paths:
        paths = _beside(folder, options.get("dictionaries"), declared) | paths
    elif "medians" not in paths and not has_medians(paths["tokens"]):
        problem = "tokens are given without medians, and they are not a parquet table with both"
        raise ScfmError(PLACE, problem, "Name the median dictionary under `medians`.")
    return GeneformerFiles(
        paths["tokens"], paths.get("medians", paths["tokens"]), paths.get("ensembl_mapping"), declared
    )


def _generation(options: Mapping[str, Any]) -> Generation | None:
    if not (name := options.get("generation")):
        return None
    if name not in GENERATIONS:
        raise ScfmError(PLACE, f"generation {name!r} is not known", f"Generations are {', '.join(GENERATIONS)}.")
    return GENERATIONS[name]


def _beside(folder: Path, name: str | None, declared: Generation | None) -> dict[str, Path]:
    if (folder / TOKENS_FILE).is_file() and (name is None or (folder / CONTROL_FILE).is_file()):
        mapping = {"ensembl_mapping": folder / MAPPING_FILE} if (folder / MAPPING_FILE).is_file() else {}
        return {"tokens": folder / TOKENS_FILE, "medians": folder / MEDIANS_FILE, **mapping}
    generation = declared.name if declared else official.GENERATION_OF_SIZE.get(_vocabulary_size(folder))
    if paths := official.find_dictionaries(folder, name, generation):
        return paths
    missing = f"the {name} dictionaries" if name else "a token dictionary"
    places = f"{TOKENS_FILE}, or the folder geneformer/ of the official repository around it"
    remedy = f"Set options.tokens; without it they are looked for as {places}."
    raise ScfmError(str(folder), f"{missing} cannot be found", remedy)


def _vocabulary_size(folder: Path) -> int:
    """Number of token embeddings that config.json declares, 0 if it cannot be read; opening it says what is wrong."""
    try:
        size = read_json(config_file(folder))["vocab_size"]
    except (ScfmError, LookupError, TypeError):
        return 0
    return size if type(size) is int else 0


def vocabulary_of(files: GeneformerFiles) -> Vocabulary:
    """Read the dictionaries, and hold their special tokens against the declared generation."""
    mapping = read_mapping(files.ensembl_mapping) if files.ensembl_mapping else None
    vocabulary = build_vocabulary(
        read_tokens(files.tokens), read_medians(files.medians), mapping, place=str(files.tokens)
    )
    generation_of(files, vocabulary)
    return vocabulary


def generation_of(files: GeneformerFiles, vocabulary: Vocabulary) -> Generation:
    """The generation, by the special tokens of the dictionary.

    Raises
    ------
    ScfmError
        They are not those of the declared generation, or of none.
    """
    has = [name for name in ("cls", "eos") if getattr(vocabulary, name) is not None]
    generation = files.declared or GENERATIONS["v2" if has else "v1"]
    if len(has) != (2 if generation.special else 0):
        problem = (
            f"the dictionary has {'both or one of' if has else 'neither of'} <cls> and <eos>, "
            f"generation {generation.name!r} needs {'both' if generation.special else 'neither'}"
        )
        raise ScfmError(str(files.tokens), problem, "Set `generation`, or name the dictionary of that generation.")
    return generation


def check_fits(folder: Path, files: GeneformerFiles, vocabulary: Vocabulary) -> None:
    """Refuse dictionaries of another size than the model's embedding, such as those of the other generation.

    Raises
    ------
    ScfmError
        They are not of one size; says which is which.
    """
    rows = _vocabulary_size(folder)
    if vocabulary.size == vocabulary.n_tokens == rows:
        return
    problem = (
        f"{vocabulary.n_tokens} tokens with ids up to {vocabulary.size - 1}{official.kind_of(vocabulary.n_tokens)}, "
        f"but the model in {folder} has {rows} token embeddings{official.kind_of(rows)}"
    )
    raise ScfmError(str(files.tokens), problem, "Name the token dictionary that the model was trained with.")


def check_official(folder: Path, found: Fingerprint) -> None:
    """Refuse a folder that has the name of a published checkpoint and holds another model.

    Raises
    ------
    ScfmError
        Names what differs.
    """
    known = official.OFFICIAL.get(folder.name)
    if known is None:
        return
    actual = found.as_dict()
    wrong = [
        f"{name} {value}, found {actual[name]}" for name, value in known.fingerprint.items() if actual[name] != value
    ]
    if wrong:
        problem = f"{folder.name} is the name of a published checkpoint, which has {'; '.join(wrong)}"
        remedy = "Rename the folder, or declare under `expect` what is in it."
        raise ScfmError(str(folder), problem, remedy)
