"""A small atlas as people have it: 40 cells, 30 genes, labels, and counts that can be put anywhere."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

N_CELLS, N_GENES = 40, 30


def small_counts(seed=0, n_cells=N_CELLS, n_genes=N_GENES):
    """Dense counts, int64, no empty cell and no empty gene, a one in every cell."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.2, size=(n_cells, n_genes))
    counts[np.arange(n_cells), np.arange(n_cells) % n_genes] = 1
    return counts


def log1p_cp10k(counts):
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 10_000)


def small_atlas(counts=None, **changes):
    counts = small_counts() if counts is None else counts
    n_cells, n_genes = counts.shape
    obs = pd.DataFrame(
        {
            "cell_type": [("T cell", "B cell", "monocyte")[i % 3] for i in range(n_cells)],
            "donor_id": [f"donor{i % 2}" for i in range(n_cells)],
            "run": [i % 4 for i in range(n_cells)],
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(
        {
            "ensembl_id": [f"ENSG{i:011d}" for i in range(n_genes)],
            "name": [f"GENE{i}" for i in range(n_genes)],
        },
        index=[f"row{i}" for i in range(n_genes)],
    )
    obs, var = changes.pop("obs", obs), changes.pop("var", var)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AnnData(X=changes.pop("X", sparse.csr_matrix(counts.astype(np.float32))), obs=obs, var=var, **changes)
