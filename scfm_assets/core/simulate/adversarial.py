"""Cases that mislead: each keeps the true edges known, and gives correlation another cause or hides theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.simulate.measurement import as_counts
from scfm_assets.core.simulate.simulator import Simulated, Simulator, described
from scfm_assets.errors import ScfmError

WEAKEST = 0.1
"""Smallest share of its expression that a misled gene keeps."""
OUT_TAIL, IN_TAIL = 1.0, 1.0
"""Heavy tails of hubs: degrees fall with the inverse of their rank (Zipf)."""
MISLED_TFS, MISLED_GENES, MARKERS = 0.5, 0.3, 0.2
"""Share of TFs and of other genes that a confounder or a batch reaches; share of genes that mark one cell type."""
MATCHED = 0.8
"""Share of a donor's own cell types' cells that the donor gives, where composition differs."""


@dataclass(frozen=True)
class Misled:
    """What a case does to counts: the expected share of each gene's counts that each cell keeps.

    Attributes
    ----------
    kept
        float (n_cells, n_genes), in (0, 1]; 1 for genes that the case does not reach.
    obs
        Replaced columns of the cells: name to values (n_cells,).
    """

    kept: np.ndarray
    obs: dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One way to mislead a score.

    A case changes the spec's wiring before the simulation, or the counts after it. Counts change by binomial
    thinning: what is left of a Poisson count is exactly the Poisson count of the lower rate. Edges stay as they are,
    so what is true stays known; genes that a case misleads are listed in provenance.

    Attributes
    ----------
    name, doc
        What it is called, and what it does, in one sentence.
    truth
        What is still true.
    rewire
        wiring -> wiring, or None.
    mislead
        simulated cells, rng -> what it does to them, or None.
    """

    name: str
    doc: str
    truth: str
    rewire: Callable[[Any], Any] | None = None
    mislead: Callable[[Simulated, np.random.Generator], Misled] | None = None

    def apply(self, simulator: Simulator, spec: Any, rng: np.random.Generator) -> Simulated:
        """Simulate the case.

        Raises
        ------
        ScfmError
            If the case cannot be made of this spec: rewiring a given network, or loops where there are no dynamics.
        """
        made = simulator.simulate(self.changed(spec), rng)
        notes: dict[str, Any] = {"case": self.name, "truth": f"{made.provenance['truth']} {self.truth}"}
        if self.mislead is not None:
            misled = self.mislead(made, rng)
            counts = rng.binomial(made.counts.toarray(), misled.kept)
            notes["misled_genes"] = np.flatnonzero((misled.kept < 1).any(axis=0)).tolist()
            made = replace(
                made, counts=as_counts(counts, made.counts.toarray() * misled.kept), obs=made.obs.assign(**misled.obs)
            )
        return replace(made, provenance=made.provenance | notes)

    def at_seed(self, simulator: Simulator, spec: Any, seed: int) -> Simulated:
        """Simulate the case with a generator that case, simulator, spec and seed decide; see `Simulator.at_seed`."""
        parts = (self.name, simulator.name, simulator.version, repr(described(spec)), seed)
        made = self.apply(simulator, spec, np.random.default_rng(seed_from("adversarial case", *parts)))
        return replace(made, provenance=made.provenance | {"seed": seed})

    def changed(self, spec: Any) -> Any:
        """The spec that the case simulates."""
        if self.rewire is None:
            return spec
        if getattr(spec, "network", None) is not None:
            place, problem = f"case {self.name!r}", "the network is given, so it cannot be wired anew"
            raise ScfmError(place, problem, "Leave network out, or take a case that changes counts.")
        return replace(spec, wiring=self.rewire(spec.wiring))


def _hidden_driver(made: Simulated, rng: np.random.Generator) -> Misled:
    """Let an unseen state of the cell lower half of the TFs, and genes that none of these TFs regulates."""
    tfs = _some(made.tfs, MISLED_TFS, rng)
    targets = made.edges["target"][np.isin(made.edges["source"], tfs)]
    free = np.setdiff1d(np.arange(len(made.genes)), np.r_[made.tfs, targets])
    kept = np.ones((len(made.obs), len(made.genes)))
    state = rng.random(len(made.obs))
    kept[:, np.r_[tfs, _some(free, MISLED_GENES, rng)]] = (WEAKEST + (1 - WEAKEST) * state)[:, None]
    return Misled(kept, {})


def _composition(made: Simulated, rng: np.random.Generator) -> Misled:
    """Give each cell type markers of its own, drawn without regard to edges, and let donors differ in cell types."""
    names, code = np.unique(made.obs["cell_type"].to_numpy(str), return_inverse=True)
    n_cells, n_genes = len(made.obs), len(made.genes)
    marker_of = np.where(rng.random(n_genes) < MARKERS * len(names), rng.integers(0, len(names), n_genes), -1)
    kept = np.where((marker_of >= 0) & (marker_of != code[:, None]), WEAKEST, 1.0)
    matched = rng.random(n_cells) < MATCHED
    donor = np.where((code % 2 == 0) == matched, "sim_donor_1", "sim_donor_2").astype(object)
    return Misled(kept, {"donor": donor})


def _batch(made: Simulated, rng: np.random.Generator) -> Misled:
    """Let each of two batches lose a set of TFs and other genes of its own, drawn without regard to edges."""
    n_cells, n_genes = len(made.obs), len(made.genes)
    of_batch = rng.integers(0, 2, n_cells)
    others = np.setdiff1d(np.arange(n_genes), made.tfs)
    misled = np.r_[_some(made.tfs, MISLED_TFS, rng), _some(others, MISLED_GENES, rng)]
    lost_in = np.full(n_genes, -1)
    lost_in[misled] = rng.integers(0, 2, len(misled))
    kept = np.where(lost_in == of_batch[:, None], WEAKEST, 1.0)
    return Misled(kept, {"batch": np.array(["sim_batch_1", "sim_batch_2"], object)[of_batch]})


def _some(of: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a share of positions, at least one where there is one."""
    return rng.choice(of, min(len(of), max(1, round(share * len(of)))), replace=False)


NO_EDGE = "Correlation between misled genes comes from that and is no edge; edges are as before."
CASES = (
    Case(
        "feedback",
        "All TFs regulate each other in pairs.",
        "Both edges of a pair of TFs are true; a target follows its TF's partner without being its target.",
        rewire=lambda wiring: replace(wiring, loops=wiring.n_tfs // 2),
    ),
    Case(
        "hubs",
        "Out-degrees of TFs and in-degrees of genes have heavy tails, at the same number of edges.",
        "All edges are true; a hub target shares its variance among many TFs, so each correlates little with it.",
        rewire=lambda wiring: replace(wiring, out_tail=OUT_TAIL, in_tail=IN_TAIL),
    ),
    Case(
        "shared_confounder",
        "An unobserved state of the cell lowers half of the TFs and genes that none of them regulates.",
        "A hidden driver acts on the misled genes. " + NO_EDGE,
        mislead=_hidden_driver,
    ),
    Case(
        "composition",
        "Cell types have markers that have nothing to do with edges, and donors differ in their cell types.",
        "Cell type acts on the misled genes. " + NO_EDGE,
        mislead=_composition,
    ),
    Case(
        "batch",
        "Each of two batches loses most of the counts of a set of genes that have nothing to do with edges.",
        "The batch acts on the misled genes. " + NO_EDGE,
        mislead=_batch,
    ),
)
"""The adversarial cases."""
