"""The curve of a correlation over cells of a simulated tissue: what it says of more cells, against more cells."""

from __future__ import annotations

import numpy as np
import pytest

from scfm_assets.core.curves.conclusion import conclude, held_out
from scfm_assets.core.curves.fit import judged, weighed_forms
from scfm_assets.core.curves.series import CellSet, Parts, Series
from scfm_assets.core.metrics import auroc, bins_of
from scfm_assets.core.simulate import WorldSpec, make_world, simulate_counts
from scfm_assets.core.statistics import jackknife_parts
from scfm_assets.core.words import Margin

LADDER = (25, 50, 100, 150, 200, 300, 450, 600)
ATLAS, GROUPS, ATLASES = 1300, 10, 20
"""Cells of the demo's atlases, which hold two repeats that share none; groups; atlases of one tissue."""
PANEL = 300
TISSUES = ("sim_lung", "sim_liver", "sim_kidney")


class Tissue:
    """Expression of many cells of one tissue, and its network on the panel."""

    def __init__(self, tissue: str) -> None:
        world = make_world(WorldSpec(n_genes=400, n_tfs=30, tissues=TISSUES, shared=0.7, seed=0))
        atlas = simulate_counts(world, tissue, ATLAS * ATLASES, seed=5)
        counts = atlas.counts.toarray().astype(np.float32)
        panel = np.argsort(-(counts > 0).mean(0), kind="stable")[:PANEL]
        self.expression = np.log1p(counts[:, panel] * (1e4 / counts.sum(1))[:, None])
        position = {gene: i for i, gene in enumerate(world.genes)}
        genes = np.array([position[atlas.gene_ids[i]] for i in panel])
        self.tfs = np.flatnonzero(np.isin(genes, world.tfs))
        edges = world.signed_network(tissue)[np.ix_(genes[self.tfs], genes)] != 0
        self.pairs = np.ones(edges.shape, bool)
        self.pairs[np.arange(len(self.tfs)), self.tfs] = False
        self.labels = edges[self.pairs]

    def auroc(self, cells: np.ndarray) -> float:
        centred = self.expression[cells] - self.expression[cells].mean(0)
        length = np.sqrt((centred**2).sum(0))
        centred /= np.where(length > 0, length, 1)
        scores = np.abs(centred[:, self.tfs].T @ centred)[self.pairs]
        return float(auroc(bins_of(scores, self.labels)))

    def series(self, atlas: int, rng: np.random.Generator) -> Series:
        values, parts = {}, {}
        for repeat in (0, 1):
            order = atlas * ATLAS + repeat * (ATLAS // 2) + np.arange(max(LADDER))
            group = np.concatenate([rng.permutation(GROUPS) for _ in range(max(LADDER) // GROUPS)])
            for n in LADDER:
                cells, groups = order[:n], group[:n]
                values[CellSet(n, repeat)] = self.auroc(cells)
                left_out = np.array([self.auroc(cells[groups != g]) for g in range(GROUPS)])
                sizes = np.bincount(groups, minlength=GROUPS)
                of_groups = jackknife_parts(values[CellSet(n, repeat)], left_out, sizes)
                parts[CellSet(n, repeat)] = Parts(of_groups, GROUPS)
        return Series((), values, {"cells": parts}, simulated=True)


@pytest.mark.long
@pytest.mark.parametrize("tissue", TISSUES)
def test_a_bounded_asymptote_holds_what_more_cells_reach_and_the_largest_count_is_predicted(tissue):
    world, rng = Tissue(tissue), np.random.default_rng(0)
    every = world.auroc(np.arange(len(world.expression)))
    bounded, below_atlas, predicted, noise = [], [], [], []
    for atlas in range(ATLASES):
        points = world.series(atlas, rng).points()
        fits = judged(weighed_forms(points))
        asymptote, ahead = conclude(fits, margin=Margin(0.05)).asymptote, held_out(points)
        whole = world.auroc(atlas * ATLAS + np.arange(ATLAS))
        if asymptote is not None:
            bounded.append(asymptote.lo <= every <= asymptote.hi)
            below_atlas.append(asymptote.hi < whole)
        predicted.append(ahead.inside)
        noise.append(min(fit.sse for fit in fits) / (len(points.n) - 3))
    said = {
        f"all {len(world.expression):,} cells": round(every, 4),
        f"asymptotes bounded, of {ATLASES}": len(bounded),
        "which hold that": sum(bounded),
        f"which lie below the atlas's {ATLAS} cells": sum(below_atlas),
        "largest n predicted": sum(predicted),
        "residual variance over that of the groups": round(float(np.mean(noise)), 2),
    }
    print(f"\n{tissue}: {said}")
    assert not any(below_atlas)
    assert len(bounded) - sum(bounded) <= 2
    assert sum(predicted) >= 17  # a binomial of 20 with 0.95 is less one time in 60
    assert np.mean(noise) < 1.3  # the jackknife is on the safe side
