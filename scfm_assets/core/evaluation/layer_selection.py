"""What choosing a layer or a head of a model is worth: the rows of the table `selection`.

The number to report for a chosen layer is that of the half that did not choose it (`core.statistics.selection`). By
halves of TFs the edges are new to it, by halves of groups of cells the cells are, with the same edges.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow.compute as pc

from scfm_assets.core.base import seed_from
from scfm_assets.core.scores import MeansOverCells
from scfm_assets.core.statistics import Selection, of_tfs, select
from scfm_assets.tables.methods import SELECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.attention import AttentionSums, GroupSums
    from scfm_assets.core.scores import Direction, EdgeScores, ScoreKey
    from scfm_assets.core.universes import Ground


METHODS = ("attention", "attention_max", "attention_rank_normalised")
"""Methods of which a layer is chosen: the published one, however its heads are aggregated."""
METRIC = "auroc"
SPLITS = {"tfs": 10, "cells": 4}
"""Splits into halves of TFs and of groups of cells, each of which chooses twice. Halves of cells nearly always choose
alike, and one costs four times as much."""


class Options(NamedTuple):
    """What is chosen among: all layers, or all heads that are kept apart, of one method and repeat."""

    repeat: int
    method: str
    kind: str
    keys: tuple[ScoreKey, ...]


def options_of(scores: EdgeScores) -> list[Options]:
    """List what can be chosen among: where there is one layer or head only there is nothing to choose."""
    keys_of: dict[tuple[int, str, str], list[ScoreKey]] = {}
    for key in scores.keys:
        if key.method in METHODS and key.layer is not None:
            kind = "layers" if key.head is None else "heads"
            keys_of.setdefault((key.repeat, key.method, kind), []).append(key)
    return [Options(*name, tuple(keys)) for name, keys in keys_of.items() if len(keys) > 1]


def selection_table(
    scores: EdgeScores,
    grounds: Sequence[Ground],
    direction: Direction,
    *,
    sums_of_repeat: Mapping[int, AttentionSums] | None = None,
    tissue: str,
    model: str,
    checkpoint: str | None = None,
    splits: Mapping[str, int] | None = None,
) -> pa.Table:
    """Choose a layer, and a head, of each repeat on halves and report it on the others.

    Parameters
    ----------
    scores
        Scores of one model.
    grounds
        Pairs that are ranked.
    direction
        How the scores are read.
    sums_of_repeat
        Sums of attention by groups of cells; without them there are no halves of cells.
    tissue
        Decides the splits, with network, universe and what is split: all models and layers share them.
    model, checkpoint
        Stand in every row.
    splits
        Number of splits by ``tfs`` and ``cells``; `SPLITS` if None.

    Returns
    -------
    Rows of `selection`; none of grounds with fewer than two TFs with edges (halves of TFs) or groups (of cells).
    """
    splits, rows = splits or SPLITS, []
    for options, ground in product(options_of(scores), grounds):
        ways = {"tfs": _by_tfs(scores, options, ground, direction)}
        sums = (sums_of_repeat or {}).get(options.repeat)
        if sums is not None and sums.groups is not None:
            parts = [sums.parts.index((int(key.layer or 0), key.head)) for key in options.keys]
            ways["cells"] = _by_cells(sums.groups, parts, ground, direction)
        for halves_of, (values_of, sizes) in ways.items():
            if np.count_nonzero(sizes) < 2:
                continue
            seed = seed_from("selection", ground.network, ground.universe.name, tissue, halves_of)
            selection = select(values_of, sizes, splits=splits[halves_of], seed=seed)
            same = {"model": model, "checkpoint": checkpoint, "halves_of": halves_of, "splits": splits[halves_of]}
            rows.append({**_row(options, ground, direction, selection), **same})
    return SELECTION.rows(rows)


def optimism_of(table: pa.Table) -> dict[str, float]:
    """Mean optimism over repeats and networks, by what was halved and chosen among."""
    known = table.filter(pc.field("optimism").is_valid())
    means = known.group_by(["halves_of", "options"], use_threads=False).aggregate([("optimism", "mean")])
    return {f"{row['options']}_by_{row['halves_of']}": row["optimism_mean"] for row in means.to_pylist()}


Way = tuple["Callable[[np.ndarray], np.ndarray]", "np.ndarray"]
"""What gives the metric of each option for weighted units, and the sizes of the units."""


def _by_tfs(scores: EdgeScores, options: Options, ground: Ground, direction: Direction) -> Way:
    """Take each TF with edges for a unit."""
    tfs = ground.universe.tfs
    held = np.flatnonzero(ground.pairs.targets)
    matrices = [direction.orient(scores.scores[scores.keys.index(key)])[tfs] for key in options.keys]
    values_of = of_tfs(ground.pairs.of(np.stack(matrices)), ground.pairs, METRIC)

    def weighted(weights: np.ndarray) -> np.ndarray:
        every = np.ones((len(weights), len(tfs)), np.int64)
        every[:, held] = weights
        return values_of(every)

    return weighted, ground.pairs.targets[held]


def _by_cells(groups: GroupSums, parts: Sequence[int], ground: Ground, direction: Direction) -> Way:
    """Take each group of cells for a unit."""
    pairs = ground.pairs_of(groups.tfs)
    means = [MeansOverCells.of_group_sums(groups, pairs, part=part, transposed=direction.transposed) for part in parts]
    return lambda weights: np.stack([aurocs(mean(weights), pairs.positive) for mean in means]), groups.n_cells


def aurocs(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """AUROC of each of B rankings (B, n), ties counted half: no other metric is needed, and this is quick.

    The pairs below each positive, less the positives among them, are its negatives; over all positives the positives
    below them, ties half and itself half, are n_pos^2 / 2.
    """
    ordered = np.sort(scores, axis=1)
    n_pos = int(np.count_nonzero(positive))
    below = [
        np.searchsorted(row, positives, side).sum()
        for row, positives in zip(ordered, scores[:, positive], strict=True)
        for side in ("left", "right")
    ]
    beaten = np.reshape(below, (-1, 2)).sum(axis=1) / 2 - n_pos**2 / 2
    return beaten / (n_pos * (len(positive) - n_pos))


def _row(options: Options, ground: Ground, direction: Direction, selection: Selection) -> dict[str, object]:
    shares = selection.shares
    best = options.keys[selection.best_of_all] if selection.best_of_all >= 0 else None
    chosen = options.keys[int(np.argmax(shares))] if shares.any() else None
    return {
        "repeat": options.repeat,
        "method": options.method,
        "direction": direction.name,
        "network": ground.network,
        "network_version": ground.network_version,
        "universe": ground.universe.name,
        "metric": METRIC,
        "options": options.kind,
        "n_options": selection.options,
        "held_out": selection.held_out.value,
        "held_out_lo": selection.held_out.low,
        "held_out_hi": selection.held_out.high,
        "on_same": selection.on_same.value,
        "optimism": selection.optimism.value,
        "lo": selection.optimism.low,
        "hi": selection.optimism.high,
        "value_of_best": selection.value_of_best,
        "best_layer": best and best.layer,
        "best_head": best and best.head,
        "chosen_layer": chosen and chosen.layer,
        "chosen_head": chosen and chosen.head,
        "share": float(shares.max()) if chosen else None,
        "units": selection.units,
    }
