"""Listens to an encoder's attention and sums it over cells, gene by gene, without ever keeping a map of a cell."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from scfm_assets.core.attention.device_sums import DeviceSums, OpenCell
from scfm_assets.core.attention.machine import ROWS_ON_CPU
from scfm_assets.core.attention.ranks import ranked_rows
from scfm_assets.core.attention.rows import CellLayer, form_for, fused_rows, open_rows
from scfm_assets.core.attention.sums import Aggregation, AttentionSums, GroupSums, Head
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scfm_assets.core.attention.ranks import RankedRows
    from scfm_assets.core.attention.rows import FusedRows, OpenRows

    Rows = OpenRows | FusedRows | RankedRows
    """Attention of a chunk of query rows to the wanted keys, float32 of shape (n_rows, n_wanted)."""

    Form = Callable[[CellLayer], Iterator[tuple[slice, Rows]]]

PLACE = "tokens and model"

ROWS_CHECKED = 8
"""Query rows per cell and layer that are checked: their attention to all keys has to be one."""

AttentionForm = Literal["auto", "open", "fused", "rank_normalised"]

FORMS: Mapping[AttentionForm, Form | None] = {
    "auto": None,
    "open": open_rows,
    "fused": fused_rows,
    "rank_normalised": ranked_rows,
}

RANKED_BYTES = 12
"""Per pair of a cell's panel gene and token where attention is ranked: ranks of two heads, and their sum."""


@dataclass(frozen=True)
class CellGroups:
    """Groups of cells whose sums of the TFs' rows and columns are kept apart.

    Parameters
    ----------
    group_of_cell
        int of shape (n_cells,): 0 .. n_groups - 1.
    n_groups
        Number of groups.
    tfs
        Panel indices of the TFs, ascending.
    """

    group_of_cell: np.ndarray
    n_groups: int
    tfs: np.ndarray


@dataclass(frozen=True)
class States:
    """Asks for hidden states: of the panel's genes, summed, and of whole cells.

    Parameters
    ----------
    special
        Token ids that are no genes: left out of a cell's mean.
    cls
        Token id that stands for the cell, None where there is none.
    """

    special: tuple[int, ...] = ()
    cls: int | None = None


