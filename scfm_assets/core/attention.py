"""Gene x gene sums of a transformer's attention, collected while it runs.

No map of tokens x tokens is ever kept. The encoder calls :func:`attend_and_collect` (registered with transformers under
:data:`IMPLEMENTATION`) instead of its own attention; a collector, handed through as a keyword of the model's call, gets
the queries, keys and values of one cell at a time. Self-attention does not care about the order of tokens as long as
positions travel with them, so the genes of the panel stand first: what is wanted is then one corner block.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from transformers import PreTrainedModel

    from scfm_assets.core.tokens import Tokens

IMPLEMENTATION = "scfm_collect"
"""Name of our attention function in transformers: ``attn_implementation=IMPLEMENTATION``."""

PLACE = "tokens and model"

ROWS_AT_A_TIME = 128
"""Query rows whose scores exist at once, per head: small enough for the processor's cache."""

ROWS_CHECKED = 8
"""Query rows per cell and layer whose attention is summed over all keys: it has to be one."""


@dataclass(eq=False)
class AttentionSums:
    """Sums over cells of the head-mean attention between genes of the panel.

    Parameters
    ----------
    layers
        Layers in ascending order, 1 = the first block.
    plain
        float32 of shape (n_layers, K, K): sum over cells of the attention from gene i (query) to gene j (key).
        The softmax runs over all tokens of the cell, not only over the panel.
    lifted
        As `plain`, every cell's attention times its number of keys: 1 where a cell attends evenly.
    pairs
        int32 of shape (K, K): cells that hold both genes.
    n_cells
        Cells summed, those without any gene of the panel included.
    """

    layers: tuple[int, ...]
    plain: np.ndarray
    lifted: np.ndarray
    pairs: np.ndarray
    n_cells: int

    @classmethod
    def zeros(cls, layers: Sequence[int], n_panel: int) -> AttentionSums:
        """Start with sums over no cell."""
        shape = (len(layers), n_panel, n_panel)
        plain, lifted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        return cls(tuple(layers), plain, lifted, np.zeros(shape[1:], np.int32), 0)

    def add_(self, other: AttentionSums) -> AttentionSums:
        """Add the cells of other sums to these, in place."""
        if self.layers != other.layers or self.pairs.shape != other.pairs.shape:
            message = f"sums of layers {self.layers}, {self.pairs.shape} and {other.layers}, {other.pairs.shape}"
            raise ValueError(message)
        self.plain += other.plain
        self.lifted += other.lifted
        self.pairs += other.pairs
        self.n_cells += other.n_cells
        return self

    def __add__(self, other: AttentionSums) -> AttentionSums:
        copy = AttentionSums(self.layers, self.plain.copy(), self.lifted.copy(), self.pairs.copy(), self.n_cells)
        return copy.add_(other)

    def to_tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Named arrays as safetensors wants them."""
        return {
            f"{prefix}plain": self.plain,
            f"{prefix}lifted": self.lifted,
            f"{prefix}pairs": self.pairs,
            f"{prefix}layers": np.array(self.layers, dtype=np.int32),
            f"{prefix}n_cells": np.array([self.n_cells], dtype=np.int64),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], prefix: str = "") -> AttentionSums:
        """Inverse of :meth:`to_tensors`."""
        return cls(
            tuple(int(layer) for layer in tensors[f"{prefix}layers"]),
            tensors[f"{prefix}plain"],
            tensors[f"{prefix}lifted"],
            tensors[f"{prefix}pairs"],
            int(tensors[f"{prefix}n_cells"][0]),
        )


class Collector(Protocol):
    """What :func:`stream` asks of whoever listens to the attention of an encoder."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers it listens to."""
        ...

    def begin(self, cell: int, ids: np.ndarray) -> np.ndarray | None:
        """Order in which the cell's tokens should be passed (int64, a permutation), None = no forward pass needed."""
        ...

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Give the output of one layer, (1, n_tokens, n_heads, head size), from (1, n_heads, n_tokens, head size).

        May raise :class:`Finished` to end the cell's forward pass.
        """
        ...


class Finished(Exception):  # noqa: N818 - a signal, not an error
    """Nothing more is wanted of this cell: leaves the forward pass from inside."""


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

    Attributes
    ----------
    forwarded
        Cells that were passed through the encoder; cells without any gene of the panel need no pass.
    """

    def __init__(
        self,
        panel_of_token: np.ndarray,
        n_panel: int,
        layers: Sequence[int],
        block_of_cell: np.ndarray,
        n_blocks: int,
    ) -> None:
        if not layers or min(layers) < 1:
            message = f"layers {tuple(layers)}: at least one, counted from 1"
            raise ValueError(message)
        self.panel_of_token = np.asarray(panel_of_token, dtype=np.int64)
        self.n_panel = n_panel
        self.layers = tuple(sorted(set(layers)))
        self.block_of_cell = np.asarray(block_of_cell)
        self.forwarded = 0
        self._place = {layer: place for place, layer in enumerate(self.layers)}
        self._blocks = [_Block(self.layers, n_panel) for _ in range(n_blocks)]
        self._block = _Block(self.layers, n_panel)
        self._genes = np.empty(0, dtype=np.int64)
        self._row_error: torch.Tensor | float = 0.0

    @property
    def blocks(self) -> list[AttentionSums]:
        """The sums, one per block."""
        return [block.sums() for block in self._blocks]

    @property
    def row_sum_error(self) -> float:
        """Largest distance from one of the attention that a checked query pays to all keys; inf where it is NaN."""
        error = float(self._row_error)
        return error if np.isfinite(error) else np.inf

    def begin(self, cell: int, ids: np.ndarray) -> np.ndarray | None:
        """Count the cell in its block and put the genes of the panel first, in the panel's order."""
        if len(np.unique(ids)) < len(ids):
            problem = f"token {_first_repeated(ids)} stands twice in cell {cell}"
            raise ScfmError(PLACE, problem, "A gene has one rank per cell: sum columns of one gene first.")
        self._block = self._blocks[self.block_of_cell[cell]]
        self._block.n_cells += 1
        panel = self.panel_of_token[ids]
        in_panel = np.flatnonzero(panel >= 0)
        if not len(in_panel):
            return None
        in_panel = in_panel[np.argsort(panel[in_panel])]
        self._genes = panel[in_panel]
        if (self._genes[1:] == self._genes[:-1]).any():
            message = f"two tokens of cell {cell} are one gene of the panel (index {_first_repeated(self._genes)})"
            raise ValueError(message)
        self._block.pairs[self._genes[:, None], self._genes] += 1
        self.forwarded += 1
        return np.concatenate([in_panel, np.flatnonzero(panel < 0)])

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Attention of one cell; rows of panel genes are worked out openly and summed, all others by SDPA."""
        import torch
        from torch.nn import functional

        place, last = self._place.get(layer), layer == self.layers[-1]
        n_open = len(self._genes) if place is not None else 0
        _, n_heads, n_keys, size = query.shape
        output = query.new_empty((1, n_keys, n_heads, size))
        if n_open < n_keys and not last:
            rest = functional.scaled_dot_product_attention(query[:, :, n_open:], key, value, scale=scaling)
            output[:, n_open:] = rest.transpose(1, 2)
        if place is None:
            return output

        plain, lifted = self._block.on(query.device)
        genes = torch.from_numpy(self._genes).to(query.device)
        keys, values = key[0].transpose(1, 2), value[0]
        for start in range(0, n_open, ROWS_AT_A_TIME):
            rows = slice(start, min(start + ROWS_AT_A_TIME, n_open))
            weights = torch.bmm(query[0, :, rows] * scaling, keys)
            weights.sub_(weights.amax(-1, keepdim=True)).exp_()
            scale = weights.sum(-1, keepdim=True).reciprocal_()
            if not last:
                output[0, rows] = (torch.bmm(weights, values) * scale).transpose(0, 1)
            scale /= n_heads
            attention = weights[0, :, :n_open] * scale[0]
            for head in range(1, n_heads):
                attention.addcmul_(weights[head, :, :n_open], scale[head])
            if start == 0:
                self._check_rows(attention, weights, scale)
            at = (genes[rows, None], genes)
            plain[place][at] += attention
            lifted[place][at] += attention.mul_(n_keys)
        if last:
            raise Finished
        return output

    def _check_rows(self, attention: torch.Tensor, weights: torch.Tensor, scale: torch.Tensor) -> None:
        """Attention to the panel, as it is summed, and to all other keys together must make one."""
        import torch

        few, n_open = slice(0, ROWS_CHECKED), attention.shape[1]
        others = (weights[:, few, n_open:] * scale[:, few]).sum((0, 2))
        error = (attention[few].sum(1) + others - 1).abs().max()
        self._row_error = torch.maximum(torch.as_tensor(self._row_error, device=error.device), error)


class _Block:
    """Sums of one block, float parts on the device where the attention is computed, made at the first cell."""

    def __init__(self, layers: tuple[int, ...], n_panel: int) -> None:
        self.layers, self.n_cells = layers, 0
        self.pairs = np.zeros((n_panel, n_panel), dtype=np.int32)
        self._floats: tuple[torch.Tensor, torch.Tensor] | None = None

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        if self._floats is None:
            shape = (len(self.layers), *self.pairs.shape)
            plain, lifted = (torch.zeros(shape, dtype=torch.float32, device=device) for _ in range(2))
            self._floats = plain, lifted
        return self._floats

    def sums(self) -> AttentionSums:
        if self._floats is None:
            sums = AttentionSums.zeros(self.layers, len(self.pairs))
            return AttentionSums(self.layers, sums.plain, sums.lifted, self.pairs, self.n_cells)
        plain, lifted = (part.cpu().numpy() for part in self._floats)
        return AttentionSums(self.layers, plain, lifted, self.pairs, self.n_cells)


def _first_repeated(values: np.ndarray) -> int:
    found, times = np.unique(values, return_counts=True)
    return int(found[times > 1][0])


def attend_and_collect(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    collector: Collector,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function for transformers' ``AttentionInterface``: hand the layer to the collector."""
    if attention_mask is not None or len(query) != 1:
        message = f"one unpadded cell per forward pass, not {len(query)} or a mask"
        raise ValueError(message)
    layer = int(module.layer_idx) + 1  # pyright: ignore[reportArgumentType]
    return collector.attend(layer, query, key, value, scaling), None


