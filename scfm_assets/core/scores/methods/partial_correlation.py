"""Partial correlation: what two genes share beyond what all other genes of the panel tell about them."""

from __future__ import annotations

import numpy as np

from scfm_assets.core.scores.baselines import EVERY, BaselineMethod, Cells, Genes

LEAST = 1e-6
"""Shrinkage at least, so that copies of a gene can be inverted too."""


def partial_correlation(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
    r"""Absolute partial correlation of log1p CP10k, given all other panel genes, by shrinkage; 0 for a constant gene.

    With the correlations :math:`R` of the genes and the intensity :math:`\lambda` of `shrinkage_intensity`,

    .. math:: P = \left((1 - \lambda) R + \lambda I\right)^{-1}, \qquad \rho_{ij} = -P_{ij} / \sqrt{P_{ii} P_{jj}}

    (Schaefer and Strimmer 2005, Statistical Applications in Genetics and Molecular Biology 4). The score depends on
    the panel, whichever `genes` are asked for.
    """
    values = cells.expression
    varies = np.flatnonzero(values.min(axis=0) < values.max(axis=0))
    scores = np.zeros((values.shape[1],) * 2)
    if len(varies):
        scores[np.ix_(varies, varies)] = np.abs(partial_correlations(_standardised(values[:, varies])))
    return scores[genes]


def partial_correlations(values: np.ndarray) -> np.ndarray:
    """Invert the shrunk correlations of standardised values (n_cells, K); 1 on the diagonal."""
    intensity = max(LEAST, shrinkage_intensity(values))
    shrunk = (1 - intensity) * (values.T @ values / len(values))
    np.fill_diagonal(shrunk, 1)
    precision = np.linalg.inv(shrunk)
    scale = np.sqrt(precision.diagonal())
    partial = -precision / np.outer(scale, scale)
    np.fill_diagonal(partial, 1)
    return np.clip((partial + partial.T) / 2, -1, 1)


def shrinkage_intensity(values: np.ndarray) -> float:
    r"""Shrinkage intensity with the least expected squared error, in closed form.

    .. math::
        \lambda = \sum_{i \ne j} \widehat{\mathrm{Var}}(r_{ij}) / \sum_{i \ne j} r_{ij}^2, \qquad
        \widehat{\mathrm{Var}}(r_{ij}) = \tfrac{n}{(n-1)^3} \textstyle\sum_c (w_{cij} - \bar w_{ij})^2,

    where :math:`w_{cij} = z_{ci} z_{cj}` and :math:`r_{ij} = \tfrac{n}{n-1} \bar w_{ij}` with :math:`z` of unit
    variance (their equation 10), cut to 0 .. 1. 1 where no genes correlate.

    Parameters
    ----------
    values
        Standardised (mean 0, mean square 1), shape (n_cells, K).
    """
    n = len(values)
    z = values * np.sqrt((n - 1) / n)
    mean_of_products = z.T @ z / n
    correlations = n / (n - 1) * mean_of_products
    squared = (z**2).T @ z**2
    variances = n / (n - 1) ** 3 * np.maximum(squared - n * mean_of_products**2, 0)
    for matrix in (variances, correlations):
        np.fill_diagonal(matrix, 0)
    total = (correlations**2).sum()
    return float(np.clip(variances.sum() / total, 0, 1)) if total > 0 else 1.0


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    return centred / np.sqrt((centred**2).mean(axis=0))


METHOD = BaselineMethod("partial_correlation", partial_correlation, null=False)
