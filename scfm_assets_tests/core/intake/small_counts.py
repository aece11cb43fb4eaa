"""Small counts with a vocabulary, and the plain way to their tokens."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens.encode import Tokens

SPECIAL = {"<pad>": 0, "<mask>": 1, "<cls>": 2, "<eos>": 3}


def a_vocabulary(n_genes: int, seed: int = 0, *, levels: int | None = None, special: bool = False) -> Vocabulary:
    """Token ids are shuffled against gene ids, so that a tie rule by token id is not one by gene id."""
    rng = np.random.default_rng(seed)
    names = SPECIAL if special else {"<pad>": 0, "<mask>": 1}
    genes = [f"G{i:05d}" for i in range(n_genes)]
    ids = rng.permutation(n_genes) + len(names)
    medians = rng.lognormal(0, 1, n_genes) if levels is None else 1.0 + rng.integers(0, levels, n_genes)
    tokens = {**names, **dict(zip(genes, ids.tolist(), strict=True))}
    return build_vocabulary(tokens, dict(zip(genes, medians.tolist(), strict=True)))


def some_counts(n_cells: int, n_genes: int, seed: int = 0, high: int = 6) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, high, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < 0.4)
    return sp.csr_array(dense.astype(np.int32))


def reference(counts: sp.csr_array, gene_ids: list[str], vocabulary: Vocabulary, limit: int) -> list[list[int]]:
    """One cell and one gene at a time: sum per gene, sort by falling float32 key, then by gene id."""
    token = dict(zip(vocabulary.gene_ids.tolist(), vocabulary.token_ids.tolist(), strict=True))
    median = dict(zip(vocabulary.gene_ids.tolist(), vocabulary.medians.tolist(), strict=True))
    cells = []
    for row in counts.toarray().tolist():
        total: dict[str, int] = {}
        for gene, count in zip(gene_ids, row, strict=True):
            canonical = vocabulary.aliases.get(gene, gene)
            if canonical in token and count > 0:
                total[canonical] = total.get(canonical, 0) + count
        ranked = sorted(total, key=lambda gene: (-np.float32(total[gene] / median[gene]), gene))
        cells.append([token[gene] for gene in ranked[:limit]])
    return cells


def as_lists(tokens: Tokens) -> list[list[int]]:
    return [tokens.row(i).tolist() for i in range(tokens.n_cells)]
