"""The rows of `selection`: they are those of `select` on halves of TFs and of cells, and quick AUROCs are AUROCs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets.core.base.digest import seed_from
from scfm_assets.core.evaluation.layer_selection import aurocs, optimism_of, options_of, selection_table
from scfm_assets.core.scores.edges import TF_KEYS, TF_QUERIES, ScoreKey, edge_scores
from scfm_assets.core.scores.group_scores import MeansOverCells
from scfm_assets.core.statistics.selection import of_tfs, select
from scfm_assets.tables.methods import SELECTION
from scfm_assets_tests.core.evaluation.small_methods import GROUPS, IDS, SIZES, TFS, K, ground
from scfm_assets_tests.core.statistics.resamples import of_cells

LAYERS, HEADS = (1, 2, 3), ((2, 1), (2, 2))
PANEL = pa.table({"gene_id": list(IDS), "symbol": list(IDS)})


def sums_of(seed: int, edges: np.ndarray, *, knows: float) -> AttentionSums:
    """Sums of attention by groups of cells; layer 2, and its second head, know the edges best."""
    rng = np.random.default_rng(seed)
    better = np.array([0.2, knows, 0.2, 0.0, knows])[:, None, None]
    parts = len(LAYERS) + len(HEADS)
    held = rng.integers(1, 6, (GROUPS, K, K))
    held = (held + held.swapaxes(1, 2)).astype(np.int32)
    noise = rng.normal(size=(parts, K, K)) + rng.normal(size=(GROUPS, parts, K, K))
    of_groups = ((noise + better * edges) * held[:, None]).astype(np.float32)
    both = np.stack([of_groups[:, :, TFS], of_groups[:, :, :, TFS].swapaxes(2, 3)], axis=2)
    groups = GroupSums(TFS, both, both.copy(), held[:, TFS], SIZES)
    whole = of_groups.sum(axis=0)
    return AttentionSums(LAYERS, whole, whole.copy(), held.sum(axis=0, dtype=np.int32), int(SIZES.sum()), HEADS, groups)


def scores_of(sums: AttentionSums, repeats: int = 1):
    keys = [ScoreKey(r, "attention", layer, head) for r in range(repeats) for layer, head in sums.parts]
    keys += [ScoreKey(r, "attention_lift", layer) for r in range(repeats) for layer in LAYERS]
    means = [own / np.maximum(sums.pairs, 1) for own in sums.plain]
    return edge_scores(PANEL, keys, (means * repeats + means[:3] * repeats), dict.fromkeys(range(repeats), sums.pairs))


@pytest.mark.parametrize("direction", [TF_QUERIES, TF_KEYS])
def test_every_row_is_that_of_select_on_the_same_halves(direction):
    arena = ground(1)
    sums = sums_of(1, arena.universe.positive, knows=0.5)
    scores = scores_of(sums)
    splits = {"tfs": 4, "cells": 2}
    table = selection_table(
        scores, [arena], direction, sums_of_repeat={0: sums}, tissue="lung", model="mine", checkpoint="c", splits=splits
    )
    assert table.schema == SELECTION.without("tissue", "n_cells", "simulated").schema
    rows = {(row["options"], row["halves_of"]): row for row in table.to_pylist()}
    assert set(rows) == {(options, halves) for options in ("layers", "heads") for halves in ("tfs", "cells")}
    pairs, turn = arena.pairs, direction.transposed
    for options, places in (("layers", [0, 1, 2]), ("heads", [3, 4])):
        matrices = [direction.orient(scores.scores[place])[TFS] for place in places]
        held = np.flatnonzero(pairs.targets)
        assert len(held) == len(TFS)
        ways = {
            "tfs": (of_tfs([pairs.of(m) for m in matrices], pairs), pairs.targets),
            "cells": (
                of_cells(
                    [MeansOverCells.of_group_sums(sums.groups, pairs, part=p, transposed=turn) for p in places],
                    pairs,
                ),
                SIZES,
            ),
        }
        for halves_of, (values_of, sizes) in ways.items():
            seed = seed_from("selection", "truth", "tf_grid", "lung", halves_of)
            found = select(values_of, sizes, splits=splits[halves_of], seed=seed)
            row = rows[options, halves_of]
            assert row["held_out"] == pytest.approx(found.held_out.value, abs=1e-9)
            assert (row["lo"], row["hi"]) == pytest.approx((found.optimism.low, found.optimism.high), abs=1e-9)
            assert row["optimism"] == pytest.approx(row["on_same"] - row["held_out"], abs=1e-9)
            assert row["value_of_best"] == pytest.approx(found.value_of_best, abs=1e-9)
            layer, head = sums.parts[places[found.best_of_all]]
            assert (row["best_layer"], row["best_head"]) == (layer, head)
            assert (row["n_options"], row["units"], row["splits"]) == (len(places), len(sizes), splits[halves_of])
            assert row["share"] == pytest.approx(found.shares.max())


def test_the_layer_that_knows_is_chosen_and_costs_no_optimism_and_equal_ones_do():
    arena = ground(2, share=0.2)
    for knows, least, most in ((6.0, -0.01, 0.01), (0.2, 0.005, 0.3)):
        sums = sums_of(2, arena.universe.positive, knows=knows)
        named = {"tissue": "lung", "model": "mine"}
        table = selection_table(scores_of(sums), [arena], TF_QUERIES, sums_of_repeat={0: sums}, **named)
        told = optimism_of(table)
        assert set(told) == {"layers_by_tfs", "layers_by_cells", "heads_by_tfs", "heads_by_cells"}
        assert least <= told["layers_by_tfs"] <= most
        if knows > 1:
            chosen = {(row["chosen_layer"], row["chosen_head"], row["share"]) for row in table.to_pylist()}
            assert chosen == {(2, None, 1.0), (2, 2, 1.0)}


def test_without_groups_there_are_halves_of_tfs_alone_and_one_layer_is_no_choice():
    arena = ground(3)
    sums = sums_of(3, arena.universe.positive, knows=0.5)
    named = {"tissue": "lung", "model": "mine"}
    for given in (None, {0: replace(sums, groups=None)}):
        table = selection_table(scores_of(sums), [arena], TF_QUERIES, sums_of_repeat=given, **named)
        assert set(table["halves_of"].to_pylist()) == {"tfs"}
    two = scores_of(sums, repeats=2)
    assert [(own.repeat, own.kind, len(own.keys)) for own in options_of(two)] == [
        (0, "layers", 3), (0, "heads", 2), (1, "layers", 3), (1, "heads", 2),
    ]  # fmt: skip
    single = replace(two, keys=two.keys[:1], scores=two.scores[:1])
    assert options_of(single) == []
    assert selection_table(single, [arena], TF_QUERIES, **named).num_rows == 0


def test_a_network_with_one_tf_has_no_halves():
    one = ground(4)
    positive = np.zeros_like(one.universe.positive)
    positive[TFS[2], [0, 1, 5]] = True
    arena = replace(one, universe=replace(one.universe, positive=positive))
    sums = sums_of(4, positive, knows=0.5)
    table = selection_table(scores_of(sums), [arena], TF_QUERIES, sums_of_repeat={0: sums}, tissue="lung", model="mine")
    assert set(table["halves_of"].to_pylist()) == {"cells"}


@pytest.mark.parametrize("levels", [None, 3])
def test_quick_aurocs_are_those_of_scikit_learn_with_ties(levels):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 300))
    scores = scores if levels is None else np.round(scores * levels) / levels
    positive = rng.random(300) < 0.2
    expected = [roc_auc_score(positive, own) for own in scores]
    assert aurocs(scores, positive) == pytest.approx(expected, abs=1e-12)
