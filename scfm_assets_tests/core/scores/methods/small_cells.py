"""Cells whose genes depend on each other, with one gene that no cell and one that every cell holds alike."""

import numpy as np

from scfm_assets.core.scores.baselines import Cells


def small_cells(n_cells=120, n_genes=12, seed=0):
    rng = np.random.default_rng(seed)
    activity = rng.normal(size=(n_cells, 3))
    rate = np.exp(activity @ rng.normal(0, 0.7, (3, n_genes)) + rng.normal(0, 0.8, n_genes))
    counts = rng.poisson(rate).astype(np.float64)
    counts[:, 4] = 0
    return Cells(counts, depth=counts.sum(axis=1) + 50, n_detected=(counts > 0).sum(axis=1) + 3.0)
