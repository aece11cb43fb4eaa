"""Cells as ranked gene tokens: the rank-value encoding of Geneformer, with a defined order of ties."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scfm_assets.core.digest import digest_arrays
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPECIAL_TOKENS = ("<pad>", "<mask>", "<cls>", "<eos>")
"""Names in a token dictionary that are not genes."""

PLACE = "counts to be tokenized"

CHUNK_ENTRIES = 1_000_000
"""Non-zero counts encoded at a time: bounds memory, never the result."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of many cells, one after the other.

    Parameters
    ----------
    ids
        int32 of shape (n_tokens,), most expressed gene of a cell first.
    offsets
        int64 of shape (n_cells + 1,); cell i holds ``ids[offsets[i]:offsets[i + 1]]``.
    """

    ids: np.ndarray
    offsets: np.ndarray

    @property
    def n_cells(self) -> int:
        """Number of cells, those without any token included."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per cell, int64 of shape (n_cells,), special tokens included."""
        return np.diff(self.offsets)

    def row(self, i: int) -> np.ndarray:
        """Token ids of cell i, special tokens included."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    def take(self, rows: Sequence[int] | np.ndarray) -> Tokens:
        """Pick the cells of these rows, in this order."""
        return Tokens.of([self.row(int(i)) for i in rows])

    @classmethod
    def of(cls, cells: Sequence[np.ndarray]) -> Tokens:
        """Join cells given one array each."""
        lengths = np.array([len(cell) for cell in cells], dtype=np.int64)
        ids = np.concatenate([np.empty(0, np.int32), *cells]).astype(np.int32)
        return cls(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @cached_property
    def digest(self) -> str:
        """Digest of the content."""
        return digest_arrays(self.ids, self.offsets)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The genes a model knows, in ascending order of their ids, and its special tokens.

    Parameters
    ----------
    gene_ids
        str array of shape (n_genes,), ascending: the canonical gene ids.
    token_ids
        int32 of shape (n_genes,).
    medians
        float64 of shape (n_genes,): non-zero median of the gene in the model's training corpus, > 0.
    pad, mask, cls, eos
        Token ids of the special tokens, None where the dictionary has none.
    aliases
        Other ids of these genes -> canonical id (old Ensembl ids, symbols), as the model's own mapping says.
    """

    gene_ids: np.ndarray
    token_ids: np.ndarray
    medians: np.ndarray
    pad: int | None = None
    mask: int | None = None
    cls: int | None = None
    eos: int | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of the special tokens the dictionary has."""
        return tuple(token for token in (self.pad, self.mask, self.cls, self.eos) if token is not None)

    @cached_property
    def size(self) -> int:
        """Largest token id + 1: the rows an embedding needs."""
        return 1 + max([int(self.token_ids.max(initial=-1)), *self.special_ids])

    @property
    def n_tokens(self) -> int:
        """Entries of the token dictionary, special tokens included."""
        return len(self.gene_ids) + len(self.special_ids)

    @cached_property
    def digest(self) -> str:
        """Digest of genes, tokens, medians, special tokens and aliases."""
        aliases = np.array(sorted(f"{alias}\t{gene}" for alias, gene in self.aliases.items()), dtype=str)
        specials = (self.pad, self.mask, self.cls, self.eos)
        return digest_arrays(self.gene_ids, self.token_ids, self.medians, *specials, aliases)

    @cached_property
    def _row_of_gene(self) -> dict[str, int]:
        return {gene: row for row, gene in enumerate(self.gene_ids.tolist())}

    def rows_of(self, gene_ids: Sequence[str]) -> np.ndarray:
        """Rows of these genes in the vocabulary, aliases resolved: int64 of shape (len(gene_ids),), -1 = unknown.

        As Geneformer does, an alias is looked up as written and in capitals.
        """
        rows, aliases = self._row_of_gene, self.aliases
        canonical = (aliases.get(gene) or aliases.get(gene.upper()) or gene for gene in gene_ids)
        return np.fromiter((rows.get(gene, -1) for gene in canonical), dtype=np.int64, count=len(gene_ids))

    def tokens_of(self, gene_ids: Sequence[str]) -> np.ndarray:
        """Token ids of these genes: int32 of shape (len(gene_ids),), -1 = unknown."""
        rows = self.rows_of(gene_ids)
        return np.where(rows >= 0, self.token_ids[rows], -1).astype(np.int32)

    def panel_of_token(self, panel: Sequence[str]) -> np.ndarray:
        """Panel index of every token: int32 of shape (size,), -1 = not in the panel. Special tokens never are.

        Where two genes of the panel share a token (old and new id of one gene), the one written with the
        canonical id keeps it, else the first; the other one counts as never seen.
        """
        rows = self.rows_of(panel)
        canonical = np.array([row >= 0 and self.gene_ids[row] == gene for row, gene in zip(rows, panel, strict=True)])
        panel_of_token = np.full(self.size, -1, dtype=np.int32)
        for index in (*np.flatnonzero((rows >= 0) & canonical), *np.flatnonzero((rows >= 0) & ~canonical)):
            token = self.token_ids[rows[index]]
            if panel_of_token[token] < 0:
                panel_of_token[token] = index
        return panel_of_token


def build_vocabulary(
    tokens: Mapping[str, int],
    medians: Mapping[str, float],
    aliases: Mapping[str, str] | None = None,
    *,
    place: str = "token dictionary",
) -> Vocabulary:
    """Join a token dictionary, a median dictionary and, if there is one, an id mapping.

    Parameters
    ----------
    tokens
        Gene id or special token -> token id.
    medians
        Gene id -> non-zero median; entries without a token are left out.
    aliases
        Other gene id -> gene id; entries that lead to no token are left out.
    place
        Named in errors.

    Raises
    ------
    ScfmError
        No gene at all, negative or shared token ids, a gene without a median or with one that is not positive.
    """
    genes = sorted(set(tokens) - set(SPECIAL_TOKENS))
    if not genes:
        problem = "no gene among its entries"
        raise ScfmError(place, problem, "A token dictionary maps gene ids and special tokens to token ids.")
    ids = np.array(sorted(tokens.values()))
    if ids[0] < 0 or (ids[1:] == ids[:-1]).any():
        bad = ids[0] if ids[0] < 0 else ids[1:][ids[1:] == ids[:-1]][0]
        problem = f"token id {bad} is negative or given to more than one gene"
        raise ScfmError(place, problem, "Each gene and special token needs an id >= 0 of its own.")
    bad_medians = [gene for gene in genes if not 0 < medians.get(gene, np.nan) < np.inf]
    if bad_medians:
        first = bad_medians[0]
        problem = f"{len(bad_medians)} genes have no positive median (first: {first!r} has {medians.get(first)})"
        raise ScfmError(place, problem, "Give the median dictionary that belongs to this token dictionary.")
    special = {name.strip("<>"): tokens[name] for name in SPECIAL_TOKENS if name in tokens}
    known = {alias: gene for alias, gene in (aliases or {}).items() if gene in tokens and alias != gene}
    return Vocabulary(
        np.array(genes, dtype=str),
        np.array([tokens[gene] for gene in genes], dtype=np.int32),
        np.array([medians[gene] for gene in genes], dtype=np.float64),
        **special,
        aliases=known,
    )


def tokenize(
    counts: sp.csr_matrix | sp.csr_array,
    gene_ids: Sequence[str],
    vocabulary: Vocabulary,
    *,
    max_tokens: int,
    special: bool,
) -> Tokens:
    """Encode cells with a model's vocabulary; genes it does not know are left out.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    gene_ids
        One id per column.
    max_tokens
        Longest cell, special tokens included; the lowest ranks are cut.
    special
        Put ``<cls>`` first and ``<eos>`` last.

    Raises
    ------
    ScfmError
        No gene of the counts is in the vocabulary, or counts are negative or not whole.
    """
    if counts.shape != (len(counts.indptr) - 1, len(gene_ids)):
        message = f"counts of shape {counts.shape}, cells x genes, but {len(gene_ids)} gene ids"
        raise ValueError(message)
    rows = vocabulary.rows_of(gene_ids)
    if not (rows >= 0).any():
        ours, theirs = (", ".join(map(repr, list(ids)[:3])) for ids in (gene_ids, vocabulary.gene_ids.tolist()))
        problem = (
            f"none of the {len(gene_ids):,} gene ids (such as {ours}) is among the {len(vocabulary.gene_ids):,} "
            f"genes of the model's vocabulary (such as {theirs})"
        )
        remedy = (
            "Name the var column with such ids (gene_id), or a table that leads from your ids to them (gene_table)."
        )
        raise ScfmError(PLACE, problem, remedy)
    return rank_encode(
        counts,
        np.where(rows >= 0, vocabulary.token_ids[rows], -1),
        np.where(rows >= 0, vocabulary.medians[rows], 1.0),
        rows,
        max_tokens=max_tokens,
        cls=vocabulary.cls if special else None,
        eos=vocabulary.eos if special else None,
    )


def rank_encode(
    counts: sp.csr_matrix | sp.csr_array,
    token_of_column: np.ndarray,
    median_of_column: np.ndarray,
    rank_of_column: np.ndarray,
    *,
    max_tokens: int,
    cls: int | None = None,
    eos: int | None = None,
) -> Tokens:
    """Rank the genes of each cell by count / median, highest first.

    The key is ``float32(float64(count) / float64(median))``; ties go by ascending rank of the gene's canonical id.
    The cell's total is the same factor for all its genes and is left out. Columns of one token are summed first.
    The result does not depend on the order of rows, columns or sparse indices, nor on the chunks used.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    token_of_column
        int32 of shape (n_genes,), -1 = not in the vocabulary.
    median_of_column
        float64 of shape (n_genes,), > 0, the same for all columns of a token.
    rank_of_column
        int of shape (n_genes,): place of the column's canonical gene id in ascending order, the same for all columns
        of a token and for no others.
    max_tokens
        Longest cell, special tokens included; the lowest ranks are cut.
    cls, eos
        Token put first and last, None = none.
    """
    known = np.flatnonzero(token_of_column >= 0)
    _, first, gene = np.unique(rank_of_column[known], return_index=True, return_inverse=True)
    gene_of_column = np.full(len(token_of_column), -1, dtype=np.int64)
    gene_of_column[known] = gene
    tokens, medians = token_of_column[known][first], median_of_column[known][first].astype(np.float64)

    limit = max_tokens - (cls is not None) - (eos is not None)
    indptr = np.asarray(counts.indptr, dtype=np.int64)
    parts, lengths = [], []
    start = 0
    while start < len(indptr) - 1:
        stop = max(start + 1, int(np.searchsorted(indptr, indptr[start] + CHUNK_ENTRIES, side="right")) - 1)
        ids, length = _encode_chunk(counts, (start, stop), gene_of_column, medians, limit)
        parts.append(tokens[ids])
        lengths.append(length)
        start = stop
    empty = np.empty(0, dtype=np.int64)
    return _with_special(np.concatenate([empty, *parts]), np.concatenate([empty, *lengths]), cls, eos)


def _encode_chunk(
    counts: sp.csr_matrix | sp.csr_array,
    rows: tuple[int, int],
    gene_of_column: np.ndarray,
    medians: np.ndarray,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Ranked genes of the rows start..stop one after the other, and how many each row has."""
    start, stop = rows
    indptr = np.asarray(counts.indptr[start : stop + 1], dtype=np.int64)
    data, columns = counts.data[indptr[0] : indptr[-1]], counts.indices[indptr[0] : indptr[-1]]
    if (data < 0).any() or (data.dtype.kind == "f" and not np.array_equal(data, np.rint(data))):
        problem = f"negative or fractional values (lowest: {data.min()})"
        raise ScfmError(PLACE, problem, "Rank encoding needs raw counts: whole numbers, none below zero.")
    row = np.repeat(np.arange(stop - start), np.diff(indptr))
    gene = gene_of_column[columns]
    keep = (gene >= 0) & (data > 0)
    # COO -> CSR adds the columns of one gene and sorts genes within rows: the order that a stable sort keeps for ties.
    entries = (data[keep].astype(np.int64), (row[keep], gene[keep]))
    summed = sp.coo_array(entries, shape=(stop - start, len(medians))).tocsr()
    summed.sum_duplicates()
    length = np.diff(summed.indptr).astype(np.int64)
    row = np.repeat(np.arange(stop - start), length)
    key = (summed.data.astype(np.float64) / medians[summed.indices]).astype(np.float32)
    # The bits of positive floats order as the floats do, so one integer sorts by row and by falling key.
    composite = (row.astype(np.uint64) << np.uint64(32)) | (~key.view(np.uint32)).astype(np.uint64)
    ranked = summed.indices[np.argsort(composite, kind="stable")]
    place = np.arange(len(row)) - summed.indptr[row]
    return ranked[place < limit], np.minimum(length, limit)


def _with_special(ids: np.ndarray, length: np.ndarray, cls: int | None, eos: int | None) -> Tokens:
    before, after = int(cls is not None), int(eos is not None)
    offsets = np.concatenate([[0], np.cumsum(length + before + after)]).astype(np.int64)
    out = np.empty(offsets[-1], dtype=np.int32)
    is_gene = np.ones(len(out), dtype=bool)
    if cls is not None:
        out[offsets[:-1]] = cls
        is_gene[offsets[:-1]] = False
    if eos is not None:
        out[offsets[1:] - 1] = eos
        is_gene[offsets[1:] - 1] = False
    out[is_gene] = ids
    return Tokens(out, offsets)
