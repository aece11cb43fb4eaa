"""The genes that a model knows: token dictionary, medians and the ids that lead to its genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from scfm_assets.core.base import digest_arrays
from scfm_assets.errors import ScfmError

Names = Literal["gene_id", "symbol"]

SPECIAL_TOKENS = ("<pad>", "<mask>", "<cls>", "<eos>")
"""Names in a token dictionary that are not genes."""


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
        float64 of shape (n_genes,): non-zero median of the gene in the model's training corpus, > 0; ones for a model
        that asks for none.
    pad, mask, cls, eos
        Token ids of the special tokens, None where the dictionary has none.
    aliases
        Other ids of these genes -> canonical id (old Ensembl ids, symbols), as the model's own mapping says.
    names
        What its `gene_ids` are: ids of genes, or symbols.
    """

    gene_ids: np.ndarray
    token_ids: np.ndarray
    medians: np.ndarray
    pad: int | None = None
    mask: int | None = None
    cls: int | None = None
    eos: int | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Names = "gene_id"

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

        As Geneformer does, an alias of an id is looked up as written and in capitals; the case of symbols counts.
        """
        rows, aliases = self._row_of_gene, self.aliases
        canonical = gene_ids
        if aliases and self.names == "gene_id":
            canonical = (aliases.get(gene) or aliases.get(gene.upper()) or gene for gene in gene_ids)
        elif aliases:
            canonical = (aliases.get(gene, gene) for gene in gene_ids)
        return np.fromiter((rows.get(gene, -1) for gene in canonical), dtype=np.int64, count=len(gene_ids))

    def names_of(self, gene_ids: Sequence[str], symbols: Sequence[str]) -> list[str]:
        """Choose the name by which each gene is asked for.

        Parameters
        ----------
        gene_ids, symbols
            Both names of each gene.

        Returns
        -------
        The ids for a vocabulary of ids. For one of symbols the symbol, or the id where only that is known.
        """
        if self.names == "gene_id":
            return list(gene_ids)
        by_symbol, by_id = self.rows_of(symbols), self.rows_of(gene_ids)
        return [
            gene_id if symbol_row < 0 <= id_row else symbol
            for gene_id, symbol, id_row, symbol_row in zip(gene_ids, symbols, by_id, by_symbol, strict=True)
        ]

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
    names: Names = "gene_id",
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
    names
        What the keys of `tokens` are.

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
        names=names,
    )
