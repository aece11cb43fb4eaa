"""Which TF regulates which gene: random networks, even or with hubs, with or without feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scfm_assets.core.simulate.simulator import EDGE, check_rules

MOST_LIKELY = 0.9
"""No pair is an edge with a larger probability, however large its hub."""


@dataclass(frozen=True)
class Wiring:
    """How a random network is drawn. Only TFs regulate.

    Parameters
    ----------
    n_tfs
        Genes, drawn at random, that regulate.
    density
        Mean probability that a pair of a TF and another gene is an edge.
    repressed
        Share of edges that lower the target.
    out_tail, in_tail
        Heavy tail of the out-degree of TFs and of the in-degree of genes: the one of rank r (in random order) has
        edges in proportion to r to the power of minus this; 0 = all alike.
    loops
        Pairs of TFs (each TF in at most one) that regulate each other, whatever else was drawn.
    """

    n_tfs: int = 80
    density: float = 0.03
    repressed: float = 0.3
    out_tail: float = 0.0
    in_tail: float = 0.0
    loops: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        rules = {
            "n_tfs": (self.n_tfs >= 1, "1 or more"),
            "density": (0 < self.density <= MOST_LIKELY, f"above 0 and at most {MOST_LIKELY}"),
            "repressed": (0 <= self.repressed <= 1, "between 0 and 1"),
            "out_tail": (self.out_tail >= 0, "0 or more"),
            "in_tail": (self.in_tail >= 0, "0 or more"),
            "loops": (0 <= self.loops <= self.n_tfs // 2, f"between 0 and half of n_tfs ({self.n_tfs})"),
        }
        check_rules("wiring", self, rules)


EVEN = Wiring()
"""All TFs and all genes alike, no loops asked for."""


def draw_edges(
    wiring: Wiring, n_genes: int, rng: np.random.Generator, *, among_tfs: Literal["any", "ordered", "none"]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw TFs and their edges.

    Parameters
    ----------
    wiring
        How.
    n_genes
        Genes of the network.
    rng
        Source of what is random.
    among_tfs
        Edges between TFs: `any`, `ordered` (there is an order of the TFs that all edges follow, so the network has no
        loop but those of `wiring.loops`) or `none`.

    Returns
    -------
    tfs, edges
        int (n_tfs,), ascending, and an array of dtype `EDGE`, sorted by source, then target.
    """
    check_rules("wiring", wiring, {"n_tfs": (wiring.n_tfs < n_genes, f"below the number of genes ({n_genes})")})
    tfs = np.sort(rng.choice(n_genes, wiring.n_tfs, replace=False))
    weight = np.outer(_tail(wiring.n_tfs, wiring.out_tail, rng), _tail(n_genes, wiring.in_tail, rng))
    likely = np.minimum(weight * wiring.density, MOST_LIKELY)
    order = rng.permutation(wiring.n_tfs)
    if among_tfs == "none":
        likely[:, tfs] = 0
    elif among_tfs == "ordered":
        likely[:, tfs] *= order[:, None] < order[None]
    likely[np.arange(wiring.n_tfs), tfs] = 0
    holds = rng.random(likely.shape) < likely
    one, other = rng.permutation(wiring.n_tfs)[: 2 * wiring.loops].reshape(2, -1)
    holds[one, tfs[other]] = holds[other, tfs[one]] = True
    row, target = holds.nonzero()
    edges = np.empty(len(row), EDGE)
    edges["source"], edges["target"] = tfs[row], target
    edges["sign"] = np.where(rng.random(len(row)) < wiring.repressed, -1, 1)
    return tfs, edges


def _tail(n: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Weights of mean 1 that fall with a random rank."""
    weight = np.arange(1, n + 1) ** -float(exponent)
    return rng.permutation(weight / weight.mean())
