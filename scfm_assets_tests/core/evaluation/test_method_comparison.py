"""Differences of methods against scikit-learn on explicit subsets, and which methods are compared with what."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods, over_repeats
from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.metrics.metrics import METRICS
from scfm_assets.core.sampling.levels import GeneLevels
from scfm_assets.core.scores.edges import TF_KEYS, TF_QUERIES
from scfm_assets.core.statistics import over_network
from scfm_assets.core.statistics.uncertainty import Differences
from scfm_assets.core.universes.grounds import grounds_of
from scfm_assets.core.universes.of_tissue import NetworkUniverses, TissueUniverses
from scfm_assets.core.universes.universe import PanelEdges
from scfm_assets.tables.methods import METHOD_COMPARISON
from scfm_assets_tests.core.evaluation.small_methods import GROUPS, NULLS, SIZES, TFS, K, ground, sources


def rows_of(table: pa.Table, **equal) -> list[dict]:
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in equal.items())]


def by_hand(own, other, key, other_key, place: int, repeat: int, positive: np.ndarray) -> dict[str, tuple]:
    """Value, reference, and error and units of AUROC and average precision over the network and over cells.

    Over the network they are those that `test_two_way` holds against refits; over cells of explicit subsets.
    """
    metrics = {"auroc": roc_auc_score, "auprc": average_precision_score}
    candidate = ~np.eye(K, dtype=bool)[TFS]

    def matrix(scores, name, turn):
        found = scores.scores[scores.keys.index(name)]
        return (found.T if turn else found)[TFS]

    def left(scores, name, turn, group):
        return scores.left_out.scores(name)[group, int(turn)]

    found = {}
    for metric, function in metrics.items():
        both = [(own, key, bool(place)), (other, other_key, bool(place) and not other_key.symmetric)]

        def value(rows, matrices, function=function):
            mask = candidate[rows]
            one, two = (function(positive[rows][mask], m[rows][mask]) for m in matrices)
            return one, two

        whole = [matrix(*each) for each in both]
        everything = np.arange(len(TFS))
        one, two = value(everything, whole)
        pairs = CandidatePairs.of_masks(candidate, positive & candidate, genes=TFS)
        network = over_network([pairs.rank(pairs.of(m)) for m in whole])
        (error_network,) = [d.error for d in network.difference(0, 1) if d.metric == metric]
        by_group = np.array([np.subtract(*value(everything, [left(*each, g) for each in both])) for g in range(GROUPS)])
        h = SIZES.sum() / SIZES
        pseudo = h * (one - two) - (h - 1) * by_group
        estimate = GROUPS * (one - two) - ((1 - 1 / h) * by_group).sum()
        error_cells = np.sqrt(((pseudo - estimate) ** 2 / (h - 1)).mean())
        found[metric] = (one, two, (error_network, network.units), (error_cells, GROUPS))
    return found


@pytest.mark.parametrize("direction", [TF_QUERIES, TF_KEYS])
def test_every_difference_is_what_scikit_learn_finds_without_each_unit(direction):
    arena, given = ground(1), sources(1)
    positive = arena.universe.positive[TFS]
    table = compare_methods(contenders(given, NULLS, direction), [arena])
    assert table.schema == METHOD_COMPARISON.without("tissue", "n_cells", "simulated").schema
    baselines, mine, random = given
    for other, reference in ((baselines, "mean_product"), (random, "attention")):
        told = []
        for repeat in (0, 1):
            key = next(
                k for k in mine.scores.keys if (k.repeat, k.method, k.layer, k.head) == (repeat, "attention", 2, None)
            )
            other_key = next(
                k for k in other.scores.keys if (k.repeat, k.method) == (repeat, reference) and k.layer in (None, 2)
            )
            told.append(by_hand(mine.scores, other.scores, key, other_key, int(direction.transposed), repeat, positive))
        for metric in ("auroc", "auprc"):
            one, two = np.mean([own[metric][:2] for own in told], axis=0)
            for kind, at in (("network", 2), ("cells", 3)):
                error = np.mean([own[metric][at][0] for own in told])
                units = min(own[metric][at][1] for own in told)
                asked = {"reference": reference, "reference_model": other.model, "metric": metric, "interval": kind}
                (row,) = rows_of(table, model="mine", method="attention", **asked)
                assert (row["value"], row["value_reference"]) == pytest.approx((one, two), abs=1e-9)
                assert row["difference"] == pytest.approx(one - two, abs=1e-9)
                assert row["units"] == units
                if np.isnan(error):  # as many effective TFs or targets as average precision asks for are not there
                    assert (kind, metric, row["error"], row["lo"], row["p"]) == ("network", "auprc", None, None, None)
                    continue
                assert row["error"] == pytest.approx(error, rel=1e-6)
                assert row["p"] == pytest.approx(2 * stats.t.sf(abs(one - two) / error, units - 1), rel=1e-6)
                half = stats.t.ppf(0.975, units - 1) * error
                assert (row["lo"], row["hi"]) == pytest.approx((one - two - half, one - two + half), rel=1e-6)
                assert row["effect"] == pytest.approx((one - two) / error / np.sqrt(units), rel=1e-6)
                assert (row["direction"], row["n_repeats"]) == (direction.name, 2)
                assert (row["n_pos"], row["n_neg"]) == (positive.sum(), 12 * 39 - positive.sum())


def test_the_fixed_layer_is_compared_with_every_null_and_with_its_own_random_weights():
    table = compare_methods(contenders(sources(2), NULLS, TF_QUERIES), [ground(2)])
    named = {(r["model"], r["method"], r["layer"], r["role"], r["reference_model"], r["reference"], r["reference_role"])
             for r in table.to_pylist()}  # fmt: skip
    methods = {
        *(("baselines", name, None, "null") for name in NULLS),
        ("baselines", "pearson", None, "baseline"),
        ("mine", "attention", 2, "model"),
        ("mine", "hidden_state", 2, "model"),
        ("mine", "token_embedding", None, "model"),
        ("random", "attention", 2, "random"),
    }
    expected = {(*method, "baselines", null, "null") for method in methods for null in NULLS if method[1] != null}
    assert named == expected | {("mine", "attention", 2, "model", "random", "attention", "random")}


def test_scores_that_are_not_known_without_a_group_have_no_rows_over_cells_and_static_ones_do():
    table = compare_methods(contenders(sources(3), NULLS, TF_QUERIES), [ground(3)])
    kinds = {method: {row["interval"] for row in rows_of(table, method=method)} for method in
             ("attention", "hidden_state", "token_embedding")}  # fmt: skip
    assert kinds == {
        "attention": {"network", "cells"},
        "hidden_state": {"network"},
        "token_embedding": {"network", "cells"},
    }
    (static,) = rows_of(table, method="token_embedding", interval="cells", metric="auroc", reference="mean_product")
    (null,) = rows_of(table, method="mean_product", interval="cells", metric="auroc")
    assert static["value_lo"] is None  # nothing varied, so nothing is known of the value itself
    assert static["error"] > 0
    assert null["value"] == static["value_reference"]


def test_correlations_are_spearmans_over_the_pairs_mean_over_repeats():
    given, arena = sources(4), ground(4)
    table = compare_methods(contenders(given, NULLS, TF_QUERIES), [arena])
    scores, candidate = given[0].scores, arena.universe.candidate
    expected = []
    for repeat in (0, 1):
        both = [scores.scores[i][candidate] for i, key in enumerate(scores.keys)
                if key.repeat == repeat and key.method in ("pearson", "mean_product")]  # fmt: skip
        expected.append(stats.spearmanr(*both).statistic)
    rows = rows_of(table, method="pearson", reference="mean_product")
    assert {round(row["correlation"], 12) for row in rows} == {round(float(np.mean(expected)), 12)}


def test_one_repeat_is_merged_to_itself_and_errors_of_several_are_averaged():
    values, shape = (np.array([[0.8, 0.2, 2.0, 3.0]]), np.array([[0.7, 0.2, 2.0, 3.0]])), (1, len(METRICS))
    before, most = np.full(shape, 0.6), np.full(len(METRICS), 9.0)
    one = Differences("network", values[0], before, np.full(shape, 0.05), 11, most)
    two = Differences("network", values[1], before, np.full(shape, 0.03), 9, most)
    merged = over_repeats([one, two]).listed()[0][0]
    assert merged.difference == pytest.approx(0.15)
    assert merged.error == pytest.approx(0.04)
    assert merged.units == 9
    assert merged.high - merged.low == pytest.approx(2 * 0.04 * stats.t.ppf(0.975, 8))
    assert merged.p == pytest.approx(2 * stats.t.sf(0.15 / 0.04, 8))
    assert merged.verdict == "better"
    table = compare_methods(contenders(sources(5, repeats=1), NULLS, TF_QUERIES), [ground(5)])
    assert {row["n_repeats"] for row in table.to_pylist()} == {1}
    assert {row["metric"] for row in table.to_pylist()} == {metric.name for metric in METRICS}


def test_grounds_are_the_universes_that_no_cell_changes_and_can_be_ranked():
    own = ground(6).universe
    edges = PanelEdges(K, TFS, *np.nonzero(own.positive))
    nothing = PanelEdges(K, TFS, np.zeros(0, int), np.zeros(0, int))
    matched = (ground(6, name="expression_matched").universe,)
    levels = GeneLevels(np.ones(K), np.ones(K))
    universes = TissueUniverses(
        levels, (NetworkUniverses("truth", "1", edges, matched), NetworkUniverses("empty", "1", nothing, ()))
    )
    assert [(g.network, g.universe.name) for g in grounds_of(universes)] == [
        ("truth", "tf_grid"), ("truth", "expression_matched"),
    ]  # fmt: skip
    (grid,) = grounds_of(universes, "tf_grid")
    assert np.array_equal(grid.universe.candidate, own.candidate)
    rows = np.arange(K)
    assert grid.pairs_of(rows).n == grid.pairs.n
    assert np.array_equal(grid.pairs_of(rows).targets, grid.pairs.targets)
