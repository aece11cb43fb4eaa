"""Attention of the first query rows of a cell, a chunk of rows at a time, while all rows get their output.

Two forms of the same arithmetic. *Open*: the scores of the wanted rows over all keys are worked out once and give both
their attention and their output; all other rows go through PyTorch's fused attention. *Fused*: all rows go through a
fused kernel that also returns each row's log-sum-exp, with which the attention to the wanted keys follows from their
scores alone: ``exp(q k - lse)``. The first uses public functions only and is as fast on a CPU; the second is for GPUs,
and for half precision, where the softmax of what is summed stays float32.

A third form is another quantity, see `scfm_assets.core.attention.ranks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True)
class CellLayer:
    """A layer of a cell, of which the attention of the first rows to the first keys is wanted.

    Parameters
    ----------
    query, key, value
        Shape (n_heads, n_tokens, head size).
    scaling
        Factor of the scores.
    n_wanted
        Rows, and keys, whose attention is wanted.
    at_a_time
        Rows of a chunk.
    output
        Shape (n_tokens, n_heads, head size): filled when the last chunk has been given. None: not wanted.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    scaling: float
    n_wanted: int
    at_a_time: int
    output: torch.Tensor | None

    @property
    def chunks(self) -> Iterator[slice]:
        """The wanted rows, some at a time."""
        for start in range(0, self.n_wanted, self.at_a_time):
            yield slice(start, min(start + self.at_a_time, self.n_wanted))


@dataclass(frozen=True)
class OpenRows:
    """Rows of the open form: weights over all keys, (n_heads, n_rows, n_keys)."""

    weights: torch.Tensor
    n_wanted: int

    def mean(self) -> torch.Tensor:
        """Mean over heads."""
        return self.weights[:, :, : self.n_wanted].mean(0)

    def max(self) -> torch.Tensor:
        """Maximum over heads, pair by pair."""
        return self.weights[:, :, : self.n_wanted].amax(0)

    def head(self, head: int) -> torch.Tensor:
        """Of one head, counted from 1."""
        return self.weights[head - 1, :, : self.n_wanted].clone()

    def sums(self, n_rows: int) -> torch.Tensor:
        """Sum over all keys of the first rows: of the wanted ones as they are summed, and of the others."""
        first = OpenRows(self.weights[:, :n_rows], self.n_wanted)
        return first.mean().sum(1) + first.weights[:, :, self.n_wanted :].mean(0).sum(1)

    def error(self, n_rows: int) -> torch.Tensor:
        """Largest distance from one of the first rows' sums."""
        return (self.sums(n_rows) - 1).abs().max()


