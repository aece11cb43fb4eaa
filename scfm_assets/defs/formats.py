"""How the arrays of the platform lie in the store: safetensors, by the value's own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from scfm_assets.core.base import digest_arrays
from scfm_assets.resources.store import ARRAYS, Arrays, Format


def _stored_by(to_arrays: Callable[[Any], Arrays], from_arrays: Callable[[Arrays], Any]) -> Format:
    """Store values as the arrays that they are made into, and back from."""
    return Format(
        ARRAYS.suffix,
        lambda path, value: ARRAYS.write(path, to_arrays(value)),
        lambda path: from_arrays(ARRAYS.read(path)),
        lambda value: ARRAYS.digest(to_arrays(value)),
    )


def _stored_as(module: str, name: str) -> Format:
    """Store values of a class of `core/` that offers ``to_tensors`` and ``from_tensors``, imported when one is read."""

    def from_arrays(stored: Arrays) -> Any:
        return getattr(import_module(module), name).from_tensors(stored.tensors, stored.words)

    return _stored_by(lambda value: Arrays(*value.to_tensors()), from_arrays)


def _of_repeats(value: Any) -> Arrays:
    """Attention sums by repeat."""
    tensors = {name: a for repeat, sums in value.items() for name, a in sums.to_tensors(f"repeat{repeat}.").items()}
    return Arrays(tensors, {"repeats": json.dumps(sorted(value))})


def _to_repeats(stored: Arrays) -> Any:
    from scfm_assets.core.attention import AttentionSums

    return {r: AttentionSums.from_tensors(stored.tensors, f"repeat{r}.") for r in json.loads(stored.words["repeats"])}


TOKENS = _stored_as("scfm_assets.core.attention.increments", "TokenizedCells")
INCREMENT = _stored_as("scfm_assets.core.attention.increments", "AttentionIncrement")
CELL_EMBEDDINGS = _stored_as("scfm_assets.core.attention.embeddings", "CellEmbeddings")
UNIVERSES = _stored_as("scfm_assets.core.universes.of_tissue", "TissueUniverses")
EDGES = _stored_as("scfm_assets.core.scores.edges", "EdgeScores")
ATTENTION = _stored_by(_of_repeats, _to_repeats)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


HTML = Format(".html", _write_text, lambda path: path.read_text(encoding="utf-8"), digest_arrays)
