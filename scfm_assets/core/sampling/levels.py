"""What single genes are like over all cells of a processed atlas: what matched universes are matched by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class GeneLevels:
    """What the gene-level nulls know of the panel; all of it at least 0.

    Attributes
    ----------
    mean
        Mean of log1p of counts per 10,000, shape (K,).
    detection
        Share of cells that hold the gene, shape (K,).
    others
        Further statistics of the nulls by name (variance, dispersion, cell_size), (K,) each.
    """

    mean: np.ndarray
    detection: np.ndarray
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, np.ndarray]:
        """All of them."""
        return {"mean": self.mean, "detection": self.detection, **self.others}

    @property
    def side_by_side(self) -> np.ndarray:
        """All of them, shape (K, n)."""
        return np.column_stack(list(self.by_name.values()))


def gene_levels(counts: csr_matrix, columns: np.ndarray) -> GeneLevels:
    """Describe the panel's genes, without making the counts dense.

    Parameters
    ----------
    counts
        Raw counts of all cells of the processed atlas, shape (n_cells, n_genes): not of a slice, so that what is
        matched by them is the same for every n_cells.
    columns
        Columns of the panel's genes, shape (K,).

    Returns
    -------
    The statistics of `scfm_assets.core.scores.gene_statistics`.
    """
    depth = np.asarray(counts.sum(axis=1), np.float64).ravel()
    n_detected = np.asarray(counts.astype(bool).sum(axis=1), np.float64).ravel()
    panel = counts[:, columns].tocoo()
    n_cells, n_genes = panel.shape
    scaled = panel.data * (1e4 / np.maximum(depth, 1))[panel.row]
    logged, held = np.log1p(scaled), panel.data > 0

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(panel.col, values, minlength=n_genes)

    def variance(values: np.ndarray) -> np.ndarray:
        """Of the cells that hold a gene and of all others, which hold 0."""
        mean = sums(values) / n_cells
        return (sums((values - mean[panel.col]) ** 2) + (n_cells - sums(np.ones(len(values)))) * mean**2) / n_cells

    mean, cells_with = sums(scaled) / n_cells, sums(held)
    return GeneLevels(
        mean=sums(logged) / n_cells,
        detection=cells_with / n_cells,
        others={
            "variance": variance(logged),
            "dispersion": variance(scaled) / np.where(mean > 0, mean, 1),
            "cell_size": sums(n_detected[panel.row] * held) / np.maximum(cells_with, 1),
        },
    )