class AttentionCollector:
    """Sums the attention of cells into blocks of gene x gene sums.

    Parameters
    ----------
    panel_of_token
        int32 of shape (vocabulary,): index in the gene panel, -1 = not in it.
        Special tokens are keys of every query, never genes of the panel.
    n_panel
        Genes of the panel (K).
    layers
        Layers wanted, 1 = the first block. The pass of each cell ends at the last of them.
    block_of_cell
        int of shape (n_cells,): the block each cell is summed into.
    n_blocks
        Number of blocks; memory is that of n_blocks sums.
    aggregation
        How the heads of a layer become one: their mean or, pair by pair, their maximum.
    heads
        (layer, head), both from 1, whose attention is kept apart as well; their layers must be among `layers`.
    groups
        Groups of cells to keep apart, None for none.
    states
        Collect hidden states as well; the pass of a cell then goes through all layers.
    form
        How attention is worked out, see `scfm_assets.core.attention.rows`; the faster one for the device by default.
        'rank_normalised' is another quantity, see `scfm_assets.core.attention.ranks`.

    Attributes
    ----------
    forwarded
        Cells that were passed through the encoder; a cell without any gene of the panel needs no pass.
    """

    def __init__(
        self,
        panel_of_token: np.ndarray,
        n_panel: int,
        layers: Sequence[int],
        block_of_cell: np.ndarray,
        n_blocks: int,
        *,
        aggregation: Aggregation = "mean",
        heads: Sequence[Head] = (),
        groups: CellGroups | None = None,
        states: States | None = None,
        form: AttentionForm = "auto",
    ) -> None:
        if not layers or min(layers) < 1:
            message = f"layers {tuple(layers)}: at least one, counted from 1"
            raise ValueError(message)
        self.layers, self.heads = tuple(sorted(set(layers))), tuple(sorted(set(heads)))
        if any(layer not in self.layers or head < 1 for layer, head in self.heads):
            message = f"heads {self.heads}: of layers {self.layers}, counted from 1"
            raise ValueError(message)
        self.panel_of_token = np.asarray(panel_of_token, dtype=np.int64)
        self.n_panel = n_panel
        self.block_of_cell = np.asarray(block_of_cell)
        self.aggregation: Aggregation = aggregation
        self.groups, self.states = groups, states
        self.rows_at_a_time = ROWS_ON_CPU
        self._form, self.ranked = FORMS[form], form == "rank_normalised"
        self.bytes_per_pair = RANKED_BYTES if form == "rank_normalised" else 0
        self.forwarded = 0
        parts = AttentionSums.zeros(self.layers, 0, self.heads).parts
        self._place = {part: place for place, part in enumerate(parts)}
        tfs = groups.tfs if groups is not None else np.empty(0, np.int64)
        self._tf_of_panel = np.full(n_panel, -1, np.int64)
        self._tf_of_panel[tfs] = np.arange(len(tfs))
        self._blocks = [DeviceSums(self._nothing()) for _ in range(n_blocks)]
        self._cells: dict[int, OpenCell] = {}
        self._row_error: torch.Tensor | float = 0.0
        self._embeddings: dict[str, np.ndarray] = {}

    def _nothing(self) -> AttentionSums:
        sums = AttentionSums.zeros(self.layers, self.n_panel, self.heads, self.aggregation, ranked=self.ranked)
        if self.groups is not None:
            sums.groups = GroupSums.zeros(self.groups.n_groups, len(sums.parts), self.groups.tfs, self.n_panel)
        return sums

    # What is asked for and what came of it --------------------------------------------------------------------------

    @property
    def last(self) -> int | None:
        """Layer after which nothing more is wanted of a cell; None where all of the model is."""
        return None if self.states is not None else self.layers[-1]

    @property
    def blocks(self) -> list[AttentionSums]:
        """The sums, one per block."""
        return [block.sums() for block in self._blocks]

    @property
    def embeddings(self) -> dict[str, np.ndarray]:
        """Cells as vectors, "mean" over their genes and "cls": float32 (n_cells, n_layers, hidden), NaN = no gene."""
        return dict(self._embeddings)

    @property
    def row_sum_error(self) -> float:
        """Largest distance from one of the attention that a checked query pays to all keys; inf where it is NaN.

        Ranks have no such sum: for them it is zero where the ranked scores are finite.
        """
        error = float(self._row_error)
        return error if np.isfinite(error) else np.inf

    @property
    def bytes(self) -> int:
        """Memory of all sums; of hidden states once their size is known, see `prepare`."""
        return sum(block.bytes for block in self._blocks)

    # One cell after the other ---------------------------------------------------------------------------------------

    def prepare(self, hidden_size: int) -> None:
        """Make room for hidden states, if they are asked for: only the model knows their size."""
        if self.states is None:
            return
        for block in self._blocks:
            block.prepare((len(self.layers), self.n_panel, hidden_size))
        for name in ("mean",) if self.states.cls is None else ("mean", "cls"):
            if name not in self._embeddings:
                shape = (len(self.block_of_cell), len(self.layers), hidden_size)
                self._embeddings[name] = np.full(shape, np.nan, np.float32)

    def begin(self, cell: int, ids: np.ndarray) -> np.ndarray | None:
        """Count the cell in its block and put the genes of the panel first, in the panel's order.

        Parameters
        ----------
        cell
            Its number.
        ids
            Its tokens.

        Returns
        -------
        Order in which its tokens should be passed, an int64 permutation; None if it needs no forward pass.

        Raises
        ------
        ScfmError
            If a token stands twice in the cell.
        """
        if len(np.unique(ids)) < len(ids):
            problem = f"token {_first_repeated(ids)} stands twice in cell {cell}"
            raise ScfmError(PLACE, problem, "A gene has one rank per cell: sum columns of one gene first.")
        panel = self.panel_of_token[ids]
        in_panel = np.flatnonzero(panel >= 0)
        in_panel = in_panel[np.argsort(panel[in_panel])]
        genes = panel[in_panel]
        if (genes[1:] == genes[:-1]).any():
            message = f"two tokens of cell {cell} are one gene of the panel (index {_first_repeated(genes)})"
            raise ValueError(message)
        block = self._blocks[self.block_of_cell[cell]]
        group = None if self.groups is None else int(self.groups.group_of_cell[cell])
        block.count(group)
        if not len(ids) or (not len(genes) and self.states is None):
            return None
        self.forwarded += 1
        order = np.concatenate([in_panel, np.flatnonzero(panel < 0)])
        tf_of_gene = self._tf_of_panel[genes]
        self._cells[cell] = OpenCell(block, group, genes, tf_of_gene, n_panel=self.n_panel, ids=ids[order])
        return order

    def again(self, cell: int) -> bool:
        """Pass a cell once more from its first layer; what has already been added of it is not added again.

        False if it was closed already and needs no further pass.
        """
        if cell in self._cells:
            self._cells[cell].again()
        return cell in self._cells

    def finish(self, cell: int, states: Sequence[torch.Tensor] | None = None) -> None:
        """Close a cell. `states` are its hidden states, (n_tokens, hidden) of the embeddings and of every layer."""
        if self.states is not None and states is not None:
            self._add_states(cell, [states[layer].float() for layer in self.layers], self.states)
        del self._cells[cell]  # last: as long as the cell is open, it can pass again

    def _add_states(self, cell: int, states: Sequence[torch.Tensor], requested: States) -> None:
        open_cell = self._cells[cell].on(states[0].device)
        open_cell.add_hidden(states)
        places = {"mean": np.flatnonzero(~np.isin(open_cell.ids, requested.special))}
        if requested.cls is not None:
            places["cls"] = np.flatnonzero(open_cell.ids == requested.cls)
        for name, at in places.items():
            if len(at):
                self._embeddings[name][cell] = [state[at].mean(0).cpu().numpy() for state in states]

    def attend(
        self,
        cell: int,
        layer: int,
        tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        scaling: float,
        output: torch.Tensor | None,
    ) -> None:
        """Attention of one cell in one layer, summed on the way.

        Parameters
        ----------
        cell
            Its number; `begin` was called with it.
        layer
            1 = the first block.
        tensors
            Queries, keys and values, shape (n_heads, n_tokens, head size) each, panel genes first.
        scaling
            Factor of the scores.
        output
            Filled with the layer's output, shape (n_tokens, n_heads, head size); None if nobody will look at it.
        """
        query = tensors[0]
        open_cell = self._cells[cell].on(query.device)
        form = self._form or form_for(query)
        n_wanted = len(open_cell.panel_genes) if layer in self.layers else 0
        for rows, attention in form(CellLayer(*tensors, scaling, n_wanted, self.rows_at_a_time, output)):
            if rows.start == 0:
                self._check(attention.error(ROWS_CHECKED))
                if layer == self.layers[0]:
                    open_cell.add_pairs()
            for part, summed in self._parts(layer, attention):
                open_cell.add(self._place[part], rows, summed, query.shape[1])

    def _parts(self, layer: int, attention: Rows) -> Iterator[tuple[tuple[int, int | None], torch.Tensor]]:
        """What is summed of one layer: its heads aggregated, and the chosen ones."""
        yield (layer, None), attention.mean() if self.aggregation == "mean" else attention.max()
        for chosen, head in self.heads:
            if chosen == layer:
                yield (layer, head), attention.head(head)

    def _check(self, error: torch.Tensor) -> None:
        """Attention to the panel, as it is summed, and to all other keys together must make one."""
        self._row_error = torch.maximum(torch.as_tensor(self._row_error, device=error.device), error)

    # Halfway --------------------------------------------------------------------------------------------------------

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything summed so far, to go on from later; no cell may be open.

        On a CPU these are the sums themselves: write or copy them before the next cell.
        """
        tensors = {f"embeddings.{name}": vectors for name, vectors in self._embeddings.items()}
        for i, block in enumerate(self._blocks):
            tensors |= block.sums().to_tensors(f"block{i}.")
        counted = {"row_error": np.array([float(self._row_error)]), "forwarded": np.array([self.forwarded])}
        return tensors | counted

    def go_on_from(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Start from what `to_tensors` gave.

        Raises
        ------
        ValueError
            If a collector that was asked for something else gave it.
        """
        prefixes = [f"block{i}." for i in range(len(tensors)) if f"block{i}.n_cells" in tensors]
        saved = [AttentionSums.from_tensors(tensors, prefix) for prefix in prefixes]
        mine, theirs = ([_what(sums) for sums in blocks] for blocks in (self.blocks, saved))
        if mine != theirs:
            message = f"what was left is of other blocks, layers, heads, genes or groups: {theirs}, not {mine}"
            raise ValueError(message)
        self._blocks = [DeviceSums(deepcopy(sums)) for sums in saved]
        names = [name for name in tensors if name.startswith("embeddings.")]
        self._embeddings = {name.removeprefix("embeddings."): tensors[name].copy() for name in names}
        self._row_error, self.forwarded = float(tensors["row_error"][0]), int(tensors["forwarded"][0])


def _what(sums: AttentionSums) -> tuple[object, ...]:
    """What sums are of, whatever the cells."""
    of_groups = None if sums.groups is None else (sums.groups.plain.shape, sums.groups.tfs.tolist())
    return sums.parts, sums.aggregation, sums.ranked, sums.pairs.shape, of_groups


def _first_repeated(values: np.ndarray) -> int:
    distinct, times = np.unique(values, return_counts=True)
    return int(distinct[times > 1][0])
