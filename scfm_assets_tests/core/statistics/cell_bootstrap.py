"""A bootstrap over groups of cells: scores are formed again from the groups' sums, and pairs are ranked anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.evaluation.readings import readings_of_rows
from scfm_assets.core.metrics import METRICS, values_of

if TYPE_CHECKING:
    from scfm_assets.core.universes import PanelEdges, Universe

AT_ONCE = 1 << 24
"""Scores that are held at once. No result depends on it."""


def cell_bootstrap(
    summed: np.ndarray,
    pairs: np.ndarray,
    *,
    tfs: np.ndarray,
    edges: PanelEdges,
    universe: Universe,
    resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw groups of cells with replacement and rank the TFs' pairs by the means over the cells drawn.

    Where the jackknife of `core.statistics.jackknife` gives a standard error, this gives the whole distribution: for
    skewed metrics, for differences of methods (draw both with generators of the same seed), and for statistics that
    are not smooth. With g groups the variance of a mean comes out too small by a factor (g - 1) / g.

    Parameters
    ----------
    summed
        Sums over the cells of each group, shape (n_groups, T, K), each pair at the TF's end: one part and direction of
        `scfm_assets.core.attention.sums.GroupSums`, as ``groups.plain[:, part, 0]``.
    pairs
        Cells of each group that hold both genes, shape (n_groups, T, K).
    tfs
        Panel indices of the T genes, ascending; they must hold the network's TFs.
    edges
        The network.
    universe
        One of the TFs' pairs; `observed` are those that some cell drawn holds together.
    resamples
        Number of draws of n_groups groups.
    rng
        Decides the draws.

    Returns
    -------
    Metrics of each draw, shape (n_metrics, resamples); NaN where a draw has no positives or no negatives.

    Raises
    ------
    ValueError
        If the universe holds pairs whose first gene is no TF.
    """
    if universe.rows != "tfs":
        message = f"universe '{universe.name}' holds pairs of genes whose sums are not kept by groups of cells"
        raise ValueError(message)
    n_groups, *shape = summed.shape
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=resamples).astype(np.float32)
    sums = summed.reshape(n_groups, -1).astype(np.float32, copy=False)
    counts = pairs.reshape(n_groups, -1).astype(np.float32)
    values = np.empty((len(METRICS), resamples))
    size = max(1, AT_ONCE // max(1, sums.shape[1]))
    for start in range(0, resamples, size):
        chosen = weights[start : start + size]
        held = chosen @ counts
        scores = np.divide(chosen @ sums, held, out=np.zeros_like(held), where=held > 0)
        for b in range(len(chosen)):
            seen = held[b].reshape(shape) > 0
            (reading,) = readings_of_rows(scores[b].reshape(shape), tfs, seen, [edges])
            values[:, start + b] = values_of(reading.total(universe))
    return values
