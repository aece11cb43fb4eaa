"""What single genes are like in some cells, and the nulls that are made of that alone.

A null of one end says that some genes are edges' ends more often than others, whatever stands at the other end; a
product or a sum says that both ends are of a kind. None knows a pair. Adding a statistic is one line in `STATISTICS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

STATISTICS = {
    "mean": "mean of log1p CP10k",
    "detection": "share of cells that hold the gene",
    "variance": "variance of log1p CP10k",
    "dispersion": "variance over mean of CP10k",
    "cell_size": "mean number of genes detected in the cells that hold the gene",
}
"""What is known of a gene, in the order of the rows of `gene_statistics`."""


def gene_statistics(panel_counts: np.ndarray, depth: np.ndarray, n_detected: np.ndarray) -> np.ndarray:
    """Describe genes one by one; 0 for what a gene without a count has not.

    Parameters
    ----------
    panel_counts
        Raw counts of the genes, shape (n_cells, K).
    depth, n_detected
        Counts, and genes with a count, of each whole cell, shapes (n_cells,).

    Returns
    -------
    Rows as in `STATISTICS`, shape (n_statistics, K).
    """
    scaled = panel_counts * (1e4 / depth)[:, None]
    logged, held = np.log1p(scaled), panel_counts > 0
    cells_with, mean = held.sum(axis=0), scaled.mean(axis=0)
    return np.stack(
        [
            logged.mean(axis=0),
            held.mean(axis=0),
            logged.var(axis=0),
            scaled.var(axis=0) / np.where(mean > 0, mean, 1),
            n_detected @ held / np.maximum(cells_with, 1),
        ]
    )


@dataclass(frozen=True)
class EndOfPair:
    """How the statistics of two genes (T, 1) and (1, K) become scores (T, K), and which end alone decides, if one."""

    name: str
    doc: str
    function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    alone: Literal["tf", "target"] | None = None


ENDS = (
    EndOfPair("tf_{}", "{} of the TF, whatever the target", lambda tf, target: tf + 0 * target, "tf"),
    EndOfPair("target_{}", "{} of the target, whatever the TF", lambda tf, target: 0 * tf + target, "target"),
    EndOfPair("{}_product", "Product of the two genes' {}", lambda tf, target: tf * target),
    EndOfPair("{}_sum", "Sum of the two genes' {}", lambda tf, target: tf + target),
)


@dataclass(frozen=True)
class GeneNull:
    """A null of one statistic of single genes."""

    name: str
    doc: str
    row: int
    end: EndOfPair

    def scores(self, levels: np.ndarray, tfs: np.ndarray) -> np.ndarray:
        """Score the TFs' pairs from levels (..., n_statistics, K), as `gene_statistics` makes them; (..., T, K)."""
        values = levels[..., self.row, :]
        return self.end.function(values[..., tfs, None], values[..., None, :])


def _null(row: int, statistic: str, end: EndOfPair) -> GeneNull:
    doc = end.doc.format(STATISTICS[statistic])
    return GeneNull(end.name.format(statistic), f"{doc[0].upper()}{doc[1:]}.", row, end)


GENE_NULLS = {
    null.name: null for null in (_null(row, name, end) for (row, name), end in product(enumerate(STATISTICS), ENDS))
}
"""Every statistic at either end, and of both ends: name -> null."""
