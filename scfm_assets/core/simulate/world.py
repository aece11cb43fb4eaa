"""A simulated world: genes, tissues and the network that is true in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scfm_assets.core.base import seed_from
from scfm_assets.core.simulate.simulator import check_rules, gene_names, reference_network, signed_matrix
from scfm_assets.errors import ScfmError

PLACE = "simulated world"

CORE = -1
"""Tissue number of an edge that holds in every tissue."""


@dataclass(frozen=True)
class WorldSpec:
    """What decides a simulated world, wholly.

    Parameters
    ----------
    n_genes, n_tfs
        Genes in the world, and how many of them (drawn at random) are transcription factors.
    tissues
        Names of the tissues.
    n_cell_types
        Cell types of each tissue, recycled when there are more tissues than numbers.
    shared
        Share of a TF's targets that it has in every tissue; the rest differs from tissue to tissue.
    n_targets
        Mean number of targets of a TF in one tissue.
    targets_cv
        Coefficient of variation of that number over TFs (lognormal, cut at half and at twice the mean).
    repressed
        Share of edges that lower the target.
    seed
        Seed of everything above that is drawn.
    """

    n_genes: int = 400
    n_tfs: int = 30
    tissues: tuple[str, ...] = ("sim_lung", "sim_liver", "sim_kidney")
    n_cell_types: tuple[int, ...] = (5, 4, 6)
    shared: float = 0.7
    n_targets: float = 20.0
    targets_cv: float = 0.3
    repressed: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a world that cannot exist."""
        specific = max(0.0, 1 - self.shared)
        most = (self.n_genes - 1 - len(self.tissues)) / (2 * (1 + (len(self.tissues) - 1) * specific))
        rules = {
            "n_tfs": (0 < self.n_tfs <= self.n_genes, f"between 1 and n_genes ({self.n_genes})"),
            "tissues": (0 < len(set(self.tissues)) == len(self.tissues), "one or more different names"),
            "n_cell_types": (bool(self.n_cell_types) and min(self.n_cell_types) > 0, "one or more positive numbers"),
            "shared": (0 <= self.shared <= 1, "between 0 and 1"),
            "n_targets": (1 <= self.n_targets <= most, f"between 1 and {most:.0f}, or n_genes ({self.n_genes}) larger"),
            "targets_cv": (self.targets_cv >= 0, "0 or more"),
            "repressed": (0 <= self.repressed <= 1, "between 0 and 1"),
        }
        check_rules(PLACE, self, rules)


@dataclass(frozen=True, eq=False)
class World:
    """A simulated world. Edges are parallel arrays, sorted by TF, then target.

    Attributes
    ----------
    spec
        What it was made from.
    genes
        Names, ``SIM0001`` and so on.
    tfs
        int (n_tfs,), positions of the TFs among the genes, ascending.
    log_level
        float (n_tissues, n_genes), natural log of a gene's mean share of a cell's counts, up to a constant.
    edge_tf, edge_target
        int (n_edges,), positions among the genes.
    edge_sign
        int8 (n_edges,), 1 activates, -1 represses.
    edge_tissue
        int (n_edges,), position among the tissues, or `CORE`.
    type_share
        Per tissue, float (n_cell_types,), the share of cells of each cell type, descending.
    type_activity
        Per tissue, float (n_cell_types, n_tfs), mean activity of each TF, unit variance.
    type_level
        Per tissue, float (n_cell_types, n_genes), what a cell type does to a gene beside regulation, unit variance.
    """

    spec: WorldSpec
    genes: tuple[str, ...]
    tfs: np.ndarray
    log_level: np.ndarray
    edge_tf: np.ndarray
    edge_target: np.ndarray
    edge_sign: np.ndarray
    edge_tissue: np.ndarray
    type_share: tuple[np.ndarray, ...]
    type_activity: tuple[np.ndarray, ...]
    type_level: tuple[np.ndarray, ...]

    def tissue_index(self, tissue: str) -> int:
        """Index of a tissue.

        Raises
        ------
        ScfmError
            If the world has no such tissue.
        """
        if tissue not in self.spec.tissues:
            raise ScfmError(PLACE, f"has no tissue {tissue!r}", f"It has: {', '.join(self.spec.tissues)}.")
        return self.spec.tissues.index(tissue)

    def signed_network(self, tissue: str) -> np.ndarray:
        """The network of one tissue as a matrix, int8 (n_genes, n_genes): 1, -1 or 0, row TF, column target."""
        holds = np.isin(self.edge_tissue, (CORE, self.tissue_index(tissue)))
        return signed_matrix(len(self.genes), self.edge_tf[holds], self.edge_target[holds], self.edge_sign[holds])


