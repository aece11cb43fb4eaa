"""The gene panel: the K genes of a tissue whose pairs are scored, chosen once per tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.counts import shape_of
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.sparse import csr_matrix


def gene_panel(counts: csr_matrix, gene_ids: Sequence[str], symbols: Sequence[str], *, size: int) -> pa.Table:
    """Take the genes that most cells express.

    Parameters
    ----------
    counts
        Raw counts of all cells of the tissue, shape (n_cells, n_genes).
    gene_ids, symbols
        Names of the columns of `counts`.
    size
        Number of genes K.

    Returns
    -------
    Table with a row per gene, in order of the panel: ``panel_index``, ``gene_id``, ``symbol``, ``detection`` (share of
    cells with a count), ``mean`` and ``variance`` (of raw counts, over all cells). Ties in detection go to the higher
    mean, then to the smaller gene id, so the panel depends on the atlas's content alone.

    Raises
    ------
    ScfmError
        If the atlas has fewer than `size` genes.
    """
    n_cells, n_genes = shape_of(counts)
    if n_genes < size:
        problem = f"{n_genes} genes hold counts, fewer than the panel's {size}"
        raise ScfmError("experiment.panel", problem, f"Set it to {n_genes} or less.")
    detection = np.bincount(counts.indices, minlength=n_genes) / n_cells
    mean = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / n_cells
    squares = np.bincount(counts.indices, weights=counts.data.astype(np.float64) ** 2, minlength=n_genes) / n_cells
    ids, names = np.asarray(gene_ids, dtype=str), np.asarray(symbols, dtype=str)
    chosen = np.lexsort((ids, -mean, -detection))[:size]
    return pa.table(
        {
            "panel_index": pa.array(np.arange(size), pa.int32()),
            "gene_id": ids[chosen].tolist(),
            "symbol": names[chosen].tolist(),
            "detection": detection[chosen],
            "mean": mean[chosen],
            "variance": squares[chosen] - mean[chosen] ** 2,
        }
    )
