"""How well methods that know nothing of n rank the edges that are labelled, as cells are added."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.metrics import CandidatePairs, auroc, average_precision
from scfm_assets.core.scores import cells_of
from scfm_assets.core.simulate import LINEAR, LinearSpec, Wiring
from scfm_assets.core.statistics import Labels, apparent_auroc, apparent_average_precision
from scfm_assets.studies.reference_saturation.correlations import CORRELATIONS
from scfm_assets.studies.reference_saturation.hidden_labels import drawn_labels
from scfm_assets.studies.reference_saturation.tables import SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.studies.reference_saturation.settings import Settings

PLACE = "reference saturation"
COMPLETENESS = (0.1, 0.25, 0.5, 0.75, 1.0)
HUBS = 0.5
"""Degrees fall with the root of their rank: some genes are hubs, else degree could favour nothing."""


def tissue_of(settings: Settings, density: float) -> LinearSpec:
    """What the simulated tissues of a density are like."""
    of_pairs = density * settings.n_genes**2 / (settings.n_tfs * (settings.n_genes - 1))
    wiring = Wiring(n_tfs=settings.n_tfs, density=of_pairs, out_tail=HUBS, in_tail=HUBS)
    return LinearSpec(n_cells=settings.n_cells[-1], n_genes=settings.n_genes, wiring=wiring)


@dataclass(frozen=True, eq=False)
class Tissue:
    """One simulated tissue: boolean edges and candidate pairs (n_tfs, n_genes), and each method's scores by n_cells."""

    edges: np.ndarray
    candidates: np.ndarray
    scores: dict[str, dict[int, np.ndarray]]


def simulate_tissue(settings: Settings, density: float, seed: int) -> Tissue:
    """Simulate a tissue, and score its pairs from ever more of its cells, in an order drawn without regard to types."""
    made = LINEAR.at_seed(tissue_of(settings, density), seed)
    order = np.random.default_rng(seed_from(PLACE, "order of cells", seed)).permutation(len(made.obs))
    scores: dict[str, dict[int, np.ndarray]] = {method: {} for method in settings.methods}
    for n in settings.n_cells:
        some = cells_of(made.counts[order[:n]], np.arange(len(made.genes)))
        for method in settings.methods:
            scores[method][n] = CORRELATIONS[method](some, made.tfs)
    candidates, edges = made.tf_grid()
    return Tissue(edges, candidates, scores)


def with_noise(
    scores_of_n: Mapping[int, np.ndarray], settings: Settings, growth: float, *seeds: float | str
) -> dict[int, np.ndarray]:
    """Add noise of the settings' size to scores by n_cells; the seeds decide it, up to its size."""
    noisy = {}
    for n, scores in scores_of_n.items():
        noise = np.random.default_rng(seed_from(PLACE, "noise", n, *seeds)).standard_normal(scores.shape)
        noisy[n] = scores + (settings.noise_sd + growth * n) * noise
    return noisy


def measure(settings: Settings, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> pa.Table:
    """Simulate all tissues, hide labels and rank the pairs.

    Parameters
    ----------
    settings
        What is simulated.
    progress
        Called with tissues done and tissues in all.

    Returns
    -------
    Rows of `SCORES`; the same settings give the same rows.

    Raises
    ------
    ScfmError
        If a tissue has no edges.
    """
    rows, tissues = [], list(product(settings.densities, range(settings.n_seeds)))
    for done, (density, seed) in enumerate(tissues, 1):
        tissue = simulate_tissue(settings, density, seed)
        strength = tissue.scores[settings.methods[0]][settings.n_cells[0]]
        for method, growth in product(settings.methods, settings.noise_growths):
            measured = measure_scores(
                with_noise(tissue.scores[method], settings, growth, density, seed, method),
                tissue.edges,
                tissue.candidates,
                completeness=settings.shares(density),
                hidings=settings.hidings,
                seed=seed,
                draws=settings.draws,
                strength=strength,
            )
            rows += [{"density": density, "noise_growth": growth, "method": method} | row for row in measured]
        progress(done, len(tissues))
    return SCORES.rows(rows)


def measure_scores(
    scores_of_n: Mapping[int, np.ndarray],
    edges: np.ndarray,
    candidates: np.ndarray,
    *,
    completeness: Sequence[float] = COMPLETENESS,
    hidings: Sequence[str] = ("random", "degree"),
    seed: int = 0,
    draws: int = 10,
    strength: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Rank the edges that stay labelled by scores from ever more cells: of a simulation, or stored ones.

    Parameters
    ----------
    scores_of_n
        n_cells to finite scores (R, K), rows are TFs.
    edges, candidates
        Boolean (R, K): all known edges, and the pairs that are ranked. Edges elsewhere do not count.
    completeness, hidings, seed, strength
        See `labels_of`; labels are the same for all n.
    draws
        Times that labels are drawn: numbers are means over draws.

    Returns
    -------
    Rows of `SCORES` but for density, noise_growth and method. Completeness is that of the labels against `edges`,
    whatever these lack themselves. Predicted: from how all `n_edges` edges are ranked, as if the n_pos labelled ones
    were a random sample of them (`core.statistics.ceilings`). Where labels are drawn, AUROC and average precision are
    means over draws.

    Raises
    ------
    ScfmError
        If no candidate pair is an edge.
    """
    edges = np.asarray(edges, bool) & candidates
    pairs = CandidatePairs.of_masks(candidates, edges)
    ranks = {n: pairs.rank(pairs.of(np.asarray(scores))).ranks for n, scores in sorted(scores_of_n.items())}
    all_edges = np.flatnonzero(pairs.positive)
    rows = []
    for hiding in hidings:
        labels_of_draws = drawn_labels(edges, completeness, hiding, seed, draws=draws, strength=strength)
        drawn = [[mask[edges] for mask in labels] for labels in labels_of_draws]
        for (share, *labelled), (n, of_pairs) in product(zip(completeness, *drawn, strict=True), ranks.items()):
            labels = Labels(pairs.n, pairs.n_pos, int(np.count_nonzero(labelled[0])))
            seen = [of_pairs.bins(all_edges[mask]) for mask in (labelled[:1] if share == 1 else labelled)]
            complete = of_pairs.bins(all_edges)
            rows.append(
                {
                    "hiding": hiding,
                    "completeness": share,
                    "n_cells": n,
                    "seed": seed,
                    "auroc": float(np.mean([auroc(bins) for bins in seen])),
                    "auprc": float(np.mean([average_precision(bins) for bins in seen])),
                    "predicted_auroc": float(apparent_auroc(float(auroc(complete)), labels)),
                    "predicted_auprc": float(apparent_average_precision(complete, labels)),
                    "n_edges": pairs.n_pos,
                    "n_pos": int(labels.labelled),
                    "n_neg": int(pairs.n - labels.labelled),
                }
            )
    return rows
