"""How strongly genes are expressed: mean and detection, over all cells of a processed atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class GeneLevels:
    """What the gene-level nulls know of the panel.

    Attributes
    ----------
    mean
        Mean of log1p of counts per 10,000, shape (K,).
    detection
        Share of cells that hold the gene, shape (K,).
    """

    mean: np.ndarray
    detection: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """Mean and detection side by side, shape (K, 2)."""
        return np.column_stack([self.mean, self.detection])


def gene_levels(counts: csr_matrix, columns: np.ndarray) -> GeneLevels:
    """Take mean and detection of the panel's genes, without making the counts dense.

    Parameters
    ----------
    counts
        Raw counts of all cells of the processed atlas, shape (n_cells, n_genes): not of a slice, so that what is
        matched by them is the same for every n_cells.
    columns
        Columns of the panel's genes, shape (K,).
    """
    depth = np.asarray(counts.sum(axis=1), np.float64).ravel()
    panel = counts[:, columns].tocoo()
    n_cells, n_genes = panel.shape
    scaled = np.log1p(panel.data * (1e4 / np.maximum(depth, 1))[panel.row])
    return GeneLevels(
        mean=np.bincount(panel.col, scaled, minlength=n_genes) / n_cells,
        detection=np.bincount(panel.col, panel.data > 0, minlength=n_genes) / n_cells,
    )
