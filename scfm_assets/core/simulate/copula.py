"""A Gaussian copula of a real atlas: its marginals and correlations stay, and edges are planted among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from scfm_assets.core.base import digest_arrays
from scfm_assets.core.simulate.measurement import as_counts
from scfm_assets.core.simulate.simulator import Simulated, Simulator, cell_frame, check_rules
from scfm_assets.core.simulate.wiring import EVEN, Wiring, draw_edges
from scfm_assets.errors import ScfmError

PLACE = "copula simulator"
FEWEST_CELLS = 10
"""A cell type with fewer cells has no marginals worth keeping: it is left out."""
SMALLEST_EIGENVALUE = 0.01
"""Smaller eigenvalues of the donor's correlations are raised to this."""
REPAIR_LIMIT = 0.1
"""Root mean square by which that may change the correlations, as a share of their own root mean square."""
NOTED, TINY = 0.2, 1e-12
"""Correlations of the donor at least as large are listed in provenance; what stands in for a zero below a line."""


@dataclass(frozen=True, eq=False)
class Donor:
    """The atlas whose marginals and correlations are kept.

    Parameters
    ----------
    name
        What provenance calls it.
    counts
        Raw counts, CSR (n_cells, n_genes).
    genes
        Names of its columns.
    cell_type
        str (n_cells,).
    """

    name: str
    counts: sparse.csr_matrix
    genes: tuple[str, ...]
    cell_type: np.ndarray

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        expected = (len(self.cell_type), len(self.genes))
        if self.counts.shape != expected:
            problem = f"counts are {self.counts.shape}, cell types and genes {expected}"
            raise ScfmError(self.place, problem, "Give one cell type per row and one name per column.")

    @property
    def place(self) -> str:
        """What errors call it."""
        return f"donor {self.name!r}"

    def described(self) -> dict[str, object]:
        """Name, sizes and a digest, for provenance."""
        counts = sparse.csr_matrix(self.counts)
        parts = (counts.data, counts.indices, counts.indptr, np.asarray(self.cell_type, str))
        digest = digest_arrays("\n".join(self.genes), *parts)
        return {"name": self.name, "cells": len(self.cell_type), "genes": len(self.genes), "digest": digest}


@dataclass(frozen=True)
class CopulaSpec:
    """A donor atlas and what is planted in it.

    Parameters
    ----------
    donor
        The atlas.
    n_cells
        Cells to draw; cell types keep their shares.
    n_genes
        Genes to keep, those that most cells of the donor hold; all where it has fewer.
    wiring
        The planted network; TFs regulate genes that are no TFs.
    strength
        What an edge adds, see `plant`.
    """

    donor: Donor
    n_cells: int = 1000
    n_genes: int = 1000
    wiring: Wiring = EVEN
    strength: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        rules = {
            "n_cells": (self.n_cells >= 1, "1 or more"),
            "n_genes": (self.n_genes >= 2, "2 or more"),
            "strength": (self.strength > 0, "above 0"),
        }
        check_rules(PLACE, self, rules)
        if self.wiring.loops:
            problem = f"wiring.loops is {self.wiring.loops}"
            raise ScfmError(PLACE, problem, "A copula has no dynamics and no loops: take the linear or the hill one.")


