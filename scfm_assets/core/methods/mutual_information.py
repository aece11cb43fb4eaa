"""Mutual information of genes: any dependence, whatever its shape."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.baselines import EVERY, BaselineMethod, Cells, Genes

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
    bins = bins_of_genes(cells.expression)
    n, n_genes = bins.shape
    every = _one_hot(bins)
    entropy = _entropies(every.sum(axis=0).reshape(n_genes, BINS), n)
    wanted = np.arange(n_genes)[genes]
    found = np.empty((len(wanted), n_genes))
    size = max(1, AT_ONCE // (BINS * BINS * n_genes))
    for start in range(0, len(wanted), size):
        rows = wanted[start : start + size]
        joint = _one_hot(bins[:, rows]).T @ every
        found[start : start + size] = entropy[rows, None] + entropy - _entropies(_of_pairs(joint), n)
    return found


def bins_of_genes(values: np.ndarray) -> np.ndarray:
    """Put each gene's values (n_cells, K), none below 0, into bins 0 .. `BINS` - 1; 0 is absent."""
    bins = np.zeros(values.shape, np.int8)
    for gene, column in enumerate(values.T):
        held = column > 0
        ranks = rankdata(column[held]) - 0.5  # midranks, so that equal values share a bin
        bins[held, gene] = 1 + ranks * (BINS - 1) // max(1, len(ranks))
    return bins


def _one_hot(bins: np.ndarray) -> np.ndarray:
    """1 in the bin of each gene, float32 (n_cells, K * BINS): counts are exact below 2^24 cells."""
    return (bins[:, :, None] == np.arange(BINS)).reshape(len(bins), -1).astype(np.float32)


def _of_pairs(joint: np.ndarray) -> np.ndarray:
    """Turn counts (rows * BINS, columns * BINS) into those of each pair, (rows, columns, BINS * BINS)."""
    rows, columns = (size // BINS for size in joint.shape)
    return joint.reshape(rows, BINS, columns, BINS).transpose(0, 2, 1, 3).reshape(rows, columns, BINS * BINS)


def _entropies(counts: np.ndarray, n: int) -> np.ndarray:
    """Miller-Madow entropies of counts (..., bins) of n cells."""
    whole = np.arange(n + 1, dtype=np.float64)
    of_count = whole * np.log(np.maximum(whole, 1))
    plain = np.log(n) - of_count[counts.astype(np.int64)].sum(axis=-1) / n
    return plain + (np.count_nonzero(counts, axis=-1) - 1) / (2 * n)


MUTUAL_INFORMATION = BaselineMethod("mutual_information", mutual_information, null=False)
