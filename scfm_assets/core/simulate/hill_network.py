"""A network of Hill kinetics: who activates or represses whom, how strongly, and who produces without regulators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scfm_assets.core.base import digest_arrays
from scfm_assets.core.simulate.simulator import EDGE

SMALLEST_HALF = 1e-6
"""Half response of a regulator that is never expressed: no Hill function divides by zero."""


@dataclass(frozen=True, eq=False)
class HillNetwork:
    """Genes, edges and basal production.

    Attributes
    ----------
    genes
        Names.
    edges
        Of dtype `EDGE`, sorted by source, then target.
    strength, coefficient
        float (n_edges,): K, above 0, and the Hill coefficient of each edge.
    basal
        float (n_genes, n_bins), production without regulators in each bin (cell type).
    """

    genes: tuple[str, ...]
    edges: np.ndarray
    strength: np.ndarray
    coefficient: np.ndarray
    basal: np.ndarray

    @classmethod
    def of_edges(
        cls, genes: tuple[str, ...], pairs: np.ndarray, kinetics: np.ndarray, basal: np.ndarray
    ) -> HillNetwork:
        """Make a network of pairs (source, target) and their (signed K, Hill coefficient), both (n_edges, 2)."""
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        edges = np.empty(len(pairs), EDGE)
        edges["source"], edges["target"] = pairs[order].T
        edges["sign"] = np.sign(kinetics[order, 0])
        return cls(genes, edges, np.abs(kinetics[order, 0]), kinetics[order, 1], basal)

    @property
    def tfs(self) -> np.ndarray:
        """Genes that regulate, int, ascending."""
        return np.unique(self.edges["source"])

    def described(self) -> dict[str, object]:
        """Sizes and a digest, for provenance."""
        parts = (self.edges["source"], self.edges["target"], self.edges["sign"])
        digest = digest_arrays("\n".join(self.genes), *parts, self.strength, self.coefficient, self.basal)
        return {"genes": len(self.genes), "edges": len(self.edges), "digest": digest}

    def regulators(self) -> HillNetwork:
        """Keep the genes that regulate, and the edges among them; the order stays."""
        tfs = self.tfs
        kept = np.isin(self.edges["target"], tfs)
        edges = self.edges[kept].copy()
        edges["source"], edges["target"] = (np.searchsorted(tfs, edges[end]) for end in ("source", "target"))
        names = tuple(self.genes[t] for t in tfs)
        return HillNetwork(names, edges, self.strength[kept], self.coefficient[kept], self.basal[tfs])


class Production:
    """Production rates of all genes for given expression, for one network and its half responses.

    An activated gene gets K h, a repressed one K (1 - h), with h = x^n / (H^n + x^n) for expression x of the
    regulator, its half response H and the Hill coefficient n.
    """

    def __init__(self, network: HillNetwork, half: np.ndarray) -> None:
        """Prepare for a network and the half response (n_genes,) of each of its regulators; others are not read."""
        edges, n_genes = network.edges, len(network.genes)
        keys, column = np.unique(np.c_[edges["source"], network.coefficient], axis=0, return_inverse=True)
        self.regulator = keys[:, 0].astype(np.int64)
        self.power = keys[:, 1].astype(np.float32)[:, None]
        self.squared = bool((self.power == 2).all())
        self.half = np.maximum(half[self.regulator], SMALLEST_HALF).astype(np.float32)[:, None]
        signed = network.strength * edges["sign"]
        shape = (n_genes, len(keys))
        self.signed = sparse.csr_matrix((signed, (edges["target"], column.ravel())), shape).astype(np.float32)
        self.of_repressed = np.bincount(edges["target"], np.where(signed < 0, -signed, 0.0), n_genes)

    def base(self, basal: np.ndarray) -> np.ndarray:
        """Production without regulators, float32 (n_genes, n): the basal rates (n_genes, n) and K."""
        return (basal + self.of_repressed[:, None]).astype(np.float32)

    def at(self, expression: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Production (n_genes, n) at expression (n_genes, n), both float32."""
        ratio = expression[self.regulator] / self.half
        ratio = ratio * ratio if self.squared else ratio**self.power
        # Not a dense product: this one gives the same digits on any number of threads.
        made = self.signed @ (ratio / (1 + ratio))
        made += base
        return np.maximum(made, 0, out=made)
