"""Stochastic gene expression with Hill kinetics in the manner of SERGIO (Dibaeinia and Sinha, Cell Systems 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from scfm_assets.core.simulate.hill_network import HillNetwork, Production
from scfm_assets.core.simulate.measurement import SERGIO, Measurement, measure
from scfm_assets.core.simulate.simulator import Simulated, Simulator, cell_frame, check_rules, even_types, gene_names
from scfm_assets.core.simulate.wiring import EVEN, Wiring, draw_edges
from scfm_assets.errors import ScfmError

PLACE = "hill simulator"
PILOT_CELLS = 32
"""Cells of each bin in the pilot runs that find the half responses."""
SAME_HALF, ROUNDS, UNDAMPED = 0.02, 60, 20
"""Half responses have settled once none moves by more than this share; pilot runs at most; those that take the new
value whole (later ones go half of the way, which ends the swings of a feedback loop)."""
CHUNK = 2**17
"""Values (cells times genes) simulated at a time: what a step works on stays in the processor's cache."""


@dataclass(frozen=True)
class HillSpec:
    """A network of Hill kinetics, its bins (cell types) and its cells.

    Parameters
    ----------
    n_cells, n_genes, n_bins
        Sizes; bins are of equal size. A given network brings its own genes and bins, and these two are not read.
    wiring
        The network that is drawn where none is given; edges between TFs follow an order, but for feedback loops.
    network
        A given network; then `wiring`, `strength`, `coefficient` and `basal` are not
        read.
    strength
        Smallest and largest interaction strength K of a drawn edge, uniform between them (SERGIO: 1 to 5).
    coefficient
        Hill coefficient of a drawn edge.
    basal
        Smallest and largest production rate of a gene without regulators, drawn for each bin (DS1: 0.2 to 1).
    decay
        Decay rate of every gene (SERGIO: 0.8).
    noise
        Noise amplitude q of every gene (SERGIO: 1).
    dt
        Time step (SERGIO: 0.01).
    settle
        How long cells run before they are sampled, in mean life times (1 / decay).
    measurement
        From expression to counts.
    """

    n_cells: int = 1000
    n_genes: int = 1000
    n_bins: int = 9
    wiring: Wiring = EVEN
    network: HillNetwork | None = None
    strength: tuple[float, float] = (1.0, 5.0)
    coefficient: float = 2.0
    basal: tuple[float, float] = (0.2, 1.0)
    decay: float = 0.8
    noise: float = 1.0
    dt: float = 0.01
    settle: float = 8.0
    measurement: Measurement = SERGIO

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        n_bins = self.n_bins if self.network is None else self.network.basal.shape[1]
        rules = {
            "n_bins": (self.n_bins >= 1, "1 or more"),
            "n_cells": (self.n_cells >= n_bins, f"at least the number of bins ({n_bins})"),
            "strength": (0 < self.strength[0] <= self.strength[1], "two positive numbers, ascending"),
            "coefficient": (self.coefficient > 0, "above 0"),
            "basal": (0 < self.basal[0] <= self.basal[1], "two positive numbers, ascending"),
            "decay": (self.decay > 0, "above 0"),
            "noise": (self.noise >= 0, "0 or more"),
            "dt": (0 < self.dt * self.decay <= 0.1, "above 0 and at most a tenth of a mean life time"),
            "settle": (self.settle > 0, "above 0"),
        }
        check_rules(PLACE, self, rules)

    @property
    def steps(self) -> int:
        """Number of steps before cells are sampled."""
        return int(np.ceil(self.settle / (self.decay * self.dt)))