def normal_scores(counts: np.ndarray) -> np.ndarray:
    r"""Normal score of each count: the mean of the standard normal between its ranks, float (n_cells, n_genes).

    The distributional transform spreads the cells of one count evenly over
    :math:`[F(x^-), F(x)]`; this is the expectation of the normal score over that interval,
    :math:`(\varphi(\Phi^{-1}(F(x^-))) - \varphi(\Phi^{-1}(F(x)))) / (F(x) - F(x^-))`, without the noise of a draw.
    """
    ordered = np.sort(counts, axis=0)
    scores = np.empty(counts.shape)
    for gene in range(counts.shape[1]):
        below, upto = (np.searchsorted(ordered[:, gene], counts[:, gene], side) for side in ("left", "right"))
        low, high = below / len(counts), upto / len(counts)
        scores[:, gene] = (_density(ndtri(low)) - _density(ndtri(high))) / (high - low)
    return scores


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def latent_correlation(by_type: Sequence[np.ndarray]) -> tuple[np.ndarray, dict[str, float]]:
    r"""Estimate the correlation of the normal variables behind the counts, within cell types, pooled over them.

    With :math:`a_{ik}` the variance of the normal scores of gene :math:`i` in type :math:`k` (1 for a continuous gene,
    near 0 for one that is hardly ever seen), latent correlation :math:`\rho_{ij}` gives the scores a covariance of
    :math:`\rho_{ij} a_{ik} a_{jk}` (to first order), so with types' shares :math:`w_k`

    .. math:: \hat\rho_{ij} = \frac{\sum_k w_k \mathrm{cov}_{ijk}}{D_{ij}}, \quad D_{ij} = \sum_k w_k a_{ik} a_{jk},

    of variance :math:`1 / (n D_{ij})` with n cells beyond one per type. Each is shrunk by its own reliability
    :math:`\tau^2 / (\tau^2 + 1 / (n D_{ij}))`, where :math:`\tau^2` is the variance of the true correlations by the
    method of moments. Where the result is not positive definite, eigenvalues below `SMALLEST_EIGENVALUE` are
    raised to it and the diagonal is set back to 1.

    Parameters
    ----------
    by_type
        Counts of each cell type (n_cells, n_genes).

    Returns
    -------
    correlation, notes
        float (n_genes, n_genes), positive definite; `true_sd` (:math:`\tau`) and `repaired_by`, the root mean
        square change by the repair as a share of the root mean square correlation.

    Raises
    ------
    ScfmError
        If `repaired_by` is above `REPAIR_LIMIT`.
    """
    n_genes, n_cells = by_type[0].shape[1], sum(map(len, by_type))
    covariance, reach = np.zeros((n_genes, n_genes)), np.zeros((n_genes, n_genes))
    for counts in by_type:
        scores = normal_scores(counts)
        covariance += scores.T @ scores / n_cells
        spread = np.mean(scores**2, axis=0)
        reach += np.outer(spread, spread) * (len(counts) / n_cells)
    off = ~np.eye(n_genes, dtype=bool)
    n_free = n_cells - len(by_type)
    # Weighted by their precision n D, the squares of the estimates are D tau^2 + 1/n in the mean.
    excess = (covariance[off] ** 2 / np.maximum(reach[off], TINY)).sum() - off.sum() / n_free
    true_variance = max(excess, 0.0) / max(reach[off].sum(), TINY)
    raw = covariance * true_variance / (true_variance * reach + 1 / n_free)
    raw = np.clip(raw, -1, 1)
    np.fill_diagonal(raw, 1.0)
    values, vectors = np.linalg.eigh(raw)
    repaired = raw
    if values[0] < SMALLEST_EIGENVALUE:
        repaired = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    length = np.sqrt(np.diagonal(repaired))
    correlation = repaired / np.outer(length, length)
    moved = float(np.sqrt(np.sum((correlation - raw)[off] ** 2) / max(np.sum(raw[off] ** 2), TINY)))
    if moved > REPAIR_LIMIT:
        problem = f"the donor's correlations are not positive definite, and a repair changes them by {moved:.1%} (rms)"
        raise ScfmError(PLACE, problem, f"At most {REPAIR_LIMIT:.0%} is allowed: give more cells or keep fewer genes.")
    return correlation, {"true_sd": float(np.sqrt(true_variance)), "repaired_by": moved}


