"""Nulls of single genes as methods: which are compared, how they are read, and that nothing else beats them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.contender import Scored, contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import rows_judged, verdicts
from scfm_assets.core.evaluation.nulls_of_genes import nulls_of_genes
from scfm_assets.core.scores import GENE_NULLS, NULLS, EdgeScores, ScoreKey, score
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.universes.grounds import Ground, popularity_in
from scfm_assets.core.universes.matched_universes import MaskedUniverse
from scfm_assets.core.universes.universe import PanelEdges

K, N, TFS = 40, 60, np.arange(1, 36, 3)
NAMES = {method.name for method in NULLS}


def scored() -> EdgeScores:
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(rng.gamma(0.7, 2, K), (N, K)) + (rng.random((N, K)) < 0.05))
    panel = pa.table({"gene_id": [f"g{i}" for i in range(K)], "symbol": [f"s{i}" for i in range(K)]})
    cells = {0: np.arange(40), 1: np.arange(20, 60)}
    groups = dict.fromkeys(cells, np.arange(40) % 5)
    names = [f"g{i}" for i in range(K)]
    return score(counts, names, panel, cells_of_repeat=cells, group_of_repeat=groups, tfs=TFS)


def ground(chance: np.ndarray, popularity: np.ndarray | None = None, seed: int = 3) -> Ground:
    """A network in which a target is drawn with a chance of its own."""
    candidate = np.zeros((K, K), bool)
    candidate[TFS] = True
    np.fill_diagonal(candidate, val=False)
    positive = candidate & (np.random.default_rng(seed).random((K, K)) < chance)
    return Ground("net", "1", MaskedUniverse("tf_grid", candidate, positive, TFS), popularity)


def with_method(scores: EdgeScores, make) -> Scored:
    """A model whose score of a pair is made of the levels (n_statistics, K) of a repeat."""
    keys = tuple(ScoreKey(repeat, "attention", 1) for repeat in scores.levels)
    matrices = np.stack([make(scores.levels[key.repeat][0]) for key in keys]).astype(np.float32)
    return Scored("mine", replace(scores, keys=keys, scores=matrices, levels={}, left_out=None), "model", "c", 1)


def found_in(scores: EdgeScores, *more: Scored):
    return contenders([Scored("baselines", scores, "baseline"), *more], NAMES, TF_QUERIES)


def test_every_null_is_compared_once_and_read_the_way_that_ranks_better():
    scores, few = scored(), np.full(K, 0.1)
    few[:10] = 0.4
    here = ground(few, np.linspace(0, 1, K))
    nulls = nulls_of_genes(found_in(scores), [here])
    stored = {"mean_product", "detection_product", "variance_product"}
    assert {null.method for null in nulls} == set(GENE_NULLS) - stored | {"expression_alone", "target_popularity"}
    assert {null.role for null in nulls} == {"null"}
    for null in nulls:
        if null.method not in GENE_NULLS:
            continue
        plain = [here.pairs.of(GENE_NULLS[null.method].scores(scores.levels[r][0], TFS)) for r in (0, 1)]
        areas = [roc_auc_score(here.pairs.positive, values) for values in plain]
        sign = 1 if np.mean(areas) >= 0.5 else -1
        np.testing.assert_allclose(null.scores_on(here, 1), sign * plain[1], rtol=1e-6)
        left = null.without_groups(1)(here)
        expected = here.pairs.of(GENE_NULLS[null.method].scores(scores.levels[1][1:], TFS))
        pair_by_pair = [here.pairs.rank((sign * scores).astype(np.float32)).values for scores in expected]
        np.testing.assert_allclose(left, pair_by_pair, rtol=1e-12)


def test_rows_name_every_null_and_the_popularity_rests_on_no_cell():
    scores = scored()
    here = ground(np.full(K, 0.15), np.random.default_rng(1).random(K))
    table = compare_methods(found_in(scores), [here]).to_pylist()
    of_pearson = [row for row in table if (row["method"], row["metric"]) == ("pearson", "auroc")]
    per_kind = {
        kind: {row["reference"] for row in of_pearson if row["interval"] == kind} for kind in ("network", "cells")
    }
    everything = set(GENE_NULLS) | {"uniform_attention", "expression_alone", "target_popularity"}
    assert per_kind == {"network": everything, "cells": everything}
    of_null = [row for row in table if (row["method"], row["metric"]) == ("target_dispersion", "auroc")]
    assert len({row["reference"] for row in of_null}) == 1
    popular = [row for row in table if row["method"] == "target_popularity"]
    assert {row["value_lo"] for row in popular if row["interval"] == "cells"} == {None}


@pytest.mark.parametrize("statistic", [0, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_target_is_like_never_beats_the_nulls_however_well_it_ranks(statistic, sign):
    scores = scored()
    level = sign * np.mean([levels[0, statistic] for levels in scores.levels.values()], axis=0)
    here = ground(np.where(level > np.quantile(level, 0.6), 0.5, 0.03))
    source = with_method(scores, lambda levels: np.broadcast_to(sign * levels[statistic], (K, K)))
    table = compare_methods(found_in(scores, source), [here])
    (row,) = [row for row in rows_judged(verdicts(table)) if row["model"] == "mine"]
    assert row["value"] > 0.7
    assert row["verdict"] != "beats the nulls"
    assert row["p"] == 1


def test_scores_without_levels_have_no_further_nulls():
    bare = replace(scored(), levels={})
    assert nulls_of_genes(found_in(bare), [ground(np.full(K, 0.2))]) == []


def test_popularity_is_the_mean_share_of_tfs_over_other_networks():
    one = PanelEdges(5, np.array([0, 1]), np.array([0, 1, 1]), np.array([2, 2, 3]))
    two = PanelEdges(5, np.array([4]), np.array([4]), np.array([3]))
    np.testing.assert_allclose(popularity_in([one, two]), [0, 0, 0.5, 0.75, 0])
    assert popularity_in([]) is None
