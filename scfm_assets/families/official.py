"""What the official Geneformer repository holds: checkpoints by name, and where their dictionaries lie.

The repository is `ctheodoris/Geneformer` on the Hugging Face hub, as a clone or as a snapshot. It was not at hand when
this was written: names of folders and dictionaries are those of its commits 7cf49a35 (V2 models) and 933ca80e (95M
models), and of the code of people who use it. Sizes are those of the published configurations, except for layers, heads
and hidden size of Geneformer-V2-104M and -316M, which are those of their description; they give the 104 and 316 million
parameters of their names. Copies of the 95M and 104M dictionaries that could be compared hold the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scfm_assets.errors import ScfmError


@dataclass(frozen=True)
class Dictionaries:
    """One generation of dictionaries: their files, relative to the repository.

    Parameters
    ----------
    name
        As the catalog writes it: the cells, in millions, of the corpus that the medians are of.
    generation
        The generation of models that is trained with it.
    folder
        Where they lie in the repository.
    tokens, medians, mapping
        Names of the files; the oldest have no mapping.
    """

    name: str
    generation: str
    folder: str
    tokens: str
    medians: str
    mapping: str | None

    @property
    def files(self) -> tuple[str, ...]:
        """The files, relative to the repository."""
        return tuple(f"{self.folder}/{name}" for name in (self.tokens, self.medians, self.mapping) if name)


def _of_corpus(name: str, generation: str, folder: str) -> Dictionaries:
    tokens, medians = f"token_dictionary_gc{name}.pkl", f"gene_median_dictionary_gc{name}.pkl"
    return Dictionaries(name, generation, folder, tokens, medians, f"ensembl_mapping_dict_gc{name}.pkl")


DICTIONARIES = (
    _of_corpus("104M", "v2", "geneformer"),
    _of_corpus("95M", "v2", "geneformer"),
    _of_corpus("30M", "v1", "geneformer/gene_dictionaries_30m"),
    Dictionaries("30M", "v1", "geneformer", "token_dictionary.pkl", "gene_median_dictionary.pkl", None),  # until 2024
)

DICTIONARY_FILES = tuple(file for known in DICTIONARIES for file in known.files)

NAMES = tuple(dict.fromkeys(known.name for known in DICTIONARIES))


@dataclass(frozen=True)
class Official:
    """A published checkpoint: the name of its folder, its dictionaries, and the fingerprint it must have."""

    name: str
    dictionaries: str
    layers: int
    heads: int
    hidden: int
    vocabulary: int
    max_tokens: int

    @property
    def fingerprint(self) -> dict[str, int]:
        """What is known of it, by the names of `Fingerprint`."""
        names = ("layers", "heads", "hidden", "vocabulary", "max_tokens")
        return {name: getattr(self, name) for name in names}


_V1, _V2 = (25426, 2048), (20275, 4096)
"""Tokens of the dictionary, longest cell."""

OFFICIAL = {
    known.name: known
    for known in (
        Official("Geneformer-V1-10M", "30M", 6, 4, 256, *_V1),
        Official("Geneformer-V2-104M", "104M", 12, 12, 768, *_V2),
        Official("Geneformer-V2-104M_CLcancer", "104M", 12, 12, 768, *_V2),
        Official("Geneformer-V2-316M", "104M", 18, 18, 1152, *_V2),
        Official("gf-6L-30M-i2048", "30M", 6, 4, 256, *_V1),
        Official("gf-12L-30M-i2048", "30M", 12, 8, 512, *_V1),
        Official("geneformer-12L-30M", "30M", 12, 8, 512, *_V1),
        Official("gf-12L-95M-i4096", "95M", 12, 8, 512, *_V2),
        Official("gf-12L-95M-i4096_CLcancer", "95M", 12, 8, 512, *_V2),
        Official("gf-20L-95M-i4096", "95M", 20, 14, 896, *_V2),
    )
}

GENERATION_OF_SIZE = {_V1[0]: "v1", _V2[0]: "v2"}
"""Tokens of an official dictionary, and so of a model's embedding, -> the generation."""


def kind_of(n_tokens: int) -> str:
    """In brackets, the generation that a number of tokens is of; empty if of no official one."""
    known = {"v1": "2048 tokens a cell, no <cls> and <eos>", "v2": "4096 tokens a cell, with <cls> and <eos>"}
    generation = GENERATION_OF_SIZE.get(n_tokens)
    return f" (generation {generation}: {known[generation]})" if generation else ""


def find_dictionaries(folder: Path, name: str | None, generation: str | None) -> dict[str, Path] | None:
    """Find the dictionaries that belong to a checkpoint folder inside a clone or snapshot of the repository.

    Parameters
    ----------
    folder
        The checkpoint; it may be the repository's root, a folder of it, or a folder one deeper.
    name
        One of `NAMES`; told by an official name of the folder if None.
    generation
        Narrows the choice where the name does not.

    Returns
    -------
    Paths under `tokens`, `medians` and, where there is one, `ensembl_mapping`; None if no official dictionaries lie
    there.

    Raises
    ------
    ScfmError
        If several generations fit.
    """
    official = OFFICIAL.get(folder.name)
    name = name or (official.dictionaries if official else None)
    candidates = {}
    for known, paths in _present(folder):
        if known.name == (name or known.name) and (name or known.generation == (generation or known.generation)):
            candidates.setdefault(known.name, paths)
    if len(candidates) > 1:
        problem = f"dictionaries of {' and '.join(candidates)} lie beside it"
        raise ScfmError(str(folder), problem, f"Set `dictionaries` to one of {', '.join(candidates)}.")
    return next(iter(candidates.values()), None)


def _present(folder: Path) -> Iterator[tuple[Dictionaries, dict[str, Path]]]:
    """The official dictionaries that lie in a folder itself, or where the repository around it keeps them."""
    for known in DICTIONARIES:
        for place in (folder, *(root / known.folder for root in (folder, *folder.parents[:2]))):
            tokens, medians = place / known.tokens, place / known.medians
            if tokens.is_file() and medians.is_file():
                paths = {"tokens": tokens, "medians": medians}
                if known.mapping and (place / known.mapping).is_file():
                    paths["ensembl_mapping"] = place / known.mapping
                yield known, paths
                break
