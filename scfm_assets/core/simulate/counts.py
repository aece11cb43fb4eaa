"""Cells of a simulated tissue: raw counts in which targets follow the activity of their TFs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scfm_assets.core.base import seed_from
from scfm_assets.core.simulate.measurement import as_counts
from scfm_assets.core.simulate.world import PLACE
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.simulate.world import World

REGULATED = 0.7
"""Share of a regulated gene's log variance that its regulators explain (a TF's own activity counts as one)."""
BY_TYPE = 0.3
"""Share of TF activity, and of what is not regulated, that the cell type decides."""
LOG_SD = 0.9
"""Standard deviation of a gene's log rate over the cells of a tissue, the same for every gene."""
DONOR_SD, BATCH_SD = 0.15, 0.1
"""Standard deviations of a donor's and a batch's effect on a gene's log rate."""
N_COUNTS, N_COUNTS_LOG_SD = 280.0, 0.45
"""Median counts of a cell, and standard deviation of their log (library size)."""


@dataclass(frozen=True, eq=False)
class SimulatedAtlas:
    """Raw counts of one simulated tissue, with what is known about each cell.

    Attributes
    ----------
    counts
        CSR int32 (n_cells, n_genes); sorted indices, no empty cell, no empty gene.
    gene_ids, barcodes
        Names of columns and rows.
    cell_type, donor, batch
        str (n_cells,).
    activity
        float (n_cells, n_tfs), the hidden activity of each TF of the world, in the order of `World.tfs`.
    """

    counts: sparse.csr_matrix
    gene_ids: tuple[str, ...]
    barcodes: np.ndarray
    cell_type: np.ndarray
    donor: np.ndarray
    batch: np.ndarray
    activity: np.ndarray


def simulate_counts(world: World, tissue: str, n_cells: int, seed: int = 0) -> SimulatedAtlas:
    r"""Draw cells of a tissue.

    With activities :math:`a_{ct}` of unit variance, part cell type and part the cell's own, gene :math:`g` of cell
    :math:`c` with library size :math:`L_c` gets a Poisson count of rate

    .. math::
        \lambda_{cg} = L_c \, p_{cg} / \textstyle\sum_h p_{ch}, \qquad
        \log p_{cg} = \mu_g + \sigma \left(\sqrt{r_g}\, d_{cg} + \sqrt{1 - r_g}\, e_{cg}\right) + \delta_{cg},

    where :math:`d_{cg} = k_g^{-1/2} \sum_t s_{tg} a_{ct}` runs over the :math:`k_g` TFs of the gene with their signs
    (and over the gene's own activity if it is a TF), :math:`e_{cg}` has unit variance and :math:`\delta_{cg}` is a
    small effect of donor and batch. Every gene thus has the same log variance whether it is regulated or not, and its
    level is independent of the network: neither mean nor detection nor variance can tell an edge from another pair.

    Parameters
    ----------
    world
        The world.
    tissue
        One of its tissues.
    n_cells
        Cells to draw.
    seed
        Another seed gives other cells and donors of the same tissue.

    Raises
    ------
    ScfmError
        If the world has no such tissue or `n_cells` is not positive.
    """
    t = world.tissue_index(tissue)
    if n_cells < 1:
        raise ScfmError(PLACE, f"n_cells of tissue {tissue!r} is {n_cells}", "n_cells must be 1 or more.")
    rng = np.random.default_rng(seed_from("simulated cells", repr(world.spec), tissue, n_cells, seed))
    n_types = len(world.type_share[t])
    cell_type = rng.choice(n_types, n_cells, p=world.type_share[t])
    donor = (rng.random(n_cells) < 0.45).astype(int)
    batch = (rng.random(n_cells) < np.where(donor == 0, 0.3, 0.7)).astype(int)

    activity = _blend(rng, world.type_activity[t][cell_type])
    log_rate = world.log_level[t] + LOG_SD * _expression(world, tissue, activity, cell_type, rng)
    log_rate += rng.normal(0.0, DONOR_SD, (2, len(world.genes)))[donor]
    log_rate += rng.normal(0.0, BATCH_SD, (2, len(world.genes)))[batch]
    rate = np.exp(log_rate)
    type_size = np.exp(rng.normal(0.0, 0.15, n_types))[cell_type]
    rate *= (N_COUNTS * type_size * np.exp(rng.normal(0.0, N_COUNTS_LOG_SD, n_cells)) / rate.sum(1))[:, None]
    drawn = rng.poisson(rate)
    # One count where it was most likely, as `as_counts` puts one into an empty cell.
    for gene in np.flatnonzero(drawn.sum(0) == 0):
        drawn[rate[:, gene].argmax(), gene] = 1
    return SimulatedAtlas(
        counts=as_counts(drawn, rate),
        gene_ids=world.genes,
        barcodes=np.array([f"{tissue}_cell_{i + 1:05d}" for i in range(n_cells)]),
        cell_type=np.array([f"sim_type_{k + 1}" for k in range(n_types)])[cell_type],
        donor=np.array([f"{tissue}_donor_{k + 1}" for k in range(2)])[donor],
        batch=np.array([f"{tissue}_batch_{k + 1}" for k in range(2)])[batch],
        activity=activity,
    )


def _blend(rng: np.random.Generator, of_type: np.ndarray) -> np.ndarray:
    """Add a cell's own part to its cell type's part; the variance stays 1."""
    return np.sqrt(BY_TYPE) * of_type + np.sqrt(1 - BY_TYPE) * rng.normal(size=of_type.shape)


def _expression(
    world: World, tissue: str, activity: np.ndarray, cell_type: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Standardised log expression (n_cells, n_genes): what regulators explain, and the rest."""
    effects = world.signed_network(tissue)[world.tfs].astype(np.float64)
    effects[np.arange(len(world.tfs)), world.tfs] = 1.0
    n_regulators = np.abs(effects).sum(0)
    explained = np.where(n_regulators > 0, REGULATED, 0.0)
    drive = activity @ (effects / np.sqrt(np.maximum(n_regulators, 1)))
    rest = _blend(rng, world.type_level[world.tissue_index(tissue)][cell_type])
    return np.sqrt(explained) * drive + np.sqrt(1 - explained) * rest


def nonzero_medians(
    counts: sparse.spmatrix, gene_ids: Sequence[str], *, target_sum: float = 10_000.0
) -> dict[str, float]:
    """Median of each gene's non-zero counts, scaled to a common library size (Geneformer's medians).

    Parameters
    ----------
    counts
        Raw counts (n_cells, n_genes), no empty cell.
    gene_ids
        Names of the columns.
    target_sum
        Library size to scale each cell to.

    Returns
    -------
    dict
        Median of each gene that is seen at least once.
    """
    matrix = sparse.csr_matrix(counts, dtype=np.float64)
    scaled = sparse.csc_matrix(sparse.diags(target_sum / np.asarray(matrix.sum(1)).ravel()) @ matrix)
    columns = np.split(scaled.data, scaled.indptr[1:-1])
    return {gene: float(np.median(values)) for gene, values in zip(gene_ids, columns, strict=True) if len(values)}
