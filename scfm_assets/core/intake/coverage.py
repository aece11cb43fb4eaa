"""How much of an atlas a model can see: genes, counts, and tokens of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.genes import ORGANISMS, look_at, organism_of
from scfm_assets.core.intake.counts import merge_columns

if TYPE_CHECKING:
    from scipy import sparse

    from scfm_assets.core.genes import GeneNames, Vocabulary


@dataclass(frozen=True)
class ModelCoverage:
    """What of an atlas a model knows.

    Attributes
    ----------
    model
        Its name.
    n_genes, n_known
        Genes of the atlas, and those in the model's vocabulary.
    counts
        Share of the atlas's counts that are of known genes.
    tokens
        Tokens of the median cell, before the model's limit.
    asked_by
        Whether genes are asked for by ``gene_id`` or by ``symbol``.
    of_other
        The organism that the model's genes are of, if the atlas is of another one: names that they share say little.
    """

    model: str
    n_genes: int
    n_known: int
    counts: float
    tokens: float
    asked_by: str
    of_other: str | None = None

    def words(self) -> str:
        """The coverage in one line of text."""
        if not self.n_known:
            return f"{self.model}: knows none of the {self.n_genes:,} genes, asked by {self.asked_by}"
        share = self.n_known / max(self.n_genes, 1)
        other = f"a model of {self.of_other}, by shared names only: " if self.of_other else ""
        return (
            f"{self.model}: {other}{self.n_known:,} of {self.n_genes:,} genes ({share:.1%}), "
            f"{self.counts:.1%} of counts, {self.tokens:,.0f} tokens in the median cell"
        )


def coverage_of(
    model: str, vocabulary: Vocabulary, names: GeneNames, counts: sparse.csr_matrix, organism: str
) -> ModelCoverage:
    """Ask a vocabulary for the genes of an atlas.

    Parameters
    ----------
    model
        Its name.
    vocabulary
        Genes that it knows.
    names
        Genes of the atlas, shape (n_genes,).
    counts
        CSR int32, shape (n_cells, n_genes).
    organism
        What the atlas is of.
    """
    rows = vocabulary.rows_of(vocabulary.names_of(names.ids.tolist(), names.symbols.tolist()))
    known = rows >= 0
    seen = counts[:, known]
    total = max(int(counts.sum(dtype=np.int64)), 1)
    genes, group = np.unique(rows[known], return_inverse=True)
    united = seen if len(genes) == len(group) else merge_columns(seen, group)
    tokens = float(np.median(np.diff(united.indptr))) if len(united.indptr) > 1 else 0.0
    share = int(seen.sum(dtype=np.int64)) / total
    of = _organism_of(vocabulary)
    other = of if of is not None and organism in ORGANISMS and of != organism else None
    return ModelCoverage(model, len(rows), int(known.sum()), share, tokens, vocabulary.names, other)


def _organism_of(vocabulary: Vocabulary) -> str | None:
    """The organism whose genes a model knows, None if their names do not tell."""
    genes = vocabulary.gene_ids.tolist()
    if vocabulary.names == "symbol":
        return look_at(genes).organism
    spread = genes[:: max(len(genes) // 100, 1)]
    organisms = [organism for organism in map(organism_of, spread) if organism is not None]
    return max(sorted(set(organisms)), key=organisms.count) if organisms else None
