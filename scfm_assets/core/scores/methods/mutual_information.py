"""Mutual information of genes: any dependence, whatever its shape."""

from __future__ import annotations

import numpy as np

from scfm_assets.core.scores.baselines import EVERY, BaselineMethod, Cells, Genes

BINS = 5
"""Absent, and quarters of the cells that hold the gene."""
AT_ONCE = 1 << 24
"""Numbers that are held at once. No result depends on it."""


def mutual_information(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
    r"""Mutual information (nats) of log1p CP10k in equal-frequency bins, Miller-Madow corrected; 0 for a constant gene.

    Cells without the gene are one bin; those that hold it are cut into `BINS` - 1 of the same number of cells, equal
    values never apart. With the entropies :math:`H = -\sum p \log p` of the shares of cells and :math:`m` the number
    of bins that hold a cell (Miller 1955, Information Theory in Psychology),

    .. math::
        I_{ij} = H_i + H_j - H_{ij} + \frac{(m_i - 1) + (m_j - 1) - (m_{ij} - 1)}{2 n}.

    Unrelated genes lie around 0 on both sides, with hundreds of cells; with fewer, some of their bins are empty by
    chance and they lie a little above.
    """
    held, ranks = cells.expression > 0, cells.ranks
    bins = bins_of_genes(held, ranks)
    n, n_genes = bins.shape
    terms, every = _terms(n), _one_hot(bins)
    counts = every.sum(axis=0).reshape(BINS, n_genes)
    entropy, varies = terms[counts.astype(np.intp)].sum(axis=0), counts.max(axis=0) < n
    chosen = np.arange(n_genes)[genes]
    information = np.empty((len(chosen), n_genes))
    size = max(1, AT_ONCE // (BINS * BINS * n_genes))
    for start in range(0, len(chosen), size):
        rows = chosen[start : start + size]
        joint = (_one_hot(bins[:, rows]).T @ every).astype(np.intp)
        # Bins come before genes: sums over bins then run along whole rows, at several times the speed.
        of_pairs = terms[joint].reshape(BINS, len(rows), BINS, n_genes).sum(axis=(0, 2))
        information[start : start + size] = entropy[rows, None] + entropy - of_pairs
    both_vary = varies[chosen, None] & varies  # else 0 but for rounding
    return np.where(both_vary, information + np.log(n) - 1 / (2 * n), 0)


def bins_of_genes(held: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Put the cells into bins 0 .. `BINS` - 1 of each gene; 0 is absent.

    Parameters
    ----------
    held
        Whether a cell holds a gene, boolean (n_cells, K).
    ranks
        Midranks of each gene's values, none below 0, so that equal values share a bin; (n_cells, K).
    """
    absent = np.count_nonzero(~held, axis=0)
    before = ranks - absent - 0.5
    return np.where(held, 1 + before * (BINS - 1) // np.maximum(1, len(held) - absent), 0).astype(np.int8)


def _one_hot(bins: np.ndarray) -> np.ndarray:
    """1 in the bin of each gene, float32 (n_cells, BINS * K): counts are exact below 2^24 cells."""
    return (bins[:, None] == np.arange(BINS)[:, None]).reshape(len(bins), -1).astype(np.float32)


def _terms(n: int) -> np.ndarray:
    """What a bin adds to a Miller-Madow entropy, but for log n - 1 / 2n, by its count, (n + 1,)."""
    count = np.arange(n + 1, dtype=np.float64)
    return (count > 0) / (2 * n) - count * np.log(np.maximum(count, 1)) / n


METHOD = BaselineMethod("mutual_information", mutual_information, null=False)
