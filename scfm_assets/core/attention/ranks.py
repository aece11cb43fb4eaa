"""Attention as ranks of its scores: the form that scGPT's notebook on gene networks by attention uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.core.attention.rows import CellLayer


def ranked_rows(layer: CellLayer) -> Iterator[tuple[slice, RankedRows]]:
    """Ranks of the scores, to be used as `scfm_assets.core.attention.rows.open_rows`.

    For each head, the scores :math:`Q K^T` of a cell (no scale, no softmax: neither changes an order) are replaced by
    their ranks from 0 within their row, over all keys; these by their ranks within their column, over all queries; and
    these are divided by the number of tokens, special ones included, and averaged over heads. A gene pair's value is
    thus how highly the query ranks the key compared with how highly other queries rank that key, from 0 to below 1,
    whatever the strength of attention. Rows do not sum to one. What is alike gets the mean of its ranks, while the
    notebook leaves it in the order of an unstable sort; in columns, whose entries are ranks already, that is frequent.

    All rows of a cell are ranked, wanted or not, and each head anew wherever it is asked for: time grows with the
    square of a cell's tokens and the logarithm of that; memory with tokens x wanted keys of one head.
    """
    if layer.output is not None:
        query, key, value = (tensor[None] for tensor in (layer.query, layer.key, layer.value))
        attended = functional.scaled_dot_product_attention(query, key, value, scale=layer.scaling)
        layer.output.copy_(attended[0].transpose(0, 1))
    if layer.n_wanted:
        ranked = RankedRows(layer.query.float(), layer.key.float(), layer.n_wanted, layer.at_a_time)
        yield slice(0, layer.n_wanted), ranked


@dataclass(frozen=True)
class RankedRows:
    """Rows of the ranked form, all wanted ones at once: queries and keys (n_heads, n_tokens, size), float32.

    Each head is ranked when it is asked for, so that one matrix of ranks exists at a time beside what is made of them.
    """

    query: torch.Tensor
    key: torch.Tensor
    n_wanted: int
    at_a_time: int

    def mean(self) -> torch.Tensor:
        """Mean over heads."""
        total = self.head(1)
        for head in range(2, len(self.query) + 1):
            total += self.head(head)
        return total.div_(len(self.query))

    def max(self) -> torch.Tensor:
        """Maximum over heads, pair by pair."""
        largest = self.head(1)
        for head in range(2, len(self.query) + 1):
            torch.maximum(largest, self.head(head), out=largest)
        return largest

    def head(self, head: int) -> torch.Tensor:
        """Of one head, counted from 1."""
        query, keys = self.query[head - 1], self.key[head - 1].T
        n_tokens, first = len(query), slice(self.n_wanted)
        # A column's ranks need that column of all rows, but of the columns only the wanted ones.
        columns = query.new_empty((self.n_wanted, n_tokens))
        for start in range(0, n_tokens, self.at_a_time):
            rows = slice(start, start + self.at_a_time)
            columns[:, rows] = mid_ranks(query[rows] @ keys)[:, first].T
        for start in range(0, self.n_wanted, self.at_a_time):
            some = slice(start, start + self.at_a_time)
            columns[some] = mid_ranks(columns[some])
        return (columns[:, first] / n_tokens).T.contiguous()

    def error(self, n_rows: int) -> torch.Tensor:
        """Zero, or NaN where scores are not finite, which ranks would hide; rows of ranks have no sum to hold to."""
        scores = self.query[:, :n_rows] @ self.key.transpose(1, 2)
        return (scores - scores).abs().max()


def mid_ranks(values: torch.Tensor) -> torch.Tensor:
    """Rank along the last dimension from 0, what is equal by the mean of its places; float32."""
    ascending, places = values.sort(-1)
    at = torch.arange(values.shape[-1], dtype=torch.int32, device=values.device)
    begins = torch.ones_like(ascending, dtype=torch.bool)
    begins[..., 1:] = ascending[..., 1:] != ascending[..., :-1]
    ends = torch.ones_like(begins)
    ends[..., :-1] = begins[..., 1:]
    first = torch.where(begins, at, 0).cummax(-1).values
    last = torch.where(ends, at, len(at)).flip(-1).cummin(-1).values.flip(-1)
    return torch.empty_like(values).scatter_(-1, places, (first + last).to(values.dtype) / 2)