@dataclass(frozen=True)
class FusedRows:
    """Rows of the fused form: scaled queries (n_heads, n_rows, size), all keys, and log-sum-exp (n_heads, n_rows, 1).

    All float32.
    """

    query: torch.Tensor
    key: torch.Tensor
    lse: torch.Tensor
    n_wanted: int

    def _logarithms(self, query: torch.Tensor, lse: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(-lse, query, self.key[:, : self.n_wanted].transpose(1, 2))

    def mean(self) -> torch.Tensor:
        """Mean over heads."""
        return self._logarithms(self.query, self.lse + math.log(len(self.query))).exp_().sum(0)

    def max(self) -> torch.Tensor:
        """Maximum over heads: exp rises, so it is taken of the largest logarithm alone."""
        return self._logarithms(self.query, self.lse).amax(0).exp_()

    def head(self, head: int) -> torch.Tensor:
        """Of one head, counted from 1."""
        one = slice(head - 1, head)
        return torch.baddbmm(-self.lse[one], self.query[one], self.key[one, : self.n_wanted].transpose(1, 2))[0].exp_()

    def sums(self, n_rows: int) -> torch.Tensor:
        """Sum over all keys of the first rows."""
        scores = torch.baddbmm(-self.lse[:, :n_rows], self.query[:, :n_rows], self.key.transpose(1, 2))
        return scores.exp_().sum(-1).mean(0)

    def error(self, n_rows: int) -> torch.Tensor:
        """Largest distance from one of the first rows' sums."""
        return (self.sums(n_rows) - 1).abs().max()


def open_rows(layer: CellLayer) -> Iterator[tuple[slice, OpenRows]]:
    """Attention of the first rows to the first keys, chunk by chunk, filling the output on the way.

    All chunks share the memory of their weights: each is to be used before the next is asked for.
    """
    query, key, value, output, n_wanted = layer.query, layer.key, layer.value, layer.output, layer.n_wanted
    if output is not None and n_wanted < query.shape[1]:
        rest = functional.scaled_dot_product_attention(
            query[None, :, n_wanted:], key[None], value[None], scale=layer.scaling
        )
        output[n_wanted:] = rest[0].transpose(0, 1)
    keys, (n_heads, n_keys) = key.transpose(1, 2), key.shape[:2]
    room = query.new_empty(n_heads * min(layer.at_a_time, n_wanted) * n_keys)
    for rows in layer.chunks:
        n_rows = rows.stop - rows.start
        weights = room[: n_heads * n_rows * n_keys].view(n_heads, n_rows, n_keys)
        torch.softmax(torch.bmm(query[:, rows] * layer.scaling, keys, out=weights), -1, out=weights)
        if output is not None:
            output[rows] = torch.bmm(weights, value).transpose(0, 1)
        yield rows, OpenRows(weights, n_wanted)


def fused_rows(layer: CellLayer) -> Iterator[tuple[slice, FusedRows]]:
    """As `open_rows`, with one fused pass over all rows; any precision."""
    wanted = layer.query[:, : layer.n_wanted]
    queries = layer.query if layer.output is not None else wanted
    attended, lse = with_log_sum_exp(queries, layer.key, layer.value, layer.scaling)
    if layer.output is not None:
        layer.output.copy_(attended.transpose(0, 1))
    scaled, keys, lse = wanted.float() * layer.scaling, layer.key.float(), lse[..., None].float()
    for rows in layer.chunks:
        yield rows, FusedRows(scaled[:, rows], keys, lse[:, rows], layer.n_wanted)


def form_for(query: torch.Tensor) -> Callable[[CellLayer], Iterator[tuple[slice, OpenRows | FusedRows]]]:
    """The faster form of those that a device and a precision offer."""
    return fused_rows if query.is_cuda or query.dtype != torch.float32 else open_rows


def with_log_sum_exp(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend and give the logarithm of each row's sum of exponentiated scores as well.

    PyTorch's kernels compute it for their backward pass; the public function does not hand it out.

    Parameters
    ----------
    query, key, value
        Shape (n_heads, n_tokens, head size); queries may be fewer than keys.
    scaling
        Factor of the scores.

    Returns
    -------
    Output (n_heads, n_queries, head size) and log-sum-exp (n_heads, n_queries), float32.
    """
    if query.shape[1] == 0:
        return torch.empty_like(query), query.new_empty(query.shape[:2], dtype=torch.float32)
    attend, arguments = _KERNELS.get(_kernel(query), (None, ()))
    if attend is None:
        message = f"no attention with log-sum-exp for {query.dtype} on {query.device}"
        raise ValueError(message)
    output, lse, *_ = attend(query[None], key[None], value[None], *arguments, scale=scaling)
    return output[0], lse[0, :, : query.shape[1]]


_KERNELS: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    # no dropout, not causal
    "cpu": (torch.ops.aten._scaled_dot_product_flash_attention_for_cpu, (0.0, False)),
    # no bias, with log-sum-exp, no dropout, not causal
    "cuda float32": (torch.ops.aten._scaled_dot_product_efficient_attention, (None, True, 0.0, False)),
    # no dropout, not causal, no mask for debugging
    "cuda half": (torch.ops.aten._scaled_dot_product_flash_attention, (0.0, False, False)),
}


def _kernel(query: torch.Tensor) -> str:
    if query.device.type != "cuda":
        return query.device.type
    return "cuda float32" if query.dtype == torch.float32 else "cuda half"