def master_moments(rate: np.ndarray, decay: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Stationary mean and variance of genes without regulators, in continuous time.

    A gene of production rate :math:`b`, decay :math:`\lambda` and noise :math:`q` follows
    :math:`dx = (b - \lambda x) dt + q \sqrt{b + \lambda x}\, dB`. With :math:`m = b / \lambda`, :math:`y = x + m` is a
    square-root (Cox-Ingersoll-Ross) process of mean :math:`2m`, so its stationary law is a gamma of shape
    :math:`a = 4 m / q^2` and scale :math:`q^2 / 2`, of mean :math:`2 m` and variance :math:`q^2 m`. Expression stops
    at zero: reflected there, the stationary law is that gamma given :math:`y \ge m`. Far from zero
    (:math:`m \gg q^2`) mean and variance are :math:`m` and :math:`q^2 m`; time steps of length :math:`\Delta`
    raise the variance by :math:`1 / (1 - \lambda \Delta / 2)`. Near zero, a step that stops at zero goes less far
    than a reflection: the mean of the steps lies lower by at most about :math:`0.583\, q \sqrt{b \Delta}` (the
    constant of a reflected normal walk, :math:`-\zeta(1/2) / \sqrt{2 \pi}`).

    Parameters
    ----------
    rate
        Production rates, above 0, of any shape.
    decay, noise
        Of all of them; noise above 0.
    """
    mean = np.asarray(rate, np.float64) / decay
    shape, scale = 4 * mean / noise**2, noise**2 / 2
    above = gammaincc(shape, mean / scale)
    first = shape * scale * gammaincc(shape + 1, mean / scale) / above
    second = shape * (shape + 1) * scale**2 * gammaincc(shape + 2, mean / scale) / above
    return first - mean, second - first**2


def langevin_step(
    expression: np.ndarray, production: np.ndarray, normal: np.ndarray, *, decay: float, noise: float, dt: float
) -> None:
    r"""Move expression (n_genes, n), 0 or more, by one step, in place; `production` and `normal` are used up.

    Production and decay each bring noise of their own, of variance :math:`q^2 P` and :math:`q^2 \lambda x` per unit
    of time; their sum is one normal of the summed variance:

    .. math:: x \leftarrow \max\{0,\; x + (P - \lambda x) \Delta + q \sqrt{(P + \lambda x) \Delta}\, \xi\}.
    """
    lost = expression * expression.dtype.type(decay)
    spread = production + lost
    np.sqrt(spread, out=spread)
    spread *= expression.dtype.type(noise * np.sqrt(dt))
    normal *= spread
    production -= lost
    production *= expression.dtype.type(dt)
    expression += production
    expression += normal
    np.maximum(expression, 0, out=expression)


def half_responses(network: HillNetwork, spec: HillSpec, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Find each regulator's half response, its mean expression over bins, by pilot runs of the regulators alone.

    A regulator's mean depends on the half responses of its own regulators. Every run draws the same random numbers, so
    run r leaves the first r levels of a network without loops as they are: it settles level by level.

    Parameters
    ----------
    network
        Genes, edges, basal production.
    spec
        Kinetics and time step.
    seed
        Seed of the pilot runs.

    Returns
    -------
    half, bin_means, rounds
        float (n_genes,) and (n_genes, n_bins), mean expression of regulators, 0 for other genes; runs that it took.

    Raises
    ------
    ScfmError
        If the half responses do not settle.
    """
    regulators = network.regulators()
    n_bins = network.basal.shape[1]
    bins = np.repeat(np.arange(n_bins), PILOT_CELLS)
    total_strength = np.bincount(regulators.edges["target"], regulators.strength, len(regulators.genes))
    half = (regulators.basal.mean(axis=1) + total_strength / 2) / spec.decay
    moved = np.ones(len(half), bool)
    for rounds in range(1, ROUNDS + 1):
        production = Production(regulators, half)
        base = production.base(regulators.basal[:, bins])
        rng = np.random.default_rng(seed)
        start = (base / spec.decay).astype(np.float32)
        settled = _run(production, base, start, spec, rng)[0]
        means = _run(production, base, settled, spec, rng)[1]
        by_bin = means.reshape(len(half), n_bins, PILOT_CELLS).mean(axis=2, dtype=np.float64)
        new = by_bin.mean(axis=1)
        moved = np.abs(new - half) > SAME_HALF * half
        half = new if rounds <= UNDAMPED else (half + new) / 2
        if not moved.any():
            break
    else:
        problem = f"the half responses of {int(moved.sum())} regulators do not settle in {ROUNDS} pilot runs"
        raise ScfmError(PLACE, problem, "Take fewer feedback loops, a smaller strength or a larger basal rate.")
    all_half, all_means = np.zeros(len(network.genes)), np.zeros((len(network.genes), n_bins))
    all_half[network.tfs], all_means[network.tfs] = half, by_bin
    return all_half, all_means, rounds


def draw_expression(
    network: HillNetwork, spec: HillSpec, bins: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, object]]:
    """Draw independent cells, each at the end of a run of its own, float32 (n_cells, n_genes).

    Cells start where their regulators' mean expression would have them, so only the fluctuations have to settle.

    Parameters
    ----------
    network
        Genes, edges, basal production.
    spec
        Kinetics, time step and time to settle.
    bins
        int (n_cells,), the bin of each cell.
    rng
        Source of what is random.

    Returns
    -------
    expression, notes
        The cells, and the half responses with the pilot runs that they took.
    """
    half, means, rounds = half_responses(network, spec, int(rng.integers(2**62)))
    production = Production(network, half)
    rest = production.at(means.astype(np.float32), production.base(network.basal)) / np.float32(spec.decay)
    cells = np.empty((len(bins), len(network.genes)), np.float32)
    size = max(1, CHUNK // len(network.genes))
    for start in range(0, len(bins), size):
        chunk = bins[start : start + size]
        base = production.base(network.basal[:, chunk])
        last, _ = _run(production, base, rest[:, chunk].copy(), spec, rng)
        cells[start : start + size] = last.T
    return cells, {"half_response": half[network.tfs].tolist(), "pilot_runs": rounds}


def _run(
    production: Production, base: np.ndarray, expression: np.ndarray, spec: HillSpec, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move expression (n_genes, n) in place until it has settled; give it and its mean over time."""
    normal = np.empty_like(expression)
    total = np.zeros(expression.shape, np.float64)
    for step in range(spec.steps):
        rng.standard_normal(out=normal, dtype=np.float32)
        made = production.at(expression, base)
        langevin_step(expression, made, normal, decay=spec.decay, noise=spec.noise, dt=spec.dt)
        if step % 10 == 0:
            total += expression
    return expression, (total / len(range(0, spec.steps, 10))).astype(np.float32)


def draw_network(spec: HillSpec, rng: np.random.Generator) -> tuple[np.ndarray, HillNetwork]:
    """Draw TFs, and a network in which edges between TFs follow an order (but for the loops asked for).

    Genes without regulators in that order, TFs or not, produce at a rate of their own in each bin.
    """
    n_genes = spec.n_genes
    tfs, edges = draw_edges(spec.wiring, n_genes, rng, among_tfs="ordered")
    back = np.isin(edges["source"] * n_genes + edges["target"], edges["target"] * n_genes + edges["source"])
    unregulated = ~np.isin(np.arange(n_genes), edges["target"][~back])
    rates = rng.uniform(*spec.basal, (n_genes, spec.n_bins)) * unregulated[:, None]
    strengths = rng.uniform(*spec.strength, len(edges))
    return tfs, HillNetwork(gene_names(n_genes), edges, strengths, np.full(len(edges), spec.coefficient), rates)


def _simulate(spec: HillSpec, rng: np.random.Generator) -> Simulated:
    tfs, network = draw_network(spec, rng) if spec.network is None else (spec.network.tfs, spec.network)
    bins = even_types(spec.n_cells, network.basal.shape[1])
    expression, notes = draw_expression(network, spec, bins, rng)
    return Simulated(
        counts=measure(expression.astype(np.float64), spec.measurement, rng),
        obs=cell_frame(bins, rng),
        genes=network.genes,
        tfs=tfs,
        edges=network.edges,
        provenance={"truth": "Edges are the Hill terms of the network; they hold in every cell."} | notes,
    )


HILL = Simulator(
    "hill",
    "1",
    "Stochastic gene expression with Hill kinetics, master regulators that differ by cell type, and technical noise.",
    HillSpec,
    _simulate,
)
