"""The gene panel: the K genes of a tissue whose pairs are scored, chosen once per tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.intake import shape_of
from scfm_assets.errors import ScfmError
from scfm_assets.tables.atlas import GENE_PANEL, REGULATORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    Rows of `gene_panel`, in order of the panel. Ties in detection go to the higher mean, then to the smaller gene id,
    so the panel depends on the atlas's content alone.

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
    return GENE_PANEL.from_columns(
        {
            "panel_index": np.arange(size),
            "gene_id": ids[chosen].tolist(),
            "symbol": names[chosen].tolist(),
            "detection": detection[chosen],
            "mean": mean[chosen],
            "variance": squares[chosen] - mean[chosen] ** 2,
        }
    )


def regulators(panel: pa.Table, tfs_of_network: Mapping[str, np.ndarray]) -> pa.Table:
    """List the genes of a panel that are TFs of some network.

    Parameters
    ----------
    panel
        From `gene_panel`.
    tfs_of_network
        Network -> panel indices of its TFs.

    Returns
    -------
    Rows of `regulators`, in order of the panel, with the names of the networks in alphabetical order.
    """
    named: dict[int, list[str]] = {}
    for network in sorted(tfs_of_network):
        for index in tfs_of_network[network].tolist():
            named.setdefault(index, []).append(network)
    rows = sorted(named)
    chosen = panel.take(pa.array(rows, pa.int64()))
    genes = {name: chosen[name] for name in ("panel_index", "gene_id", "symbol")}
    return REGULATORS.from_columns({**genes, "networks": [",".join(named[row]) for row in rows]})
