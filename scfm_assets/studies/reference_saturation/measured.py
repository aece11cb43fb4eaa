"""How well methods that know nothing of n rank the edges that are labelled, as cells are added."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.base import seed_from
from scfm_assets.core.metrics import CandidatePairs, auroc, average_precision
from scfm_assets.core.scores import cells_of, pearson, spearman
from scfm_assets.core.simulate import LINEAR, LinearSpec, Wiring, check_rules
from scfm_assets.core.statistics import Labels, apparent_auroc, apparent_average_precision
from scfm_assets.studies.reference_saturation.hidden_labels import HIDINGS, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PLACE = "reference saturation"
COMPLETENESS = (0.1, 0.25, 0.5, 0.75, 1.0)
CORRELATIONS = {"pearson": pearson, "spearman": spearman}
HUBS = 0.5
"""Degrees fall with the root of their rank: some genes are hubs, else degree could favour nothing."""

MEASURED = pa.schema(
    [
        pa.field("hiding", pa.string(), nullable=False),
        pa.field("completeness", pa.float64(), nullable=False),
        pa.field("n_cells", pa.int64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("auroc", pa.float64()),
        pa.field("auprc", pa.float64()),
        pa.field("predicted_auroc", pa.float64()),
        pa.field("predicted_auprc", pa.float64()),
        pa.field("n_edges", pa.int64(), nullable=False),
        pa.field("n_pos", pa.int64(), nullable=False),
        pa.field("n_neg", pa.int64(), nullable=False),
    ]
)
"""One row: how well one score from n cells ranks the labelled edges. Predicted: from how it ranks all `n_edges` edges,
as if the n_pos labelled ones were a random sample of them (`core.statistics.ceilings`). Where labels are drawn, AUROC
and average precision are means over draws."""
SCORES = pa.schema(
    [
        pa.field("density", pa.float64(), nullable=False),
        pa.field("noise_growth", pa.float64(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        *MEASURED,
    ]
)
"""One row of `MEASURED` of one method in one simulated tissue; `seed` decides tissue, noise and labels.

density: edges asked for, as a share of all ordered pairs of genes. noise_growth: growth of the standard deviation of
the noise on the scores with every cell."""


@dataclass(frozen=True)
class ReferenceSaturationSpec:
    """What is simulated, and what is hidden of it. The defaults take about a minute of one processor.

    Parameters
    ----------
    n_cells
        Ascending numbers of cells; the cells of a smaller one are among those of the larger ones.
    completeness
        Shares of the edges that are labelled, ascending, the last 1.
    hidings
        Names of `HIDINGS`.
    densities
        Expected edges over all ordered pairs of genes.
    fewest
        A completeness that leaves fewer labels than this in expectation is left out.
    n_seeds
        Independent tissues per density: the units of all intervals.
    draws
        Draws of labels in each tissue.
    n_genes, n_tfs
        Of each tissue; pairs of a TF and another gene are ranked.
    methods
        `pearson`, `spearman`: they do not know n.
    noise_sd, noise_growths
        Standard deviation of the noise on the scores is noise_sd + growth x n. The published test had 0.05 and 0.002;
        without growth nothing but the methods can fail.
    """

    n_cells: tuple[int, ...] = (50, 100, 200, 400, 800)
    completeness: tuple[float, ...] = COMPLETENESS
    hidings: tuple[str, ...] = tuple(HIDINGS)
    densities: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    fewest: int = 5
    n_seeds: int = 30
    draws: int = 10
    n_genes: int = 800
    n_tfs: int = 40
    methods: tuple[str, ...] = tuple(CORRELATIONS)
    noise_sd: float = 0.05
    noise_growths: tuple[float, ...] = (0.0, 0.002)

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated, or has no slope."""
        ladder, shares = self.n_cells, self.completeness
        enough = all(len(self.shares(density)) > 1 for density in self.densities)
        rules = {
            "n_cells": (
                len(ladder) > 1 and _ascend(ladder) and ladder[0] > 2,
                "two or more numbers above 2, ascending",
            ),
            "completeness": (
                _ascend(shares) and shares[0] > 0 and shares[-1] == 1,
                "shares above 0, ascending, up to 1",
            ),
            "hidings": (set(self.hidings) <= set(HIDINGS), f"some of {', '.join(HIDINGS)}"),
            "densities": (enough, f"large enough to leave {self.fewest} labels at two completenesses or more"),
            "n_seeds": (self.n_seeds >= 2, "2 or more"),
            "draws": (self.draws >= 1, "1 or more"),
            "methods": (
                len(self.methods) > 0 and set(self.methods) <= set(CORRELATIONS),
                f"of {', '.join(CORRELATIONS)}",
            ),
            "noise_sd": (self.noise_sd >= 0, "0 or more"),
            "noise_growths": (bool(self.noise_growths) and min(self.noise_growths) >= 0, "numbers of 0 or more"),
        }
        check_rules(PLACE, self, rules)

    def shares(self, density: float) -> tuple[float, ...]:
        """Give the completenesses that leave enough labels at a density."""
        return tuple(share for share in self.completeness if share * density * self.n_genes**2 >= self.fewest)

    def tissue(self, density: float) -> LinearSpec:
        """Describe the simulated tissues of a density."""
        of_pairs = density * self.n_genes**2 / (self.n_tfs * (self.n_genes - 1))
        wiring = Wiring(n_tfs=self.n_tfs, density=of_pairs, out_tail=HUBS, in_tail=HUBS)
        return LinearSpec(n_cells=self.n_cells[-1], n_genes=self.n_genes, wiring=wiring)


