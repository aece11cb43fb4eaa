"""What a model family has to offer, whatever its architecture.

A family is one module with one :class:`Family` record. The platform reads the record and knows nothing else of it: a
catalog's options are held against `Family.options`, the watcher digests what `Family.digest_inputs` lists, and the
engine asks the :class:`core.attention.FamilyModel` that `Family.open` gives for tokens and passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from scfm_assets.core.attention import FamilyModel
    from scfm_assets.core.genes import Vocabulary


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