def plant(correlation: np.ndarray, edges: np.ndarray, strength: float) -> np.ndarray:
    r"""Mixing matrix that plants edges, float (n_genes, n_genes): latent normals z become :math:`M z`.

    A target's normal becomes :math:`z'_j = \kappa_j (z_j + \beta \sum_t s_{tj} z_t)` with strength :math:`\beta` and
    signs :math:`s`; :math:`\kappa_j` sets its variance back to 1, so marginals stay exactly. Regressed on the gene's
    own donor part and its TFs, the target has the coefficient :math:`\kappa_j \beta s_{tj}` on each of them: that is
    the planted partial dependence, whatever correlation the donor had. The new correlations are
    :math:`M R M^\top`, positive definite because R is and M can be inverted (targets are no TFs).

    Parameters
    ----------
    correlation
        R, of the donor.
    edges
        Planted edges, of dtype `EDGE`; no target is a source.
    strength
        :math:`\beta`.
    """
    mixing = np.eye(len(correlation))
    mixing[edges["target"], edges["source"]] += strength * edges["sign"]
    targets = np.unique(edges["target"])
    rows = mixing[targets]
    mixing[targets] /= np.sqrt(np.einsum("ij,ij->i", rows @ correlation, rows))[:, None]
    return mixing


def _simulate(spec: CopulaSpec, rng: np.random.Generator) -> Simulated:
    donor = spec.donor
    held = sparse.csr_matrix(donor.counts).getnnz(axis=0)
    kept = np.sort(np.argsort(-held, kind="stable")[: spec.n_genes])
    counts = sparse.csr_matrix(donor.counts)[:, kept].toarray()
    names, code, size = np.unique(np.asarray(donor.cell_type, str), return_inverse=True, return_counts=True)
    usable = np.flatnonzero(size >= FEWEST_CELLS)
    if not len(usable):
        problem = f"no cell type has {FEWEST_CELLS} cells (the largest has {size.max(initial=0)})"
        raise ScfmError(donor.place, problem, "Give more cells or coarser cell types.")
    by_type = [counts[code == k] for k in usable]
    correlation, notes = latent_correlation(by_type)

    tfs, edges = draw_edges(spec.wiring, len(kept), rng, among_tfs="none")
    mixing = plant(correlation, edges, spec.strength)
    normal = rng.standard_normal((spec.n_cells, len(kept))) @ np.linalg.cholesky(correlation).T @ mixing.T
    uniform = ndtr(normal)
    share = np.cumsum(size[usable]) / size[usable].sum()
    cell_type = np.searchsorted(share, (np.arange(spec.n_cells) + 0.5) / spec.n_cells)
    drawn = np.empty(uniform.shape, counts.dtype)
    for k, of_type in enumerate(by_type):
        rank = np.minimum((uniform[cell_type == k] * len(of_type)).astype(np.int64), len(of_type) - 1)
        drawn[cell_type == k] = np.take_along_axis(np.sort(of_type, axis=0), rank, axis=0)
    truth = "Edges are the planted ones only; other correlations are the donor's, of unknown cause."
    rare = [str(name) for name in np.delete(names, usable)]
    return Simulated(
        counts=as_counts(drawn, uniform),
        obs=cell_frame(names[usable][cell_type], rng),
        genes=tuple(donor.genes[g] for g in kept),
        tfs=tfs,
        edges=edges,
        provenance={"truth": truth, "left_out_types": rare} | notes | _correlations(correlation, mixing, tfs, edges),
    )


def _correlations(correlation: np.ndarray, mixing: np.ndarray, tfs: np.ndarray, edges: np.ndarray) -> dict[str, object]:
    """Note latent correlations: of each edge before and after planting, and the donor's large ones of other pairs."""
    planted = mixing @ correlation @ mixing.T
    pairs = (edges["source"], edges["target"])
    other = np.zeros(correlation.shape, bool)
    other[tfs] = np.abs(correlation[tfs]) >= NOTED
    other[pairs] = False
    np.fill_diagonal(other, val=False)
    source, target = other.nonzero()
    return {
        "edge_correlation_of_donor": np.round(correlation[pairs], 4).tolist(),
        "edge_correlation_planted": np.round(planted[pairs], 4).tolist(),
        "donor_pairs": {
            "at_least": NOTED,
            "source": source.tolist(),
            "target": target.tolist(),
            "correlation": np.round(correlation[source, target], 4).tolist(),
        },
    }


COPULA = Simulator(
    "copula",
    "1",
    "Counts with the marginals per cell type and the correlations of a donor atlas, and planted edges.",
    CopulaSpec,
    _simulate,
)
