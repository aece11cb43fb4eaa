"""From expression to counts: outlier genes, library size, dropout and sampling noise, each an option."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from scfm_assets.core.simulate.simulator import check_rules


@dataclass(frozen=True)
class Measurement:
    """What a sequencer does to expression, in this order.

    The defaults are those that SERGIO's authors run on their data sets of 100, 400 and 1200 genes (DS1 to DS3):
    outliers 0.01, 0.8, 1; log library 4.6, 6.0, 7.0 (about the log of the number of genes) and 0.4; dropout 6.5, 82.

    Parameters
    ----------
    outlier_share, outlier_log_mean, outlier_log_sd
        Share of genes that are measured too strongly in all cells, and the lognormal factor of each.
    library_log_mean, library_log_sd
        Lognormal sum of a cell's expression; None: log of the number of genes, one count per gene.
    dropout_percentile, dropout_shape
        A value x is kept with probability 1 / (1 + exp(-shape (log(x + 1) - m))), with m that percentile of
        log(x + 1) over all cells and genes; None: no dropout.
    dispersion
        Counts of mean m have variance m + dispersion m^2 (negative binomial); 0: Poisson.
    """

    outlier_share: float = 0.01
    outlier_log_mean: float = 0.8
    outlier_log_sd: float = 1.0
    library_log_mean: float | None = None
    library_log_sd: float = 0.4
    dropout_percentile: float | None = 82.0
    dropout_shape: float = 6.5
    dispersion: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no probability, spread or percentile."""
        percentile = self.dropout_percentile
        rules = {
            "outlier_share": (0 <= self.outlier_share <= 1, "between 0 and 1"),
            "outlier_log_sd": (self.outlier_log_sd >= 0, "0 or more"),
            "library_log_sd": (self.library_log_sd >= 0, "0 or more"),
            "dropout_percentile": (percentile is None or 0 <= percentile <= 100, "None, or between 0 and 100"),
            "dropout_shape": (self.dropout_shape > 0, "above 0"),
            "dispersion": (self.dispersion >= 0, "0 or more"),
        }
        check_rules("measurement", self, rules)


SERGIO = Measurement()
"""SERGIO's technical noise."""
PLAIN = Measurement(outlier_share=0.0, dropout_percentile=None)
"""Library size and Poisson counts, nothing else."""
OVERDISPERSED = Measurement(outlier_share=0.0, dropout_percentile=None, dispersion=0.1)
"""Library size and negative binomial counts, nothing else."""


def measure(expression: np.ndarray, measurement: Measurement, rng: np.random.Generator) -> sparse.csr_matrix:
    """Draw counts.

    Parameters
    ----------
    expression
        0 or more, finite, float (n_cells, n_genes).
    measurement
        What is done to it.
    rng
        Source of what is random.

    Returns
    -------
    CSR int32 (n_cells, n_genes), sorted indices. A cell without a count gets one of its most expressed gene: a cell
    that nobody saw would not be in the data.
    """
    n_cells, n_genes = expression.shape
    outlier = rng.random(n_genes) < measurement.outlier_share
    factor = rng.lognormal(measurement.outlier_log_mean, measurement.outlier_log_sd, n_genes)
    values = expression * np.where(outlier, factor, 1.0)
    middle = np.log(n_genes) if measurement.library_log_mean is None else measurement.library_log_mean
    library = rng.lognormal(middle, measurement.library_log_sd, n_cells)
    total = values.sum(axis=1)
    values *= np.divide(library, total, out=np.zeros(n_cells), where=total > 0)[:, None]
    rate = values
    if measurement.dropout_percentile is not None:
        logs = np.log1p(values)
        kept = expit(measurement.dropout_shape * (logs - np.percentile(logs, measurement.dropout_percentile)))
        rate = values * (rng.random(values.shape) < kept)
    if measurement.dispersion > 0:
        rate = rate * rng.gamma(1 / measurement.dispersion, measurement.dispersion, rate.shape)
    return as_counts(rng.poisson(rate), values)


def as_counts(counts: np.ndarray, likely: np.ndarray) -> sparse.csr_matrix:
    """Make CSR int32 of counts (n_cells, n_genes); an empty cell gets one count where `likely` is largest."""
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    counts[empty, likely[empty].argmax(axis=1)] = 1
    made = sparse.csr_matrix(counts.astype(np.int32))
    made.sort_indices()
    return made
