"""Cells as vectors, as a model's hidden states give them, in the form that `obsm` takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.attention.increments import chain_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scfm_assets.core.attention.increments import AttentionIncrement


@dataclass(frozen=True)
class CellEmbeddings:
    """Vectors of the cells of a slice, of all its repeats.

    Attributes
    ----------
    cells
        Rows of the processed atlas, ascending, shape (n_cells,).
    barcodes
        Names of the cells, in the same order.
    obsm
        ``X_<kind>_layer<layer>`` -> float32 (n_cells, hidden size). Kinds: ``mean`` over the hidden states of a cell's
        genes (special tokens left out), ``cls`` where the model has such a token. NaN for a cell without a gene that
        the model knows.
    """

    cells: np.ndarray
    barcodes: tuple[str, ...]
    obsm: Mapping[str, np.ndarray]

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and metadata for a safetensors file."""
        return {"cells": self.cells, **self.obsm}, {"barcodes": json.dumps(self.barcodes)}

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, np.ndarray], words: Mapping[str, str]) -> CellEmbeddings:
        """Undo `to_tensors`."""
        obsm = {name: vectors for name, vectors in arrays.items() if name.startswith("X_")}
        return cls(arrays["cells"], tuple(json.loads(words["barcodes"])), obsm)


def cell_embeddings(load: Callable[[int], AttentionIncrement], n_cells: int, barcodes: Sequence[str]) -> CellEmbeddings:
    """Gather the vectors of a slice from its increments.

    Parameters
    ----------
    load
        Gives the increment of a number of cells.
    n_cells
        Number of cells of the slice.
    barcodes
        Names of all cells of the processed atlas.
    """
    # repeats of a small atlas may already hold every cell between them
    pieces = [piece for piece in chain_of(load, n_cells) if len(piece.cells)]
    rows = np.concatenate([piece.cells for piece in pieces])
    order = np.argsort(rows, kind="stable")
    layers = pieces[0].sums[0].layers
    obsm = {}
    for kind in pieces[0].embeddings:
        vectors = np.concatenate([piece.embeddings[kind] for piece in pieces])[order]
        obsm |= {f"X_{kind}_layer{layer}": np.ascontiguousarray(vectors[:, i]) for i, layer in enumerate(layers)}
    return CellEmbeddings(rows[order], tuple(str(barcodes[row]) for row in rows[order]), obsm)
