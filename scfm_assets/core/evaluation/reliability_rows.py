"""Rows of the table `reliability`: how alike the scores of every method are in two halves of the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.scores import (
    IS_LIFTED,
    SYMMETRIC,
    Direction,
    MeansOverCells,
    ScoreKey,
    ScoresOfCells,
    attention_methods,
    cells_of,
    columns_of,
)
from scfm_assets.core.statistics import Reliability, split_half
from scfm_assets.core.universes import TF_GRID, PanelEdges, candidates, edges_in_panel
from scfm_assets.tables.scores import RELIABILITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from scipy.sparse import csr_matrix

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.networks import NetworkTable
    from scfm_assets.core.scores import BaselineMethod, ScoresOfGroups

SPLITS = 6
"""Halvings of the groups of cells. With ten groups there are 126, which share cells: the mean over six of them is as
near to the mean over all as 0.4 of the spread that is reported beside it."""
MEASURES = ("pearson", "spearman", "auroc_of_tfs")


@dataclass(frozen=True, eq=False)
class Halvable:
    """One matrix of scores that any choice of the groups of cells can make.

    Attributes
    ----------
    key, direction
        Which matrix, and how it is read.
    tfs
        Panel indices of the TFs whose pairs can be scored, ascending.
    sizes
        Cells of each group, shape (n_groups,).
    of
        Scores pairs from masks whose rows are `tfs`.
    """

    key: ScoreKey
    direction: Direction
    tfs: np.ndarray
    sizes: np.ndarray
    of: Callable[[CandidatePairs], ScoresOfGroups]


def from_attention(
    sums_of_repeat: Mapping[int, AttentionSums], layer: int | None, direction: Direction
) -> Iterator[Halvable]:
    """Take one layer's attention, by every method that its sums were made for; nothing where it has no groups.

    Parameters
    ----------
    sums_of_repeat
        The sums of each repeat.
    layer
        The layer that the catalog fixes; None gives nothing.
    direction
        Which end of a pair is the TF.
    """
    for repeat, sums in sorted(sums_of_repeat.items()):
        groups, parts = sums.groups, sums.parts
        if groups is None or layer is None or (layer, None) not in parts:
            continue
        how = {"part": parts.index((layer, None)), "transposed": direction.transposed}
        for method in attention_methods(sums):

            def of(
                pairs: CandidatePairs, *, groups: Any = groups, lifted: bool = IS_LIFTED[method], how: Any = how
            ) -> ScoresOfGroups:
                return MeansOverCells.of_group_sums(groups, pairs, lifted=lifted, **how)

            yield Halvable(ScoreKey(repeat, method, layer), direction, groups.tfs, groups.n_cells, of)


def from_counts(
    counts: csr_matrix,
    gene_ids: Sequence[str],
    panel: pa.Table,
    *,
    cells_of_repeat: Mapping[int, np.ndarray],
    group_of_repeat: Mapping[int, np.ndarray],
    tfs: np.ndarray,
    methods: Sequence[BaselineMethod],
) -> Iterator[Halvable]:
    """Take the methods that are not costly; the parameters are those of `scfm_assets.core.scores.baselines.score`."""
    columns = columns_of(gene_ids, panel)
    cheap = [method for method in methods if not method.expensive]
    for repeat, rows in sorted(cells_of_repeat.items()):
        group = np.asarray(group_of_repeat[repeat])
        scores = ScoresOfCells(cells_of(counts[np.asarray(rows)], columns), group, tfs, cheap)
        for method in cheap:

            def of(pairs: CandidatePairs, *, scores: Any = scores, method: Any = method) -> ScoresOfGroups:
                return scores.of(method, pairs)

            yield Halvable(ScoreKey(repeat, method.name, symmetric=True), SYMMETRIC, tfs, scores.sizes, of)


def reliability_table(
    found: Iterable[Halvable],
    networks: Sequence[NetworkTable],
    panel: pa.Table,
    *,
    tissue: str,
    model: str,
    checkpoint: str | None,
    splits: int = SPLITS,
    seed: int = 0,
) -> pa.Table:
    """Split the cells of every matrix of one model in halves, and hold the halves against each other.

    All methods of a repeat share their halves. A matrix with cells in fewer than two groups gives no rows, nor does a
    network without positives or negatives.

    Parameters
    ----------
    found
        The matrices.
    networks
        Networks of the tissue's organism.
    panel
        The gene panel, with columns ``gene_id`` and ``symbol``.
    tissue
        Chooses the networks' edges.
    model, checkpoint
        Stand in every row.
    splits, seed
        Number of halvings, and what decides them.

    Returns
    -------
    Rows of `reliability`, NULL where one half is constant.
    """
    names = [panel.column(name).to_pylist() for name in ("gene_id", "symbol")]
    known = [(network, edges_in_panel(network, *names, tissue=tissue)) for network in networks]
    rows = []
    for matrix in found:
        groups = int(np.count_nonzero(matrix.sizes))
        key = {"repeat": matrix.key.repeat, "method": matrix.key.method, "layer": matrix.key.layer, "head": None}
        named = {"model": model, "checkpoint": checkpoint, "direction": matrix.direction.name, **key}
        for network, edges in known if groups > 1 else ():
            pairs = _pairs_of(edges, matrix.tfs)
            if not pairs.n_pos or not pairs.n_neg:
                continue
            halves = split_half(matrix.of(pairs), matrix.sizes, pairs, splits=splits, seed=seed)
            of_network = {"network": network.name, "network_version": network.version, "universe": TF_GRID.name}
            counted = {"cell_groups": groups, "splits": splits, "n_pos": pairs.n_pos, "n_neg": pairs.n_neg}
            rows.append({**named, **of_network, **_numbers(halves), **counted})
    return RELIABILITY.rows(rows)


def _pairs_of(edges: PanelEdges, tfs: np.ndarray) -> CandidatePairs:
    """Take the pairs of tf_grid from matrices whose rows are `tfs`, the network's among them."""
    if not np.isin(edges.tfs, tfs).all():
        message = f"rows of {len(tfs)} genes do not hold all {len(edges.tfs)} TFs of a network"
        raise ValueError(message)
    candidate = candidates(TF_GRID, edges, np.zeros((edges.n_genes, edges.n_genes), np.int32))[tfs]
    return CandidatePairs.of_masks(candidate, candidate & edges.mask[tfs], np.searchsorted(tfs, edges.tfs))


def _numbers(halves: Reliability) -> dict[str, float]:
    numbers = {"auroc_half": float(halves.aurocs.mean()), "auroc_error": halves.auroc_error}
    for measure in MEASURES:
        agreement = getattr(halves, measure)
        numbers |= {
            measure: agreement.whole,
            f"{measure}_half": agreement.half,
            f"{measure}_spread": agreement.spread,
        }
    return numbers