def register() -> str:
    """Make our attention known to transformers and return its name for ``attn_implementation``."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(IMPLEMENTATION, attend_and_collect)
    # Without a mask function of the same name transformers silently builds none or another one's.
    AttentionMaskInterface.register(IMPLEMENTATION, lambda *_, **__: None)
    return IMPLEMENTATION


def stream(
    encoder: PreTrainedModel,
    tokens: Tokens,
    collector: Collector,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Pass cells through an encoder one at a time, without padding, into a collector.

    Parameters
    ----------
    encoder
        The bare encoder (no language-model head), built with ``attn_implementation=register()``, float32.
    tokens
        Cells; those the collector has no use for are not passed.
    collector
        Gets every layer's queries, keys and values.
    device
        Where the encoder runs.
    progress
        Called after each cell with the number of cells done and of all cells.

    Raises
    ------
    ScfmError
        A layer the model does not have, a cell longer than its positions, a token it has no embedding for.
    """
    import torch

    _check_fit(encoder, tokens, collector)
    encoder = encoder.to(device).eval()  # pyright: ignore[reportArgumentType]
    with torch.inference_mode():
        for cell in range(tokens.n_cells):
            ids = tokens.row(cell)
            order = collector.begin(cell, ids)
            if order is not None:
                ordered = torch.from_numpy(ids[order].astype(np.int64))[None].to(device)
                positions = torch.from_numpy(order.astype(np.int64))[None].to(device)
                with suppress(Finished):
                    encoder(input_ids=ordered, position_ids=positions, collector=collector)
            if progress is not None:
                progress(cell + 1, tokens.n_cells)


def _check_fit(encoder: PreTrainedModel, tokens: Tokens, collector: Collector) -> None:
    config = encoder.config
    if config._attn_implementation != IMPLEMENTATION or encoder.dtype.itemsize != 4:
        message = f"encoder runs {config._attn_implementation!r} in {encoder.dtype}, not {IMPLEMENTATION!r} in float32"
        raise ValueError(message)
    if collector.layers[-1] > config.num_hidden_layers:
        problem = f"layer {collector.layers[-1]} is asked for, the model has {config.num_hidden_layers}"
        raise ScfmError(PLACE, problem, f"Layers are counted from 1 to {config.num_hidden_layers}.")
    longest = int(tokens.lengths.max(initial=0))
    if longest > config.max_position_embeddings:
        problem = f"a cell has {longest} tokens, the model has {config.max_position_embeddings} positions"
        raise ScfmError(PLACE, problem, "Tokenize with the model's own max_tokens.")
    largest = int(tokens.ids.max(initial=-1))
    if largest >= config.vocab_size:
        problem = f"token id {largest} is beyond the model's {config.vocab_size} embeddings"
        raise ScfmError(PLACE, problem, "Tokenize with the dictionary that belongs to this model.")
