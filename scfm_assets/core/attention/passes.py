"""Cells pass through a transformer once, and a collector hears all of its attention.

No map of tokens x tokens is ever kept. The encoder calls :func:`attend_and_collect` (registered with transformers under
:data:`IMPLEMENTATION`) instead of its own attention; a collector, handed through as a keyword of the model's call, gets
the queries, keys and values of one cell at a time. Self-attention does not care about the order of tokens as long as
positions travel with them, so the genes of the panel stand first: what is wanted is then one corner block.
"""

from __future__ import annotations

import copy
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.attention.machine import Machine, Need, plan
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch
    from transformers import PreTrainedModel

    from scfm_assets.core.attention.collector import AttentionCollector
    from scfm_assets.core.tokens import Tokens

IMPLEMENTATION = "scfm_collect"
"""Name of our attention function in transformers: ``attn_implementation=IMPLEMENTATION``."""

PLACE = "tokens and model"

log = logging.getLogger(__name__)


Listed = tuple[int, "np.ndarray", "np.ndarray", "np.ndarray | None"]
"""A cell's number, its tokens in the order in which they pass, their places, and what stands beside them."""


class Finished(Exception):  # noqa: N818 - a signal, not an error
    """Nothing more is wanted of these cells: leaves the forward pass from inside."""


@dataclass(frozen=True)
class Pass:
    """Cells that go through the encoder together, one after the other in one row, and who listens.

    Attributes
    ----------
    collector
        Who listens.
    cells
        Number of each cell.
    ids, positions
        Tokens and their places in their own cells, int64 of shape (n_tokens,).
    bounds
        Where cells begin and end.
    values
        What stands beside the tokens, float32 of shape (n_tokens,), None where nothing does.
    """

    collector: AttentionCollector
    cells: tuple[int, ...]
    ids: np.ndarray
    positions: np.ndarray
    bounds: tuple[int, ...]
    values: np.ndarray | None = None

    @classmethod
    def of(cls, collector: AttentionCollector, cells: Sequence[Listed]) -> Pass:
        """Pack cells, each given as number, tokens, their places and their values."""
        numbers, ids, positions, values = zip(*cells, strict=True)
        bounds = tuple(accumulate((len(i) for i in ids), initial=0))
        beside = None if values[0] is None else np.concatenate(values)
        return cls(collector, numbers, np.concatenate(ids), np.concatenate(positions), bounds, beside)

    def inputs(self, device: torch.device) -> dict[str, torch.Tensor]:
        """Arguments of the encoder, shape (1, n_tokens) each."""
        arrays = {"input_ids": self.ids, "position_ids": self.positions}
        arrays |= {} if self.values is None else {"values": self.values}
        return {name: _to(array[None], device) for name, array in arrays.items()}

    @property
    def spans(self) -> Iterator[tuple[int, slice]]:
        """Number and tokens of each cell."""
        for cell, (start, stop) in zip(self.cells, pairwise(self.bounds), strict=True):
            yield cell, slice(start, stop)


