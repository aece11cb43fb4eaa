"""How the arrays of the platform lie in the store: safetensors, by the value's own words."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scfm_assets.resources.store import ARRAYS, Arrays, Format

if TYPE_CHECKING:
    from pathlib import Path


def _arrays_of(value: Any) -> Arrays:
    return Arrays(*value.to_tensors())


def _stored_as(module: str, name: str) -> Format:
    """Store values of a class of `core/` that offers ``to_tensors`` and ``from_tensors``, imported when one is read."""

    def read(path: Path) -> Any:
        stored = ARRAYS.read(path)
        return getattr(import_module(module), name).from_tensors(stored.tensors, stored.words)

    return Format(
        ARRAYS.suffix,
        lambda path, value: ARRAYS.write(path, _arrays_of(value)),
        read,
        lambda value: ARRAYS.digest(_arrays_of(value)),
    )


def _of_repeats(value: Any) -> Arrays:
    """Attention sums by repeat."""
    tensors = {name: a for repeat, sums in value.items() for name, a in sums.to_tensors(f"repeat{repeat}.").items()}
    return Arrays(tensors, {"repeats": json.dumps(sorted(value))})


def _to_repeats(path: Path) -> Any:
    from scfm_assets.core.attention import AttentionSums

    stored = ARRAYS.read(path)
    return {r: AttentionSums.from_tensors(stored.tensors, f"repeat{r}.") for r in json.loads(stored.words["repeats"])}


TOKENS = _stored_as("scfm_assets.core.attention.increments", "TokenizedCells")
INCREMENT = _stored_as("scfm_assets.core.attention.increments", "AttentionIncrement")
CELL_EMBEDDINGS = _stored_as("scfm_assets.core.attention.embeddings", "CellEmbeddings")
UNIVERSES = _stored_as("scfm_assets.core.universes.of_tissue", "TissueUniverses")
EDGES = _stored_as("scfm_assets.core.scores.edges", "EdgeScores")
ATTENTION = Format(
    ARRAYS.suffix,
    lambda path, value: ARRAYS.write(path, _of_repeats(value)),
    _to_repeats,
    lambda value: ARRAYS.digest(_of_repeats(value)),
)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest_text(text: str) -> str:
    from scfm_assets.core.base import digest_arrays

    return digest_arrays(text)


HTML = Format(".html", _write_text, _read_text, _digest_text)
