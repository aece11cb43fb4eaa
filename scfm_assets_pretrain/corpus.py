"""The cells of some atlases as tokens: which are trained on, which are held out, which genes they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.genes import build_vocabulary
from scfm_assets.core.tokens import Tokens, tokenize
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets_pretrain.split import Split

    Encode = Callable[[sp.csr_matrix, Sequence[str], Vocabulary, int], Tokens]

FEWEST_GENES = 2
"""Known genes of a cell that is of any use: one to predict, one to predict it from."""


@dataclass(frozen=True, eq=False)
class CorpusCells:
    """The cells of one processed atlas.

    Parameters
    ----------
    tissue
        Its name.
    counts
        Raw counts, cells x genes.
    gene_ids, symbols
        Both names of each gene.
    split
        Its held-out cells.
    """

    tissue: str
    counts: sp.csr_matrix
    gene_ids: Sequence[str]
    symbols: Sequence[str]
    split: Split


@dataclass(frozen=True, eq=False)
class Corpus:
    """Cells of all atlases, one after the other.

    Parameters
    ----------
    tokens
        All cells.
    tissue
        str array of shape (n_cells,).
    training, held_out
        Rows in `tokens`.
    """

    tokens: Tokens
    tissue: np.ndarray
    training: np.ndarray
    held_out: np.ndarray

    def looked_at(self, most: int, seed: int) -> np.ndarray:
        """Choose at most so many held-out cells for evaluations, decided by the seed."""
        order = sorted(self.held_out.tolist(), key=lambda cell: seed_from("looked at", seed, cell))
        return np.array(sorted(order[:most]), dtype=np.int64)


def vocabulary_of(atlases: Sequence[CorpusCells]) -> Vocabulary:
    """Make a vocabulary of the genes of some atlases: padding, mask, and genes in the order of their ids.

    The median of a gene is that of its non-zero counts per 10,000, as Geneformer's are, over the training cells of all
    atlases. Genes that no training cell holds are left out.
    """
    ids: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for atlas in atlases:
        matrix = atlas.counts[~atlas.split.held_out].tocsr()
        totals = np.repeat(np.asarray(matrix.sum(1), dtype=np.float64).ravel(), np.diff(matrix.indptr))
        ids.append(np.asarray(atlas.gene_ids, dtype=str)[matrix.indices])
        values.append(matrix.data / totals * 10_000)
    genes, gene_of = np.unique(np.concatenate(ids), return_inverse=True)
    order = np.argsort(gene_of, kind="stable")
    per_gene = np.split(np.concatenate(values)[order], np.cumsum(np.bincount(gene_of))[:-1])
    medians = {str(gene): float(np.median(scaled)) for gene, scaled in zip(genes, per_gene, strict=True)}
    tokens = {name: i for i, name in enumerate(("<pad>", "<mask>", *medians))}
    return build_vocabulary(tokens, medians, place="vocabulary of the atlases")


def by_rank(counts: sp.csr_matrix, names: Sequence[str], vocabulary: Vocabulary, max_tokens: int) -> Tokens:
    """Encode cells as the family geneformer does: with special tokens where the vocabulary has them."""
    return tokenize(counts, names, vocabulary, max_tokens=max_tokens, special=vocabulary.cls is not None)


def tokenized(
    atlases: Sequence[CorpusCells], vocabulary: Vocabulary, *, max_tokens: int, encode: Encode = by_rank
) -> Corpus:
    """Encode the cells of all atlases; those with fewer than two known genes are left out.

    A training cell whose tokens are those of a held-out cell is left out, too: one cell may stand in two atlases.

    Raises
    ------
    ScfmError
        If an atlas has no gene of the vocabulary, or no cells are left to train on or to hold out.
    """
    rows: list[np.ndarray] = []
    values: list[np.ndarray] = []
    tissues: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for atlas in atlases:
        names = vocabulary.names_of(atlas.gene_ids, atlas.symbols)
        if not (vocabulary.rows_of(names) >= 0).any():
            problem = f"none of its {len(names):,} genes (such as {names[0]!r}) is in the vocabulary"
            known = str(vocabulary.gene_ids[0])
            remedy = f"The vocabulary has genes such as {known!r}: see --tokens, --vocab and gene_table."
            place = f"atlas {atlas.tissue!r}"
            raise ScfmError(place, problem, remedy)
        encoded = encode(atlas.counts, names, vocabulary, max_tokens)
        rows += [encoded.row(i) for i in range(encoded.n_cells)]
        values += [beside for i in range(encoded.n_cells) if (beside := encoded.row_values(i)) is not None]
        tissues.append(np.full(encoded.n_cells, atlas.tissue))
        held_out.append(atlas.split.held_out)
    tokens, apart = Tokens.of(rows, values or None), np.concatenate(held_out)
    useful = _genes_of(tokens, vocabulary) >= FEWEST_GENES
    content = [row.tobytes() + (b"" if tokens.values is None else values[i].tobytes()) for i, row in enumerate(rows)]
    secret = {content[i] for i in np.flatnonzero(apart & useful)}
    repeated = np.array([cell in secret for cell in content])
    training, kept = np.flatnonzero(useful & ~apart & ~repeated), np.flatnonzero(useful & apart)
    if not len(training) or not len(kept):
        problem = f"{len(training)} cells to train on and {len(kept)} to hold out"
        raise ScfmError("cells", problem, "Both are needed: name atlases with more cells.")
    return Corpus(tokens, np.concatenate(tissues), training, kept)


def _genes_of(tokens: Tokens, vocabulary: Vocabulary) -> np.ndarray:
    """Count the tokens of each cell that are not special."""
    upto = np.concatenate([[0], np.cumsum(~np.isin(tokens.ids, vocabulary.special_ids))])
    return np.diff(upto[tokens.offsets])