def attend_and_collect(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    passing: Pass,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function for transformers' ``AttentionInterface``: hand each cell's part of a layer to the collector.

    Queries, keys and values have shape (1, n_heads, n_tokens, head size), the output (1, n_tokens, n_heads, head size).
    """
    if attention_mask is not None or len(query) != 1:
        message = f"one row of unpadded cells per forward pass, not {len(query)} or a mask"
        raise ValueError(message)
    layer = int(module.layer_idx) + 1  # pyright: ignore[reportArgumentType]
    ends = layer == passing.collector.last
    n_heads, n_tokens, size = query.shape[1:]
    output = query.new_empty((0 if ends else 1, n_tokens, n_heads, size))
    for cell, tokens in passing.spans:
        tensors = (query[0, :, tokens], key[0, :, tokens], value[0, :, tokens])
        passing.collector.attend(cell, layer, tensors, scaling, None if ends else output[0, tokens])
    if ends:
        raise Finished
    return output, None


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
    collector: AttentionCollector,
    *,
    machine: Machine | None = None,
    start: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Pass cells through an encoder, without padding, into a collector.

    On a CPU one cell passes at a time: sums do then not depend on which cells are neighbours, to the bit. On a GPU
    cells are packed into one row per pass as memory allows. When memory runs out all the same, the batch is halved and
    nothing is lost or counted twice.

    Parameters
    ----------
    encoder
        The bare encoder (no language-model head), built with ``attn_implementation=register()``, float32.
    tokens
        Cells; those the collector has no use for are not passed.
    collector
        Gets every layer's queries, keys and values.
    machine
        Where the encoder runs, in which precision, in how much memory.
    start
        First cell to pass: those before it are known to the collector.
    progress
        Called between passes with the number of cells done and of all cells; the collector is complete up to there.

    Raises
    ------
    ScfmError
        A layer or head the model does not have, a cell longer than its positions, a token it has no embedding for, a
        cell that does not fit into the memory.
    """
    import torch

    machine = machine or Machine()
    _check_fit(encoder, tokens, collector)
    collector.prepare(encoder.config.hidden_size)
    need = Need.of(
        encoder.config,
        longest=int(tokens.lengths.max(initial=0)),
        fixed=collector.bytes,
        n_panel=collector.n_panel,
        precision=machine.precision,
        states=collector.last is None,
        per_pair=collector.bytes_per_pair,
    )
    with torch.inference_mode(), _running(encoder, machine) as running:
        chosen = plan(machine, need, place=PLACE)  # the model is on its device: what is free there is for the pass
        collector.rows_at_a_time = chosen.rows
        for batch, done in _batches(tokens, collector, start, chosen.tokens):
            if batch:
                _forward(running, batch, collector, need)
            if progress is not None:
                progress(done, tokens.n_cells)


def _batches(
    tokens: Tokens, collector: AttentionCollector, start: int, limit: int
) -> Iterator[tuple[list[Listed], int]]:
    """Pack neighbouring cells up to a number of tokens (0: each alone); with the number of cells done after each."""
    batch: list[Listed] = []
    size = 0
    for cell in range(start, tokens.n_cells):
        if batch and size + tokens.lengths[cell] > limit:
            yield batch, cell
            batch, size = [], 0
        ids = tokens.row(cell)
        order = collector.begin(cell, ids)
        if order is not None:
            values = tokens.row_values(cell)
            batch.append((cell, ids[order].astype(np.int64), order, None if values is None else values[order]))
            size += len(ids)
    yield batch, tokens.n_cells


def _forward(encoder: PreTrainedModel, batch: list[Listed], collector: AttentionCollector, need: Need) -> None:
    """Pass a batch; in halves if memory runs out."""
    import torch

    try:
        _pass(encoder, Pass.of(collector, batch))
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(batch) == 1:
            problem = f"memory ran out with a single cell of {len(batch[0][1])} tokens: {error}"
            remedy = f"A pass of the longest cell is estimated to take {-(-need.least // 2**20)} MiB beside the model."
            raise ScfmError(PLACE, problem, remedy) from error
    else:
        return
    log.warning("memory ran out with %d cells in one pass: going on with halves of it", len(batch))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    left = [listed for listed in batch if collector.again(listed[0])]
    half = len(left) // 2
    for part in (left[:half], left[half:]):
        if part:
            _forward(encoder, part, collector, need)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: of the processor's memory PyTorch says so in a RuntimeError's words alone."""
    import torch

    says_so = any(words in str(error) for words in ("can't allocate memory", "out of memory"))
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or says_so


def _pass(encoder: PreTrainedModel, passing: Pass) -> None:
    device, collector = encoder.device, passing.collector
    states: tuple[torch.Tensor, ...] | None = None
    with suppress(Finished):
        output = encoder(**passing.inputs(device), passing=passing, output_hidden_states=collector.last is None)
        states = output.hidden_states
        if states is None and collector.last is None:
            message = "the encoder gave no hidden states: was it built in this process?"
            raise RuntimeError(message)
    for cell, tokens in passing.spans:
        collector.finish(cell, None if states is None else [state[0, tokens] for state in states])


def _to(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy to a device; to a GPU from pinned memory, without waiting for it."""
    import torch

    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@contextmanager
def _running(encoder: PreTrainedModel, machine: Machine) -> Iterator[PreTrainedModel]:
    """Bring an encoder to its device and precision. The caller's keeps its float32 weights."""
    import torch

    if machine.precision == "bf16":
        encoder = copy.deepcopy(encoder).to(torch.bfloat16)  # pyright: ignore[reportArgumentType]
    encoder = encoder.to(machine.device).eval()  # pyright: ignore[reportArgumentType]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if machine.precision == "tf32" else "highest")
    try:
        yield encoder
    finally:
        torch.set_float32_matmul_precision(before)


def _check_fit(encoder: PreTrainedModel, tokens: Tokens, collector: AttentionCollector) -> None:
    config = encoder.config
    if config._attn_implementation != IMPLEMENTATION or encoder.dtype.itemsize != 4:
        message = f"encoder runs {config._attn_implementation!r} in {encoder.dtype}, not {IMPLEMENTATION!r} in float32"
        raise ValueError(message)
    if collector.layers[-1] > config.num_hidden_layers:
        problem = f"layer {collector.layers[-1]} is asked for, the model has {config.num_hidden_layers}"
        raise ScfmError(PLACE, problem, f"Layers are counted from 1 to {config.num_hidden_layers}.")
    beyond = [head for _, head in collector.heads if head > config.num_attention_heads]
    if beyond:
        problem = f"head {beyond[0]} is asked for, the layers of the model have {config.num_attention_heads}"
        raise ScfmError(PLACE, problem, f"Heads are counted from 1 to {config.num_attention_heads}.")
    longest = int(tokens.lengths.max(initial=0))
    if longest > config.max_position_embeddings:
        problem = f"a cell has {longest} tokens, the model has {config.max_position_embeddings} positions"
        raise ScfmError(PLACE, problem, "Tokenize with the model's own max_tokens.")
    largest = int(tokens.ids.max(initial=-1))
    if largest >= config.vocab_size:
        problem = f"token id {largest} is beyond the model's {config.vocab_size} embeddings"
        raise ScfmError(PLACE, problem, "Tokenize with the dictionary that belongs to this model.")
