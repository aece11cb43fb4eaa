"""What a model family has to offer, whatever its architecture.

A family is one module with one :class:`Family` record. The platform reads the record and knows nothing else of it: a
catalog's options are held against `Family.options`, the watcher digests what `Family.digest_inputs` lists, and the
engine asks the :class:`FamilyModel` that `Family.open` gives for tokens and passes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import scipy.sparse as sp

    from scfm_assets.core.attention.machine import Machine
    from scfm_assets.core.attention.stream import Collector
    from scfm_assets.core.tokens.tokenize import Tokens, Vocabulary


@dataclass(frozen=True)
class Fingerprint:
    """What a loaded model turned out to be.

    Parameters
    ----------
    family
        Name of its family.
    layers, heads, hidden
        Blocks, attention heads per block, hidden size.
    parameters
        Numbers in the encoder (embeddings and blocks; no pooler, no language-model head).
    vocabulary
        Rows of the token embedding.
    max_tokens
        Longest cell it takes, special tokens included.
    dtype
        Type the weights are stored in; they are computed with in float32.
    """

    family: str
    layers: int
    heads: int
    hidden: int
    parameters: int
    vocabulary: int
    max_tokens: int
    dtype: str

    def as_dict(self) -> dict[str, str | int]:
        """Field -> value."""
        return asdict(self)

    def check(self, expected: Mapping[str, Any], *, place: str = "fingerprint") -> None:
        """Hold the model against what the catalog declares.

        Parameters
        ----------
        expected
            Any of the fields with their declared values.
        place
            Named in the error: the checkpoint's folder or the model's catalog key.

        Raises
        ------
        ScfmError
            A field that does not exist, or whose declared value is not the found one.
        """
        found = self.as_dict()
        unknown = sorted(set(expected) - set(found))
        if unknown:
            problem = f"the expected fingerprint has a field {unknown[0]!r}"
            raise ScfmError(place, problem, f"Fields are {', '.join(found)}.")
        wrong = [name for name in found if name in expected and expected[name] != found[name]]
        if wrong:
            listed = "; ".join(f"{name} declared {expected[name]!r}, found {found[name]!r}" for name in wrong)
            problem = f"the checkpoint is not the declared model: {listed}"
            raise ScfmError(place, problem, "Name the checkpoint that is meant, or correct the declared fingerprint.")


class FamilyModel(Protocol):
    """An opened checkpoint with its tokenizer. It crosses process borders (pickle), for workers on other machines."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What was loaded."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Genes it knows."""
        ...

    def tokenize(self, counts: sp.csr_matrix | sp.csr_array, names: Sequence[str]) -> Tokens:
        """Encode raw counts, cells x genes; `names` of the genes are those that `vocabulary.names_of` chooses.

        A cell's tokens depend on its own counts alone, whatever its companions and the order of genes.
        """
        ...

    def encode(
        self,
        tokens: Tokens,
        *,
        collect: Collector,
        machine: Machine | None = None,
        start: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Pass cells, from `start` on, through the model into a collector: `core.attention.stream.stream`."""
        ...

    def token_vectors(self) -> np.ndarray:
        """Give the static embedding of every token, float32 of shape (vocabulary, hidden)."""
        ...


@dataclass(frozen=True)
class Option:
    """Something that a catalog may say about a checkpoint of a family, under ``options:``.

    Parameters
    ----------
    name
        Its key.
    kind
        file: a path (the family gets it as text), or the address of a file on the hub. choice: one of `choices`.
        count: a whole number above zero. flag: true or false. text: any text.
    doc
        What it means, and what holds without it: one sentence, shown where it is missing.
    choices
        What a choice may be.
    needed_by
        Which models must give it: those with a ``checkpoint``, or controls whose ``config`` is a single file.
    """

    name: str
    kind: Literal["file", "choice", "count", "flag", "text"]
    doc: str
    choices: tuple[str, ...] = ()
    needed_by: tuple[Literal["checkpoint", "config"], ...] = ()


@dataclass(frozen=True)
class Family:
    """One architecture together with its tokenizer.

    Parameters
    ----------
    name
        As the catalog writes it.
    doc
        One sentence.
    open
        Checkpoint folder and options -> an opened model; ScfmError where they do not fit. Beside the catalog's options
        there is ``expect``: the declared fingerprint, to be held against what was loaded.
    digest_inputs
        Folder and options -> the files whose content decides what the model computes. Needs no torch: sensors ask.
    vocabulary
        Folder and options -> the genes it knows, without loading weights.
    options
        What a catalog may say.
    random
        Folder to write, checkpoint folder or configuration whose architecture is taken, options and seed: the
        family's negative control. None where there is none.
    """

    name: str
    doc: str
    open: Callable[[Path, Mapping[str, Any]], FamilyModel]
    digest_inputs: Callable[[Path, Mapping[str, Any]], list[Path]]
    vocabulary: Callable[[Path, Mapping[str, Any]], Vocabulary]
    options: tuple[Option, ...] = ()
    random: Callable[[Path, Path, Mapping[str, Any], int], None] | None = None

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options that the family does not have.

        Raises
        ------
        ScfmError
            Names the option and those that there are.
        """
        known = [option.name for option in self.options]
        if unknown := sorted(set(options) - {*known, "expect"}):
            place, problem = f"{self.name} options", f"{unknown[0]!r} is not known"
            raise ScfmError(place, problem, f"Options are {', '.join([*known, 'expect'])}.")
