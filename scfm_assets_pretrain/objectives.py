"""What a model may be trained for: facts that need no torch, and the functions that a training calls."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets_pretrain.corpus import CorpusCells, Encode
    from scfm_assets_pretrain.masking import Batch, Masking
    from scfm_assets_pretrain.recipe import Recipe


@dataclass(frozen=True)
class Functions:
    """What a training calls of its objective.

    Parameters
    ----------
    vocabulary_of
        Makes a vocabulary of the genes that the training cells of some atlases hold.
    read_vocabulary
        Reads one from dictionaries, kind -> file.
    encode
        Raw counts, names of their columns, vocabulary and longest cell -> tokens.
    known
        Cells, rows of those that are trained on, and vocabulary -> float64 of shape (vocabulary.size,): what is known
        of each gene without a model.
    build
        Recipe, vocabulary and what is known -> the model that a training begins with. It takes a batch as keywords and
        gives a dictionary with ``loss``, the mean over the batch's ``labels``.
    masking
        CorpusCells, vocabulary, share of the genes that are masked, seed -> what makes batches.
    baselines
        Batches of the held-out cells and what is known -> losses without a model; the first is the one to be beaten.
    save
        Writes model and vocabulary into a folder that the family opens.
    options
        Options by which the family opens the model.
    """

    vocabulary_of: Callable[[Sequence[CorpusCells]], Vocabulary]
    read_vocabulary: Callable[[Mapping[str, Path]], Vocabulary]
    encode: Encode
    known: Callable[[Tokens, np.ndarray, Vocabulary], np.ndarray]
    build: Callable[[Recipe, Vocabulary, np.ndarray], Any]
    masking: Callable[[Tokens, Vocabulary, float, int], Masking]
    baselines: Callable[[list[Batch], np.ndarray], dict[str, float]]
    save: Callable[[Any, Vocabulary, Path], None]
    options: Callable[[Vocabulary], dict[str, str]]


@dataclass(frozen=True)
class Objective:
    """One way of writing cells as tokens, and what is learnt of them.

    Parameters
    ----------
    name
        As `scfm pretrain --tokens-as` takes it.
    words
        What is learnt, for training.json.
    identity
        Changes with whatever makes trainings of before others than those of now.
    unit
        Of the loss, per masked gene.
    family
        Opens what is saved.
    masked
        Share of a cell's genes that are masked.
    widening
        Width of the feed-forward layers, in hidden sizes, if nothing else is asked for.
    dictionaries
        Kinds of files that a vocabulary is read from.
    drops
        Whether its model has dropout.
    module
        Holds its `FUNCTIONS`, and needs torch.
    """

    name: str
    words: str
    identity: str
    unit: str
    family: str
    masked: float
    widening: int
    dictionaries: tuple[str, ...]
    drops: bool
    module: str

    @property
    def functions(self) -> Functions:
        """Load what a training calls."""
        return import_module(self.module).FUNCTIONS

    def check(self, recipe: Recipe, dictionaries: Mapping[str, Any]) -> None:
        """Refuse what this objective has no use for.

        Raises
        ------
        ScfmError
            A dropout that its model has not, or dictionaries of another kind.
        """
        if recipe.dropout and not self.drops:
            problem = f"{recipe.dropout:g}, but the encoder of {self.name} tokens has none"
            raise ScfmError("--dropout", problem, "Leave it out.")
        if unused := [kind for kind in dictionaries if kind not in self.dictionaries]:
            allowed = " and ".join(_option(kind) for kind in self.dictionaries)
            problem = f"is no dictionary of {self.name} tokens"
            raise ScfmError(_option(unused[0]), problem, f"They are read with {allowed}.")


def _option(kind: str) -> str:
    return f"--{kind.replace('_', '-')}"


NATS = "nats"

RANK = Objective(
    name="rank",
    words="masked genes: each chosen gene becomes <mask>, in training and held-out cells alike",
    identity="rank, <mask> only, sine waves",
    unit=NATS,
    family="geneformer",
    masked=0.15,
    widening=4,
    dictionaries=("tokens", "medians", "ensembl_mapping"),
    drops=True,
    module="scfm_assets_pretrain.masked_genes",
)
"""Genes by rank, as Geneformer: which gene stands there?"""

BINNED = Objective(
    name="binned",
    words="masked values: the bin of each chosen gene becomes -1, in training and held-out cells alike",
    identity="binned, 51 bins, value -1 only, bends over the bins",
    unit="squared bins",
    family="scgpt",
    masked=0.4,
    widening=1,
    dictionaries=("vocab",),
    drops=False,
    module="scfm_assets_pretrain.masked_values",
)
"""Genes with binned values, as scGPT: which bin is this gene in? Share and width are those of its tutorials."""

OBJECTIVES = {objective.name: objective for objective in (RANK, BINNED)}