def _ascend(numbers: Sequence[float]) -> bool:
    return bool(numbers) and all(one < other for one, other in pairwise(numbers))


@dataclass(frozen=True, eq=False)
class Tissue:
    """One simulated tissue: boolean edges and candidate pairs (n_tfs, n_genes), and each method's scores by n_cells."""

    edges: np.ndarray
    candidates: np.ndarray
    scores: dict[str, dict[int, np.ndarray]]


def simulate_tissue(spec: ReferenceSaturationSpec, density: float, seed: int) -> Tissue:
    """Simulate a tissue, and score its pairs from ever more of its cells, in an order drawn without regard to types."""
    made = LINEAR.at_seed(spec.tissue(density), seed)
    order = np.random.default_rng(seed_from(PLACE, "order of cells", seed)).permutation(len(made.obs))
    scores: dict[str, dict[int, np.ndarray]] = {method: {} for method in spec.methods}
    for n in spec.n_cells:
        some = cells_of(made.counts[order[:n]], np.arange(len(made.genes)))
        for method in spec.methods:
            scores[method][n] = CORRELATIONS[method](some, made.tfs)
    candidates, edges = made.tf_grid()
    return Tissue(edges, candidates, scores)


def with_noise(
    scores_of_n: Mapping[int, np.ndarray], spec: ReferenceSaturationSpec, growth: float, *seeds: float | str
) -> dict[int, np.ndarray]:
    """Add noise of the spec's size to scores by n_cells; the seeds decide it, up to its size."""
    noisy = {}
    for n, scores in scores_of_n.items():
        noise = np.random.default_rng(seed_from(PLACE, "noise", n, *seeds)).standard_normal(scores.shape)
        noisy[n] = scores + (spec.noise_sd + growth * n) * noise
    return noisy


def measure(spec: ReferenceSaturationSpec, progress: Callable[[int, int], None] | None = None) -> pa.Table:
    """Simulate all tissues, hide labels and rank the pairs.

    Parameters
    ----------
    spec
        What is simulated.
    progress
        Called with tissues done and tissues in all.

    Returns
    -------
    Rows in `SCORES`; the same spec gives the same rows.

    Raises
    ------
    ScfmError
        If a tissue has no edges.
    """
    tables, tissues = [], list(product(spec.densities, range(spec.n_seeds)))
    for done, (density, seed) in enumerate(tissues, 1):
        tissue = simulate_tissue(spec, density, seed)
        strength = tissue.scores[spec.methods[0]][spec.n_cells[0]]
        for method, growth in product(spec.methods, spec.noise_growths):
            rows = measure_scores(
                with_noise(tissue.scores[method], spec, growth, density, seed, method),
                tissue.edges,
                tissue.candidates,
                completeness=spec.shares(density),
                hidings=spec.hidings,
                seed=seed,
                draws=spec.draws,
                strength=strength,
            )
            head = {"density": density, "noise_growth": growth, "method": method}
            own = [pa.array([value] * rows.num_rows) for value in head.values()]
            tables.append(pa.table([*own, *rows.columns], schema=SCORES))
        if progress is not None:
            progress(done, len(tissues))
    return pa.concat_tables(tables).combine_chunks()


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
) -> pa.Table:
    """Rank the edges that stay labelled by scores from ever more cells: of a simulation, or stored ones.

    Parameters
    ----------
    scores_of_n
        n_cells to finite scores (R, K), rows are TFs.
    edges, candidates
        Boolean (R, K): all known edges, and the pairs that are ranked. Edges elsewhere do not count.
    completeness, hidings, seed, strength
        See `hide_labels`; labels are the same for all n.
    draws
        Times that labels are drawn: numbers are means over draws.

    Returns
    -------
    Rows in `MEASURED`. Completeness is that of the labels against `edges`, whatever these lack themselves.

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
        drawn = [
            [mask[edges] for mask in labels_of(edges, completeness, hiding, seed, draw=draw, strength=strength)]
            for draw in range(draws if HIDINGS[hiding].drawn else 1)
        ]
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
    return pa.Table.from_pylist(rows, schema=MEASURED)
