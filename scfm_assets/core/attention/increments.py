"""Each cell is forwarded once: what a slice adds to the next smaller one, and how slices are summed again.

An increment keeps one block of sums for every pattern of membership: the repeats that hold the cells of the block, each
with the number of cells from which on it does. The sums of a slice follow the chain of increments down to the first:
every increment remembers the number of cells that it builds on (its base), so a count put between two others later
leaves the increments above it valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scfm_assets.core.attention.sums import Aggregation, AttentionSums, Head
from scfm_assets.core.sampling import Increment, increment
from scfm_assets.core.tokens import Tokens
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from scipy.sparse import csr_matrix

    from scfm_assets.core.attention.collector import AttentionCollector
    from scfm_assets.core.attention.family_model import FamilyModel
    from scfm_assets.core.attention.machine import Machine

Blocks = tuple[tuple[tuple[int, int], ...], ...]

OF_CELLS = ("cells", "block_of_cell", "group_of_cell")
"""Arrays of an increment with an entry for each cell."""


@dataclass(frozen=True)
class TokenizedCells(Increment):
    """The cells of an increment as a model reads them.

    Attributes
    ----------
    tokens
        One row per cell.
    """

    tokens: Tokens

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and metadata for a safetensors file."""
        arrays = {"ids": self.tokens.ids, "offsets": self.tokens.offsets, "values": self.tokens.values}
        arrays |= {name: getattr(self, name) for name in OF_CELLS}
        words = {"blocks": json.dumps(self.blocks), "base": str(self.base)}
        return {name: array for name, array in arrays.items() if array is not None}, words

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, np.ndarray], words: Mapping[str, str]) -> TokenizedCells:
        """Undo `to_tensors`."""
        return cls(
            tokens=Tokens(arrays["ids"], arrays["offsets"], arrays.get("values")),
            blocks=_blocks(words["blocks"]),
            base=int(words["base"]),
            **{name: arrays[name] for name in OF_CELLS},
        )


@dataclass(frozen=True)
class AttentionIncrement:
    """Attention sums over the cells of an increment, one per block of cells.

    Attributes
    ----------
    sums
        One per block.
    blocks
        Which repeats hold the cells of a block, from which number of cells on.
    base
        Number of cells that the increment builds on.
    row_sum_error
        Largest distance from one of any row of attention.
    cells
        Rows of the processed atlas, shape (n_cells,).
    embeddings
        The cells as vectors, where they were asked for: name -> float32 (n_cells, n_layers, hidden size).
    """

    sums: tuple[AttentionSums, ...]
    blocks: Blocks
    base: int
    row_sum_error: float
    cells: np.ndarray
    embeddings: Mapping[str, np.ndarray]

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and metadata for a safetensors file."""
        arrays = {name: a for i, sums in enumerate(self.sums) for name, a in sums.to_tensors(f"block{i}.").items()}
        arrays |= {f"embeddings.{name}": vectors for name, vectors in self.embeddings.items()}
        words = {"blocks": json.dumps(self.blocks), "base": str(self.base), "row_sum_error": repr(self.row_sum_error)}
        return arrays | {"cells": self.cells}, words

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, np.ndarray], words: Mapping[str, str]) -> AttentionIncrement:
        """Undo `to_tensors`."""
        blocks, prefix = _blocks(words["blocks"]), "embeddings."
        return cls(
            sums=tuple(AttentionSums.from_tensors(arrays, f"block{i}.") for i in range(len(blocks))),
            blocks=blocks,
            base=int(words["base"]),
            row_sum_error=float(words["row_sum_error"]),
            cells=arrays["cells"],
            embeddings={name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)},
        )


@dataclass(frozen=True)
class Wanted:
    """What is collected of a model's forward passes.

    Attributes
    ----------
    layers
        Layers, from 1; empty for all.
    aggregation, heads
        How the heads of a layer become one, and which are kept apart as well.
    ranked
        Whether attention is collected as ranks, see `scfm_assets.core.attention.ranks`.
    states
        Whether hidden states of genes and cells are collected.
    tfs
        Panel indices of the TFs whose rows and columns are kept for groups of cells.
    n_groups
        Number of these groups, 0 for none.
    """

    layers: tuple[int, ...] = ()
    aggregation: Aggregation = "mean"
    heads: tuple[Head, ...] = ()
    ranked: bool = False
    states: bool = False
    tfs: tuple[int, ...] = ()
    n_groups: int = 0


class Halfway(Protocol):
    """Where long work leaves what it has, to go on from there after it was killed."""

    def load(self) -> Mapping[str, np.ndarray] | None:
        """The arrays that were saved, None if there are none."""
        ...

    def save(self, arrays: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Take what there is now, if enough time has passed since the last time."""
        ...


def _blocks(text: str) -> Blocks:
    return tuple(tuple((int(r), int(n)) for r, n in block) for block in json.loads(text))