def make_world(spec: WorldSpec) -> World:
    """Draw the world that a spec describes; the same spec always gives the same world."""
    rng = np.random.default_rng(seed_from("simulated world", repr(spec)))
    n_tissues = len(spec.tissues)
    tfs = np.sort(rng.choice(spec.n_genes, spec.n_tfs, replace=False))
    level = rng.normal(0.0, 0.9, spec.n_genes)
    log_level = level + rng.normal(0.0, 0.45, (n_tissues, spec.n_genes))
    edges = _draw_edges(spec, tfs, level, rng)
    n_types = [spec.n_cell_types[i % len(spec.n_cell_types)] for i in range(n_tissues)]
    return World(
        spec,
        gene_names(spec.n_genes),
        tfs,
        log_level,
        *edges,
        type_share=tuple(0.75 ** np.arange(n) / (0.75 ** np.arange(n)).sum() for n in n_types),
        type_activity=tuple(rng.normal(size=(n, spec.n_tfs)) for n in n_types),
        type_level=tuple(rng.normal(size=(n, spec.n_genes)) for n in n_types),
    )


def _draw_edges(
    spec: WorldSpec, tfs: np.ndarray, level: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw TFs, targets, signs and tissues of the edges.

    Targets lie evenly over the levels of expression, so that how a gene is expressed says nothing about edges.
    Each TF takes one gene from each of as many equal strata of level as it has targets in all tissues together;
    which of them are core and which belong to one tissue is drawn afterwards.
    """
    by_level = np.argsort(level, kind="stable")
    spread = np.sqrt(np.log1p(spec.targets_cv**2))
    n_targets = spec.n_targets * np.exp(rng.normal(-(spread**2) / 2, spread, spec.n_tfs))
    n_targets = np.clip(np.rint(n_targets), max(1, spec.n_targets / 2), spec.n_targets * 2).astype(int)
    tf, target, tissue = [], [], []
    for source, n in zip(tfs, n_targets, strict=True):
        n_core = round(spec.shared * n)
        owners = np.repeat([CORE, *range(len(spec.tissues))], [n_core, *[n - n_core] * len(spec.tissues)])
        candidates = by_level[by_level != source]
        borders = np.linspace(0, len(candidates), len(owners) + 1).astype(int)
        target.append(candidates[rng.integers(borders[:-1], borders[1:])])
        tissue.append(rng.permutation(owners))
        tf.append(np.full(len(owners), source))
    edge_tf, edge_target, edge_tissue = np.concatenate(tf), np.concatenate(target), np.concatenate(tissue)
    order = np.lexsort((edge_target, edge_tf))
    sign = np.where(rng.random(len(edge_tf)) < spec.repressed, -1, 1).astype(np.int8)
    return edge_tf[order], edge_target[order], sign, edge_tissue[order]


def network_table(world: World) -> pa.Table:
    """The true network as a reference network: one row per edge.

    Returns
    -------
    pa.Table
        Columns tf, target (gene names), sign (int8: 1, -1), confidence (null: the truth has no grades) and tissue
        (the tissue where the edge holds, null where it holds in all).
    """
    owners = [None if t == CORE else world.spec.tissues[t] for t in world.edge_tissue]
    table = reference_network(world.genes, world.edge_tf, world.edge_target, world.edge_sign)
    return table.append_column("tissue", pa.array(owners, pa.string()))
