"""The compiled loop that bins the values of cells. Where numba is missing, `value_bins` goes without it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from scfm_assets.core.tokens.rank_kernel import FINE, LARGEST_COUNT, NO_COLUMN, NO_COUNT, keep_compiled

HIGHEST, CONTENT = 0, 1
"""Which genes stand for a cell that has too many: those with the highest counts, or a sample seeded by its content."""

_TALLY = 1 << 12
"""Counts below this are tallied, which takes no sorting; in raw counts few are above."""

# Odd multipliers and shifts of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection of 64 bits.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def mixed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mix two uint64 arrays into one; values of `one` that differ stay different beside the same `other`."""
    value = other + one * _STEP
    value = (value ^ (value >> _SHIFTS[0])) * _FIRST
    value = (value ^ (value >> _SHIFTS[1])) * _SECOND
    return value ^ (value >> _SHIFTS[2])


@cache
def compiled_bins(dtype: str) -> Callable[..., int]:
    """`_bin_rows` compiled for counts of a type (int32, int64, float32 or float64), when it is first asked for.

    It takes contiguous arrays of the types that `_bin_rows` names and trusts that they fit together.
    """
    numbers = "int64 int64 int64 boolean int64 float32"
    return keep_compiled(_bin_rows, f"{dtype} int32 int64 int32 int32 int32", numbers, "int32 float32 int64")


def _bin_rows(  # noqa: PLR0917 - numba takes arrays, no dataclass
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    gene_of_column: np.ndarray,
    tokens: np.ndarray,
    ranks: np.ndarray,
    limit: int,
    cls: int,
    n_bins: int,
    take_upto: bool,  # noqa: FBT001 - numba passes by position
    beyond: int,
    cls_value: float,
    ids: np.ndarray,
    values: np.ndarray,
    lengths: np.ndarray,
) -> int:
    """Write the tokens and values of every row one after the other; only ever run compiled.

    Parameters
    ----------
    data, indices, indptr
        Counts as CSR: any of four types, int32, int64.
    gene_of_column, tokens, ranks, cls
        As in `scfm_assets.core.tokens.value_bins.Genes`: int32 each; -1 = no such token.
    limit, n_bins, take_upto, beyond, cls_value
        Genes kept of a cell, bins, ties to the highest, `HIGHEST` or `CONTENT`, value beside `cls`.
    ids, values, lengths
        Filled: int32 and float32, as long as all tokens may need, and int64 of shape (n_rows,).

    Returns
    -------
    `FINE`, or what is wrong with the counts: `NO_COUNT` or `NO_COLUMN`.
    """
    n_columns, n_genes = len(gene_of_column), len(tokens)
    totals = np.zeros(n_genes, np.int64)
    genes, counts = np.empty(n_genes, np.int64), np.empty(n_genes, np.int64)
    keys = np.empty(n_genes, np.uint64)
    tally = np.zeros(_TALLY + 1, np.int64)
    edges = n_bins - 2
    at = 0
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            column, count = np.int64(indices[i]), data[i]
            if column < 0 or column >= n_columns:
                return NO_COLUMN
            if not (count >= 0 and count <= LARGEST_COUNT) or np.int64(count) != count:
                return NO_COUNT
            gene = gene_of_column[column]
            if gene >= 0:
                totals[gene] += np.int64(count)
        n, largest = 0, np.int64(0)
        for gene in range(n_genes):
            total = totals[gene]
            if total > 0:
                genes[n], counts[n] = gene, total
                largest = max(largest, total)
                totals[gene] = 0
                n += 1

        # tally[c]: genes of the cell with a count below c.
        tallied = largest < _TALLY
        ascending = counts[:0]
        if tallied:
            tally[: largest + 2] = 0
            for j in range(n):
                tally[counts[j] + 1] += 1
            for c in range(largest + 1):
                tally[c + 1] += tally[c]
        else:
            ascending = np.sort(counts[:n])

        # What is needed to belong to those that are kept: more than a count, or that count and a low enough rank; or a
        # low enough key.
        least, last_rank, last_key = np.int64(0), np.int64(-1), np.uint64(0)
        if n > limit and beyond == HIGHEST:
            if limit == 0:
                least = largest
            elif tallied:
                least = largest
                while n - tally[least] < limit:
                    least -= 1
            else:
                least = ascending[n - limit]
            above, equal = 0, 0
            for j in range(n):
                if counts[j] > least:
                    above += 1
                elif counts[j] == least:
                    keys[equal] = ranks[genes[j]]
                    equal += 1
            if limit > above:
                last_rank = np.int64(np.sort(keys[:equal])[limit - above - 1])
        elif n > limit:
            seed = np.uint64(0)
            for j in range(n):  # as `mixed`, which numba cannot call from here
                mix = np.uint64(counts[j]) + np.uint64(tokens[genes[j]]) * _STEP
                mix = (mix ^ (mix >> np.uint64(30))) * _FIRST
                mix = (mix ^ (mix >> np.uint64(27))) * _SECOND
                seed += mix ^ (mix >> np.uint64(31))
            for j in range(n):
                mix = seed + np.uint64(tokens[genes[j]]) * _STEP
                mix = (mix ^ (mix >> np.uint64(30))) * _FIRST
                mix = (mix ^ (mix >> np.uint64(27))) * _SECOND
                keys[j] = mix ^ (mix >> np.uint64(31))
            if limit > 0:
                last_key = np.sort(keys[:n])[limit - 1]

        start = at
        if cls >= 0:
            ids[at], values[at] = cls, cls_value
            at += 1
        steps = max(n - 1, 1)
        for j in range(n):
            count = counts[j]
            if n > limit:
                if limit == 0:
                    break
                if beyond == CONTENT:
                    if keys[j] > last_key:
                        continue
                elif count < least or (count == least and ranks[genes[j]] > last_rank):
                    continue
            if tallied:
                first, beyond_last = tally[count], tally[count + 1]
            else:
                first = np.searchsorted(ascending, count)
                beyond_last = np.searchsorted(ascending, count, side="right")
            upto = edges + 1 if n == 1 else edges * (beyond_last - 1) // steps + 1
            below = (edges * first + steps - 1) // steps
            ids[at] = tokens[genes[j]]
            values[at] = upto if take_upto else (upto + below + 1) // 2
            at += 1
        lengths[row] = at - start
    return FINE
