"""The compiled radix sort that ranks the genes of cells. Where numba is missing, `ranking` goes without it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

LARGEST_COUNT = 2**31
"""No gene of a cell is counted more often; the sum of as many entries as a row can have stays a 64-bit integer."""

_DIGIT = 11
"""Bits that one pass of the radix sort orders by, at most: its table of 2048 places stays in the L1 cache."""

_COARSE = 18
"""Leading bits that the first attempt orders by; few genes of a cell agree in them and are not yet in order."""

_PATIENCE = 4
"""Places per gene that entries may move while a coarse order is mended, before all bits are sorted by."""

FINE, NO_COUNT, NO_COLUMN = 0, 1, 2


@cache
def has_numba() -> bool:
    """Whether the compiled kernel can be used; without it numpy gives the same tokens, more slowly."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


@cache
def compiled(dtype: str) -> Callable[..., int]:
    """`_rank_rows` compiled for counts of a type (int32, int64, float32 or float64), when it is first asked for.

    It takes contiguous arrays of the types that `_rank_rows` names and trusts that they fit together.
    """
    numbers = "int64 int64 int64 boolean"
    return keep_compiled(_rank_rows, f"{dtype} int32 int64 int32 float64 int32", numbers, "int32 int64")


def keep_compiled(function: Callable[..., int], read: str, numbers: str, filled: str) -> Callable[..., int]:
    """Compile a kernel, and keep the code for the next process where there is a folder for it.

    Parameters
    ----------
    function
        The kernel.
    read, numbers, filled
        Types of its arguments, in this order: arrays that it reads, which may be read-only, numbers, and arrays that
        it fills.
    """
    from numba import njit, types

    signature = types.int64(
        *(types.Array(getattr(types, name), 1, "C", readonly=True) for name in read.split()),
        *(getattr(types, name) for name in numbers.split()),
        *(getattr(types, name)[::1] for name in filled.split()),
    )
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(signature, cache=True, **options)(function)
    except (RuntimeError, OSError):  # no folder that the compiled code could be kept in, or no room
        return njit(signature, **options)(function)


def _rank_rows(  # noqa: PLR0917 - numba takes arrays, no dataclass
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    gene_of_column: np.ndarray,
    medians: np.ndarray,
    tokens: np.ndarray,
    limit: int,
    cls: int,
    eos: int,
    merged: bool,  # noqa: FBT001 - numba passes by position
    ids: np.ndarray,
    lengths: np.ndarray,
) -> int:
    """Write the tokens of every row one after the other; only ever run compiled.

    Parameters
    ----------
    data, indices, indptr
        Counts as CSR: any of four types, int32, int64.
    gene_of_column, medians, tokens, limit, cls, eos, merged
        As in `scfm_assets.core.tokens.ranking.Encoding`: int32, float64, int32; -1 = no such special token.
    ids, lengths
        Filled: int32, as long as all tokens may need, and int64 of shape (n_rows,).

    Returns
    -------
    `FINE`, or what is wrong with the counts: `NO_COUNT` or `NO_COLUMN`.
    """
    n_columns, n_genes = len(gene_of_column), len(medians)
    totals = np.zeros(n_genes, np.int64)
    quotients = np.empty(n_genes, np.float32)
    bits = quotients.view(np.uint32)
    genes = np.empty(n_genes, np.int32)
    entries, spare = np.empty(n_genes, np.uint64), np.empty(n_genes, np.uint64)
    places = np.empty(1 << _DIGIT, np.int32)
    gene_bits = 1
    while n_genes >> gene_bits != 0:
        gene_bits += 1
    gene_mask = np.uint64((1 << gene_bits) - 1)
    at = 0
    for row in range(len(indptr) - 1):
        # Genes and their quotients. Where no gene can occur twice, nothing has to be summed.
        n, last = 0, -1
        once = not merged
        for i in range(indptr[row], indptr[row + 1]):
            column, count = np.int64(indices[i]), data[i]
            if column < 0 or column >= n_columns:
                return NO_COLUMN
            if not (count >= 0 and count <= LARGEST_COUNT) or np.int64(count) != count:
                return NO_COUNT
            once = once and column > last
            if not once:
                break
            last = column
            gene = gene_of_column[column]
            if gene >= 0 and count > 0:
                quotients[n] = np.float32(np.float64(count) / medians[gene])
                genes[n] = gene
                n += 1
        if not once:
            n = 0
            for i in range(indptr[row], indptr[row + 1]):
                column, count = np.int64(indices[i]), data[i]
                if column < 0 or column >= n_columns:
                    return NO_COLUMN
                if not (count >= 0 and count <= LARGEST_COUNT) or np.int64(count) != count:
                    return NO_COUNT
                gene = gene_of_column[column]
                if gene >= 0 and count > 0:
                    if totals[gene] == 0:
                        genes[n] = gene
                        n += 1
                    totals[gene] += np.int64(count)
            for j in range(n):
                gene = genes[j]
                quotients[j] = np.float32(np.float64(totals[gene]) / medians[gene])
                totals[gene] = 0

        # The bits of positive floats order as the floats do: one integer sorts by falling quotient, then by gene.
        low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
        for j in range(n):
            low, high = min(low, bits[j]), max(high, bits[j])
        n_bits = gene_bits + 1
        while n > 0 and (np.int64(high) - np.int64(low)) >> (n_bits - gene_bits) != 0:
            n_bits += 1
        for j in range(n):
            entries[j] = (np.uint64(high - bits[j]) << np.uint64(gene_bits)) | np.uint64(genes[j])

        # Radix sort by the leading bits, mended by insertion; by all bits where too many agree in the leading ones.
        first = max(0, n_bits - _COARSE)
        while True:
            n_passes = (n_bits - first + _DIGIT - 1) // _DIGIT
            width = (n_bits - first + n_passes - 1) // n_passes
            digit = np.uint32((1 << width) - 1)
            for step in range(n_passes):
                shift = np.uint64(first + step * width)
                places[: 1 << width] = 0
                for j in range(n):
                    places[np.uint32(entries[j] >> shift) & digit] += 1
                before = 0
                for slot in range(1 << width):
                    here = places[slot]
                    places[slot] = before
                    before += here
                for j in range(n):
                    entry = entries[j]
                    value = np.uint32(entry >> shift) & digit
                    spare[places[value]] = entry
                    places[value] += 1
                entries, spare = spare, entries
            moved, j = 0, 1
            while first > 0 and j < n and moved <= _PATIENCE * n:
                entry, i = entries[j], j
                while i > 0 and entries[i - 1] > entry:
                    entries[i] = entries[i - 1]
                    i -= 1
                entries[i] = entry
                moved += j - i
                j += 1
            if first == 0 or j >= n:
                break
            first = 0

        start = at
        if cls >= 0:
            ids[at] = cls
            at += 1
        for j in range(min(n, limit)):
            ids[at] = tokens[entries[j] & gene_mask]
            at += 1
        if eos >= 0:
            ids[at] = eos
            at += 1
        lengths[row] = at - start
    return FINE
