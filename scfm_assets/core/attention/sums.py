"""What is kept of attention: sums over cells, of all of them and of groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

Head = tuple[int, int]
"""A layer and one of its heads, both counted from 1."""

Aggregation = Literal["mean", "max"]
"""How the heads of a layer become one."""

SUMMED = ("plain", "lifted", "pairs")
"""Arrays of all cells, and of groups of them."""


@dataclass(eq=False)
class GroupSums:
    """Sums of the TFs' rows and columns, apart for groups of cells: what intervals over cells are made of.

    Parameters
    ----------
    tfs
        int64 of shape (T,): panel indices of the TFs, ascending.
    plain, lifted
        float32 of shape (n_groups, n_parts, 2, T, K), as in `AttentionSums`. ``[..., 0, t, j]``: TF t is the query and
        gene j the key; ``[..., 1, t, j]``: gene j is the query and TF t the key.
    pairs
        int32 of shape (n_groups, T, K): cells of the group that hold both.
    n_cells
        int64 of shape (n_groups,): cells of each group.
    """

    tfs: np.ndarray
    plain: np.ndarray
    lifted: np.ndarray
    pairs: np.ndarray
    n_cells: np.ndarray

    @classmethod
    def zeros(cls, n_groups: int, n_parts: int, tfs: np.ndarray, n_panel: int) -> GroupSums:
        """Start with sums over no cell."""
        shape = (n_groups, n_parts, 2, len(tfs), n_panel)
        plain, lifted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        pairs = np.zeros((n_groups, len(tfs), n_panel), np.int32)
        return cls(np.asarray(tfs, np.int64), plain, lifted, pairs, np.zeros(n_groups, np.int64))

    def add_(self, other: GroupSums) -> GroupSums:
        """Add the cells of other sums to these, in place."""
        if self.plain.shape != other.plain.shape or not np.array_equal(self.tfs, other.tfs):
            message = f"sums of {len(self.tfs)} TFs, {self.plain.shape} and {len(other.tfs)} TFs, {other.plain.shape}"
            raise ValueError(message)
        for name in (*SUMMED, "n_cells"):
            mine = getattr(self, name)
            mine += getattr(other, name)
        return self

    def to_tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Named arrays as safetensors wants them."""
        return {f"{prefix}{part.name}": getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], prefix: str = "") -> GroupSums:
        """Inverse of :meth:`to_tensors`."""
        return cls(*(tensors[f"{prefix}{part.name}"] for part in fields(cls)))


@dataclass(eq=False)
class AttentionSums:
    """Sums over cells of the attention between genes of the panel.

    Parameters
    ----------
    layers
        Layers in ascending order, 1 = the first block: their heads are aggregated.
    plain
        float32 of shape (n_parts, K, K): sum over cells of the attention from gene i (query) to gene j (key), of each
        of `parts`. The softmax runs over all tokens of the cell, not only over the panel.
    lifted
        As `plain`, every cell's attention times its number of keys: 1 where a cell attends evenly.
    pairs
        int32 of shape (K, K): cells that hold both genes.
    n_cells
        Cells summed, those without any gene of the panel included.
    heads
        Chosen heads that are kept apart.
    groups
        The TFs' rows and columns for groups of cells, None where they were not asked for.
    aggregation
        How the heads of `layers` were aggregated, pair by pair in each cell.
    hidden
        float32 of shape (n_layers, K, hidden size): sum over cells of what leaves each layer at each gene; a gene's
        number of cells is the diagonal of `pairs`. None where it was not asked for.
    ranked
        Whether ranks of attention were summed (`scfm_assets.core.attention.ranks`), not its weights.
    """

    layers: tuple[int, ...]
    plain: np.ndarray
    lifted: np.ndarray
    pairs: np.ndarray
    n_cells: int
    heads: tuple[Head, ...] = ()
    groups: GroupSums | None = None
    hidden: np.ndarray | None = None
    aggregation: Aggregation = "mean"
    ranked: bool = False

    @classmethod
    def zeros(
        cls,
        layers: Sequence[int],
        n_panel: int,
        heads: Sequence[Head] = (),
        aggregation: Aggregation = "mean",
        *,
        ranked: bool = False,
    ) -> AttentionSums:
        """Start with sums over no cell, without groups and hidden states."""
        shape = (len(layers) + len(heads), n_panel, n_panel)
        plain, lifted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        pairs = np.zeros(shape[1:], np.int32)
        return cls(tuple(layers), plain, lifted, pairs, 0, tuple(heads), aggregation=aggregation, ranked=ranked)

    @property
    def parts(self) -> list[tuple[int, int | None]]:
        """What each matrix is of: a layer (head None), or one of its heads."""
        return [*((layer, None) for layer in self.layers), *self.heads]

    def add_(self, other: AttentionSums) -> AttentionSums:
        """Add the cells of other sums to these, in place."""
        mine, theirs = ((s.parts, s.pairs.shape, s.aggregation, s.ranked) for s in (self, other))
        if mine != theirs:
            message = f"sums of layers and heads {mine} and {theirs}"
            raise ValueError(message)
        if (self.groups is None, self.hidden is None) != (other.groups is None, other.hidden is None):
            message = "only one of the sums has groups of cells or hidden states"
            raise ValueError(message)
        self.plain += other.plain
        self.lifted += other.lifted
        self.pairs += other.pairs
        self.n_cells += other.n_cells
        if self.groups is not None and other.groups is not None:
            self.groups.add_(other.groups)
        if self.hidden is not None and other.hidden is not None:
            self.hidden += other.hidden
        return self

    def __add__(self, other: AttentionSums) -> AttentionSums:
        return deepcopy(self).add_(other)

    def to_tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Named arrays as safetensors wants them."""
        tensors = {
            **{f"{prefix}{name}": getattr(self, name) for name in SUMMED},
            f"{prefix}layers": np.array(self.layers, dtype=np.int32),
            f"{prefix}heads": np.array(self.heads, dtype=np.int32).reshape(-1, 2),
            f"{prefix}n_cells": np.array([self.n_cells], dtype=np.int64),
            f"{prefix}maximum": np.array([self.aggregation == "max"]),
            f"{prefix}ranked": np.array([self.ranked]),
        }
        if self.groups is not None:
            tensors |= self.groups.to_tensors(f"{prefix}groups.")
        if self.hidden is not None:
            tensors[f"{prefix}hidden"] = self.hidden
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], prefix: str = "") -> AttentionSums:
        """Inverse of :meth:`to_tensors`."""
        return cls(
            tuple(int(layer) for layer in tensors[f"{prefix}layers"]),
            tensors[f"{prefix}plain"],
            tensors[f"{prefix}lifted"],
            tensors[f"{prefix}pairs"],
            int(tensors[f"{prefix}n_cells"][0]),
            tuple((int(layer), int(head)) for layer, head in tensors[f"{prefix}heads"]),
            GroupSums.from_tensors(tensors, f"{prefix}groups.") if f"{prefix}groups.tfs" in tensors else None,
            tensors.get(f"{prefix}hidden"),
            "max" if tensors[f"{prefix}maximum"][0] else "mean",
            bool(tensors[f"{prefix}ranked"][0]),
        )