def tokenize_increment(
    tokenize: Callable[[csr_matrix, Sequence[str]], Tokens],
    counts: csr_matrix,
    names: Sequence[str],
    cell_sets: pa.Table,
    *,
    base: int,
) -> TokenizedCells:
    """Tokenize the cells that a slice adds to the one with `base` cells.

    Parameters
    ----------
    tokenize
        A model's tokenizer.
    counts
        Raw counts of the whole atlas, shape (n_cells, n_genes).
    names
        Names of the columns, as the model's vocabulary asks for them.
    cell_sets
        Cells of the slice, from `scfm_assets.core.sampling.cells.cell_set_table`.
    base
        Number of cells of the next smaller slice, 0 for the smallest.
    """
    added = increment(cell_sets, base)
    return TokenizedCells(**vars(added), tokens=tokenize(counts[added.cells], names))


def attend(
    model: FamilyModel,
    cells: TokenizedCells,
    panel: pa.Table,
    wanted: Wanted,
    *,
    machine: Machine | None = None,
    halfway: Halfway | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AttentionIncrement:
    """Forward every cell of an increment once and keep the sums of its blocks.

    Parameters
    ----------
    model
        An opened checkpoint.
    cells
        The increment's cells.
    panel
        Gene panel; `gene_id` says which tokens count.
    wanted
        What is collected.
    machine
        Where and how to run.
    halfway
        Where to leave sums from time to time; what was left there is gone on from, with the same result to the bit.
    progress
        Called with (cells done, cells in all).
    """
    collector = _collector(model, cells, panel, wanted)
    saved = halfway.load() if halfway is not None else None
    start = 0
    if saved is not None and "cells_done" in saved:  # a pass in parts leaves something else
        collector.go_on_from(saved)
        start = int(saved["cells_done"][0])

    def tell(done: int, total: int) -> None:
        if halfway is not None and done < total:
            halfway.save(lambda: collector.to_tensors() | {"cells_done": np.array([done])})
        if progress is not None:
            progress(done, total)

    model.encode(cells.tokens, collect=collector, machine=machine, start=start, progress=tell)
    sums, error = tuple(collector.blocks), collector.row_sum_error
    return AttentionIncrement(sums, cells.blocks, cells.base, error, cells.cells, collector.embeddings)


def _collector(model: FamilyModel, cells: TokenizedCells, panel: pa.Table, wanted: Wanted) -> AttentionCollector:
    from scfm_assets.core.attention.collector import AttentionCollector, CellGroups, States

    vocabulary = model.vocabulary
    groups = CellGroups(cells.group_of_cell, wanted.n_groups, np.asarray(wanted.tfs, np.int64))
    return AttentionCollector(
        panel_of_token(model, panel),
        panel.num_rows,
        wanted.layers or tuple(range(1, model.fingerprint.layers + 1)),
        cells.block_of_cell,
        len(cells.blocks),
        aggregation=wanted.aggregation,
        heads=wanted.heads,
        groups=groups if wanted.n_groups else None,
        states=States(vocabulary.special_ids, vocabulary.cls) if wanted.states else None,
        form="rank_normalised" if wanted.ranked else "auto",
    )


def panel_vectors(model: FamilyModel, panel: pa.Table) -> np.ndarray:
    """Static embedding of each panel gene, shape (K, hidden), zeros where the model does not know a gene."""
    vectors, index = model.token_vectors(), panel_of_token(model, panel)
    tokens = np.flatnonzero(index >= 0)
    embeddings = np.zeros((panel.num_rows, vectors.shape[1]), np.float32)
    embeddings[index[tokens]] = vectors[tokens]
    return embeddings


def panel_of_token(model: FamilyModel, panel: pa.Table) -> np.ndarray:
    """Panel index of every token of a model, -1 where there is none, shape (vocabulary size,).

    Parameters
    ----------
    model
        An opened checkpoint.
    panel
        Gene panel, with `gene_id` and `symbol`.

    Raises
    ------
    ScfmError
        If no gene of the panel is in the model's vocabulary.
    """
    names = model.vocabulary.names_of(*(panel.column(name).to_pylist() for name in ("gene_id", "symbol")))
    panel_index = model.vocabulary.panel_of_token(names)
    if (panel_index < 0).all():
        problem = f"none of the panel's {len(names)} genes (first: {names[0]!r}) is in the model's vocabulary"
        raise ScfmError("gene panel", problem, "Name a gene_table for the atlas, or the dictionaries that fit its ids.")
    return panel_index


def sum_increments(load: Callable[[int], AttentionIncrement], n_cells: int) -> dict[int, AttentionSums]:
    """Sum the increments of a slice, from the largest down along their bases.

    Parameters
    ----------
    load
        Gives the increment of a number of cells.
    n_cells
        Number of cells of the slice.

    Returns
    -------
    The sums of every repeat over its `n_cells` cells.
    """
    totals: dict[int, AttentionSums] = {}
    for piece in chain_of(load, n_cells):
        for block, sums in zip(piece.blocks, piece.sums, strict=True):
            for repeat, from_n_cells in block:
                if from_n_cells <= n_cells:
                    totals[repeat] = totals[repeat] + sums if repeat in totals else sums
    return dict(sorted(totals.items()))


def chain_of(load: Callable[[int], AttentionIncrement], n_cells: int) -> Iterator[AttentionIncrement]:
    """Load the increments of a slice one by one, from the largest down along their bases."""
    while n_cells > 0:
        piece = load(n_cells)
        yield piece
        n_cells = piece.base
