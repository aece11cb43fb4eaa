"""What a loaded model turned out to be, held against what was declared of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scfm_assets.errors import ScfmError


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
        actual = self.as_dict()
        unknown = sorted(set(expected) - set(actual))
        if unknown:
            problem = f"the expected fingerprint has a field {unknown[0]!r}"
            raise ScfmError(place, problem, f"Fields are {', '.join(actual)}.")
        wrong = [name for name in actual if name in expected and expected[name] != actual[name]]
        if wrong:
            listed = "; ".join(f"{name} declared {expected[name]!r}, found {actual[name]!r}" for name in wrong)
            problem = f"the checkpoint is not the declared model: {listed}"
            raise ScfmError(place, problem, "Name the checkpoint that is meant, or correct the declared fingerprint.")
