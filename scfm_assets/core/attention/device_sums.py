"""Sums of one block of cells on the device where the attention is computed, and a cell's place in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from scfm_assets.core.attention.sums import SUMMED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets.core.attention.sums import AttentionSums

CPU = torch.device("cpu")


class DeviceSums:
    """Sums of a block of cells: arrays until the first cell comes, then tensors on its device.

    Parameters
    ----------
    start
        Sums to go on from, which nobody else has: on a CPU they are added to in place.
    """

    def __init__(self, start: AttentionSums) -> None:
        self._start = start
        self.n_cells = start.n_cells
        self._cells_of_group = None if start.groups is None else start.groups.n_cells.copy()
        self._tensors: dict[str, torch.Tensor] = {}

    @property
    def bytes(self) -> int:
        """Memory of the sums."""
        return sum(array.nbytes for array in self._start.to_tensors().values())

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Make room for hidden states (n_layers, K, hidden) before the first cell comes."""
        if self._start.hidden is None:
            self._start.hidden = np.zeros(shape, np.float32)

    def count(self, group: int | None) -> None:
        """Count a cell of a group."""
        self.n_cells += 1
        if self._cells_of_group is not None and group is not None:
            self._cells_of_group[group] += 1

    def on(self, device: torch.device) -> dict[str, torch.Tensor]:
        """The sums as tensors, by name."""
        if not self._tensors:
            start = self._start
            arrays = {name: getattr(start, name) for name in SUMMED}
            if start.groups is not None:
                arrays |= {f"group_{name}": getattr(start.groups, name) for name in SUMMED}
            if start.hidden is not None:
                arrays["hidden"] = start.hidden
            self._tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        return self._tensors

    def sums(self) -> AttentionSums:
        """The sums as arrays; those on a CPU are not copied."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tensors.items()}
        groups = self._start.groups
        if groups is not None and self._cells_of_group is not None:
            of_groups = {n.removeprefix("group_"): array for n, array in arrays.items() if n.startswith("group_")}
            groups = replace(groups, n_cells=self._cells_of_group.copy(), **of_groups)
        whole = {name: array for name, array in arrays.items() if not name.startswith("group_")}
        return replace(self._start, n_cells=self.n_cells, groups=groups, **whole)


@dataclass(eq=False)
class OpenCell:
    """A cell on its way through the encoder, and where its genes lie in the sums.

    Additions are counted: when memory runs out in the middle of a pass, the cell passes again, and what had been added
    before is left out. No addition takes memory, so each is done or not.

    Parameters
    ----------
    block
        The sums that it is added to.
    group
        Its group of cells, None for none.
    panel_genes
        Panel indices of its first tokens, ascending, shape (m,).
    tf_of_gene
        For each of them its place among the TFs, -1 = no TF; ascending, too.
    n_panel
        Genes of the panel (K).
    ids
        Its tokens in the order in which they pass.
    """

    block: DeviceSums
    group: int | None
    panel_genes: np.ndarray
    tf_of_gene: np.ndarray
    n_panel: int
    ids: np.ndarray
    _device: torch.device = CPU
    _step: int = 0
    _done: int = 0

    def on(self, device: torch.device) -> OpenCell:
        """Move to a device."""
        self._device = device
        return self

    def again(self) -> None:
        """Start to pass from the first layer; additions that were done are skipped."""
        self._step = 0

    @cached_property
    def genes(self) -> torch.Tensor:
        """Panel indices of its first tokens, shape (m,)."""
        return torch.from_numpy(self.panel_genes).to(self._device)

    @cached_property
    def _pairs(self) -> torch.Tensor:
        """Where each pair lies in a flat matrix (K * K), shape (m, m)."""
        return self.genes[:, None] * self.n_panel + self.genes

    @cached_property
    def _tfs(self) -> torch.Tensor:
        """Which of the cell's genes are TFs, shape (t,)."""
        return torch.from_numpy(self._tf_at).to(self._device)

    @cached_property
    def _tf_pairs(self) -> torch.Tensor:
        """Where the pairs of TFs and genes lie in a flat matrix (T * K), shape (t, m)."""
        tf = torch.from_numpy(self.tf_of_gene).to(self._device)[self._tfs]
        return tf[:, None] * self.n_panel + self.genes

    def add_pairs(self) -> None:
        """Count which genes the cell holds together."""
        tensors = self.block.on(self._device)
        self._add(tensors["pairs"], self._pairs, torch.ones_like(self._pairs, dtype=torch.int32))
        if self.group is not None:
            ones = torch.ones_like(self._tf_pairs, dtype=torch.int32)
            self._add(tensors["group_pairs"][self.group], self._tf_pairs, ones)

    def add(self, part: int, rows: slice, attention: torch.Tensor, n_keys: int) -> None:
        """Add the attention (n_rows, m) of a chunk of its genes to all of them, plain and lifted; it is overwritten."""
        tensors = self.block.on(self._device)
        grouped = []
        if self.group is not None:
            first, last = np.searchsorted(self._tf_at, (rows.start, rows.stop))
            tf_rows = (slice(int(first), int(last)), slice(None))
            of_tfs = attention[self._tfs[tf_rows[0]] - rows.start]
            to_tfs = attention[:, self._tfs].T.contiguous()
            grouped = [(0, self._tf_pairs[tf_rows], of_tfs), (1, self._tf_pairs[:, rows], to_tfs)]
        for name in ("plain", "lifted"):
            self._add(tensors[name][part], self._pairs[rows], attention)
            for end, at, summed in grouped:
                self._add(tensors[f"group_{name}"][self.group, part, end], at, summed)
            if name == "plain":
                for values in (attention, *(summed for _, _, summed in grouped)):
                    values.mul_(n_keys)

    def add_hidden(self, states: Sequence[torch.Tensor]) -> None:
        """Add what leaves each layer (n_tokens, hidden) at its genes."""
        for total, state in zip(self.block.on(self._device)["hidden"], states, strict=True):
            genes = self.genes
            self._once(lambda total=total, genes=genes, state=state: total.index_add_(0, genes, state[: len(genes)]))

    @cached_property
    def _tf_at(self) -> np.ndarray:
        return np.flatnonzero(self.tf_of_gene >= 0)

    def _add(self, total: torch.Tensor, at: torch.Tensor, values: torch.Tensor) -> None:
        """Add values at distinct places of a matrix."""
        flat, places, added = total.view(-1), at.reshape(-1), values.reshape(-1)
        self._once(lambda: flat.scatter_add_(0, places, added))

    def _once(self, addition: Callable[[], object]) -> None:
        """Do an addition if it was not done in an earlier try."""
        self._step += 1
        if self._step > self._done:
            addition()
            self._done = self._step
