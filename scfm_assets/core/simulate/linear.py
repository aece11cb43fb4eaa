"""A linear network at rest: the stationary Ornstein-Uhlenbeck process of a stable random network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import linalg

from scfm_assets.core.simulate.measurement import OVERDISPERSED, Measurement, measure
from scfm_assets.core.simulate.simulator import Simulated, Simulator, cell_frame, check_rules, even_types, gene_names
from scfm_assets.core.simulate.wiring import EVEN, Wiring, draw_edges
from scfm_assets.errors import ScfmError

PLACE = "linear simulator"
SHRINK, REDRAWS = 0.9, 100
"""Factor by which the weights of an unstable network shrink at each step; networks drawn before giving up."""


@dataclass(frozen=True)
class LinearSpec:
    """A linear network, its cell types and its cells.

    Parameters
    ----------
    n_cells, n_genes, n_cell_types
        Sizes; cell types are of equal size.
    wiring
        The network; TFs may regulate each other in any direction.
    weight
        Smallest and largest absolute weight of an edge, uniform between them.
    decay
        The same for a gene's own decay.
    margin
        Every eigenvalue of the Jacobian has a real part of at most minus this.
    unstable
        What is done if not: `rescale` shrinks all weights by one factor, a power of `SHRINK`, the largest that is
        stable; `redraw` draws another network, up to `REDRAWS` times; `refuse` gives up.
    driven, drive
        Share of genes that a cell type drives, and smallest and largest absolute drive, of either sign.
    noise_sd
        Strength of the process noise of every gene.
    log_sd
        Log expression is scaled by one factor for all genes, to this root mean variance over genes.
    level_sd
        Standard deviation over genes of the mean log expression.
    measurement
        From expression to counts.
    """

    n_cells: int = 1000
    n_genes: int = 1000
    n_cell_types: int = 4
    wiring: Wiring = EVEN
    weight: tuple[float, float] = (0.5, 2.0)
    decay: tuple[float, float] = (0.5, 1.5)
    margin: float = 0.1
    unstable: Literal["rescale", "redraw", "refuse"] = "rescale"
    driven: float = 0.05
    drive: tuple[float, float] = (1.0, 2.0)
    noise_sd: float = 1.0
    log_sd: float = 0.8
    level_sd: float = 0.9
    measurement: Measurement = OVERDISPERSED

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        rules = {
            "n_cells": (self.n_cells >= self.n_cell_types, f"at least n_cell_types ({self.n_cell_types})"),
            "n_cell_types": (self.n_cell_types >= 1, "1 or more"),
            "weight": (0 < self.weight[0] <= self.weight[1], "two positive numbers, ascending"),
            "decay": (0 < self.decay[0] <= self.decay[1], "two positive numbers, ascending"),
            "margin": (0 <= self.margin < self.decay[0], f"0 or more, below the smallest decay ({self.decay[0]})"),
            "unstable": (self.unstable in {"rescale", "redraw", "refuse"}, "'rescale', 'redraw' or 'refuse'"),
            "driven": (0 <= self.driven <= 1, "between 0 and 1"),
            "drive": (0 <= self.drive[0] <= self.drive[1], "two numbers of 0 or more, ascending"),
            "noise_sd": (self.noise_sd > 0, "above 0"),
            "log_sd": (self.log_sd > 0, "above 0"),
            "level_sd": (self.level_sd >= 0, "0 or more"),
        }
        check_rules(PLACE, self, rules)


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """dx = (A x + b_k) dt + s dB for cells of type k.

    Attributes
    ----------
    tfs, edges
        The network, see `Simulated`.
    jacobian
        A, float (n_genes, n_genes), row target, column regulator, minus the decays on the diagonal. Columns of genes
        that are no TF are zero off the diagonal.
    drive
        b, float (n_cell_types, n_genes).
    noise_sd
        s, the same for all genes.
    shrunk
        Factor by which stability shrank the weights, 1 for not at all.
    """

    tfs: np.ndarray
    edges: np.ndarray
    jacobian: np.ndarray
    drive: np.ndarray
    noise_sd: float
    shrunk: float

    def abscissa(self) -> float:
        """Largest real part of an eigenvalue of the Jacobian: negative where the system has a stable rest."""
        return _abscissa(self.jacobian, self.tfs)

    @cached_property
    def mean(self) -> np.ndarray:
        """Stationary mean of each cell type, float (n_cell_types, n_genes): -A^-1 b."""
        return -np.linalg.solve(self.jacobian, self.drive.T).T

    @cached_property
    def covariance(self) -> np.ndarray:
        r"""Stationary covariance within a cell type, float (n_genes, n_genes).

        The solution of the Lyapunov equation :math:`A \Sigma + \Sigma A^\top + s^2 I = 0`, which falls apart because
        only TFs regulate. The TFs' block solves the equation of their own block :math:`A_T`; with :math:`w_j` the
        weights of TFs on gene :math:`j` and :math:`d_j` its decay,

        .. math::
            \Sigma_{Tj} = (d_j I - A_T)^{-1} \Sigma_{TT} w_j, \qquad
            \Sigma_{jk} = \frac{w_j \cdot \Sigma_{Tk} + w_k \cdot \Sigma_{Tj} + s^2 \delta_{jk}}{d_j + d_k}.
        """
        n_genes, n_tfs = len(self.jacobian), len(self.tfs)
        others = np.setdiff1d(np.arange(n_genes), self.tfs)
        of_tfs = self.jacobian[np.ix_(self.tfs, self.tfs)]
        decay = -self.jacobian[others, others]
        weights = self.jacobian[np.ix_(others, self.tfs)]
        variance = self.noise_sd**2
        among = linalg.solve_continuous_lyapunov(of_tfs, -variance * np.eye(n_tfs))
        across = np.array(
            [np.linalg.solve(d * np.eye(n_tfs) - of_tfs, row) for d, row in zip(decay, weights @ among, strict=True)]
        ).reshape(len(others), n_tfs)
        shared = weights @ across.T
        rest = (shared + shared.T + variance * np.eye(len(others))) / np.add.outer(decay, decay)
        covariance = np.empty((n_genes, n_genes))
        covariance[np.ix_(self.tfs, self.tfs)] = (among + among.T) / 2
        covariance[np.ix_(others, self.tfs)] = across
        covariance[np.ix_(self.tfs, others)] = across.T
        covariance[np.ix_(others, others)] = rest
        return covariance


def _abscissa(jacobian: np.ndarray, tfs: np.ndarray) -> float:
    """Only TFs regulate, so the eigenvalues are those of the TFs' block and the other genes' own decays."""
    others = np.delete(np.diagonal(jacobian), tfs)
    return float(np.r_[np.linalg.eigvals(jacobian[np.ix_(tfs, tfs)]).real, others].max())


def draw_system(spec: LinearSpec, rng: np.random.Generator) -> LinearSystem:
    """Draw a stable network with its cell types.

    Raises
    ------
    ScfmError
        If the network is unstable and the spec's rule finds no stable one.
    """
    for _ in range(REDRAWS if spec.unstable == "redraw" else 1):
        tfs, edges = draw_edges(spec.wiring, spec.n_genes, rng, among_tfs="any")
        decay = rng.uniform(*spec.decay, spec.n_genes)
        weights = np.zeros((spec.n_genes, spec.n_genes))
        weights[edges["target"], edges["source"]] = edges["sign"] * rng.uniform(*spec.weight, len(edges))
        shrunk = 1.0
        # Ends: without weights the eigenvalues are the decays, all larger than the margin.
        while spec.unstable == "rescale" and _abscissa(shrunk * weights - np.diag(decay), tfs) > -spec.margin:
            shrunk *= SHRINK
        jacobian = shrunk * weights - np.diag(decay)
        if _abscissa(jacobian, tfs) <= -spec.margin:
            break
    else:
        problem = f"the network is unstable: an eigenvalue of its Jacobian has a real part above -{spec.margin}"
        raise ScfmError(PLACE, problem, "Set unstable: rescale, lower weight or density, or raise decay.")
    shape = (spec.n_cell_types, spec.n_genes)
    drive = rng.uniform(*spec.drive, shape) * rng.choice([-1.0, 1.0], shape) * (rng.random(shape) < spec.driven)
    return LinearSystem(tfs, edges, jacobian, drive, spec.noise_sd, shrunk)


def draw_states(system: LinearSystem, cell_type: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw cells of the stationary distribution, float (n_cells, n_genes): independent, normal, of exact covariance."""
    root = np.linalg.cholesky(system.covariance)
    return system.mean[cell_type] + rng.standard_normal((len(cell_type), len(root))) @ root.T


def _simulate(spec: LinearSpec, rng: np.random.Generator) -> Simulated:
    system = draw_system(spec, rng)
    cell_type = even_types(spec.n_cells, spec.n_cell_types)
    states = draw_states(system, cell_type, rng)
    within = np.diagonal(system.covariance)
    between = system.mean.var(axis=0)
    scale = spec.log_sd / np.sqrt((within + between).mean())
    level = rng.normal(0.0, spec.level_sd, spec.n_genes)
    return Simulated(
        counts=measure(np.exp(level + scale * states), spec.measurement, rng),
        obs=cell_frame(cell_type, rng),
        genes=gene_names(spec.n_genes),
        tfs=system.tfs,
        edges=system.edges,
        provenance={
            "truth": "Edges are the non-zero weights of the linear network; they hold in every cell.",
            "weights_shrunk_by": system.shrunk,
            "largest_real_part": system.abscissa(),
        },
    )


LINEAR = Simulator(
    "linear",
    "1",
    "Log expression is the stationary Ornstein-Uhlenbeck process of a stable linear network, driven by cell type.",
    LinearSpec,
    _simulate,
)
