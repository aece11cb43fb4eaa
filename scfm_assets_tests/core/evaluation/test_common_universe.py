"""Pairs that all methods can score: what a model does not see is ranked by nobody, and its share is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.contender import Scored, contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import counted, hypotheses, rows_judged, verdicts
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.universes.grounds import common_universe, with_common
from scfm_assets.core.universes.universe import PanelEdges
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, sources

UNSEEN = np.array([0, 6, 13, 31])
"""Genes without a token; 6 is a TF."""
VISIBLE = ~np.isin(np.arange(K), UNSEEN)


def blind(given: list[Scored], *, repeats: tuple[int, ...] = (0, 1)) -> list[Scored]:
    """The model of some sources without tokens for some genes, in some repeats."""
    changed = []
    for source in given:
        if source.model == "mine":
            scores, pairs = source.scores.scores.copy(), dict(source.scores.pairs)
            for repeat in repeats:
                pairs[repeat] = np.where(np.outer(VISIBLE, VISIBLE), pairs[repeat], 0)
            scores[:, ~VISIBLE] = scores[:, :, ~VISIBLE] = 0
            source = replace(source, scores=replace(source.scores, scores=scores, pairs=pairs))
        changed.append(source)
    return changed


def test_it_holds_the_pairs_of_visible_genes_and_counts_the_edges_that_it_lacks():
    arena = ground(1)
    edges = PanelEdges(K, TFS, *np.nonzero(arena.universe.positive))
    universe = common_universe(edges, VISIBLE)
    for tf in range(K):
        for gene in range(K):
            inside = tf in TFS and tf != gene and VISIBLE[tf] and VISIBLE[gene]
            assert universe.candidate[tf, gene] == inside
            assert universe.positive[tf, gene] == (inside and arena.universe.positive[tf, gene])
    assert universe.left_out == arena.universe.positive.sum() - universe.positive.sum() > 0
    assert with_common([arena], np.ones(K, bool)) == [arena]
    assert [one.universe.name for one in with_common([arena], VISIBLE)] == ["tf_grid", "common"]
    assert [one.universe.name for one in with_common([arena], np.zeros(K, bool))] == ["tf_grid"]


@pytest.mark.parametrize("repeats", [(0, 1), (1,)])
def test_all_methods_are_compared_over_what_the_blindest_sees(repeats):
    arena, given = ground(2), blind(sources(2), repeats=repeats)
    found = contenders(given, NULLS, TF_QUERIES)
    table = compare_methods(found, [arena])
    rows = [row for row in table.to_pylist() if row["metric"] == "auroc" and row["interval"] == "network"]
    common = common_universe(arena.universe.edges, VISIBLE)
    share = common.candidate.sum() / (len(TFS) * (K - 1))
    assert {row["universe"]: row["pair_share"] for row in rows} == {"tf_grid": 1, "common": pytest.approx(share)}
    counts = {row["universe"]: (row["n_pos"], row["n_neg"]) for row in rows}
    assert counts["common"] == (common.positive.sum(), (common.candidate & ~common.positive).sum())
    mask = common.candidate
    for method in found:
        (value,) = {r["value"] for r in rows if (r["universe"], r["model"], r["method"], r["layer"])
                    == ("common", method.source.model, method.method, method.layer)}  # fmt: skip
        areas = [roc_auc_score(common.positive[mask], method.matrix(repeat)[mask]) for repeat in (0, 1)]
        assert value == pytest.approx(np.mean(areas), abs=1e-12)


def test_verdicts_stand_where_all_can_score_and_the_published_universe_stays():
    table = verdicts(compare_methods(contenders(blind(sources(3)), NULLS, TF_QUERIES), [ground(3)]))
    assert set(table["universe"].to_pylist()) == {"tf_grid", "common"}
    assert {row["universe"] for row in rows_judged(table)} == {"common"}
    placed = pa.Table.from_pylist([row | {"tissue": "lung", "n_cells": 5} for row in table.to_pylist()])
    judged = [row for row in table.to_pylist() if (row["universe"], row["metric"]) == ("common", "auroc")]
    tested = [row for row in judged if row["verdict"] != "null"]
    beating = [test.value for test in hypotheses(placed) if test.family == "beats_nulls_lung"]
    assert sorted(beating) == sorted(row["value"] - row["highest_null_value"] for row in tested)
    assert counted(table)["truth"].startswith(f"of {len(tested)} methods")


def test_where_every_method_sees_every_gene_the_grid_is_what_is_judged():
    table = verdicts(compare_methods(contenders(sources(3), NULLS, TF_QUERIES), [ground(3)]))
    assert {row["universe"] for row in rows_judged(table)} == {"tf_grid"}
    assert set(table["pair_share"].to_pylist()) == {1.0}
