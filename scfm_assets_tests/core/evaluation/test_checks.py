"""Every check on a value that is right and on one that is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets.core.evaluation import checks
from scfm_assets.core.metrics import METRICS_OF_PLACES
from scfm_assets.core.networks.table import NetworkSpec, tidy_network
from scfm_assets.core.sampling.cells import cell_orders, cell_set_table
from scfm_assets.core.scores.edges import TF_QUERIES, EdgeScores, ScoreKey

K = 30
NAMES = tuple(f"G{i}" for i in range(K))


def panel(n: int = 4, **columns: list) -> pa.Table:
    plain = {"gene_id": [f"ENSG{i}" for i in range(n)], "symbol": [f"S{i}" for i in range(n)], "detection": [0.5] * n}
    return pa.table({**plain, **columns})


def test_a_panel_has_the_size_that_is_asked_for_and_genes_that_are_expressed():
    assert checks.panel_is_complete(panel(), 4) == (True, "4 genes of 4 asked for, each with counts")
    assert checks.panel_is_complete(panel(), 5)[0] is False
    passed, words = checks.panel_is_complete(panel(detection=[0.5, 0.0, 0.2, 0.0]), 4)
    assert (passed, words) == (False, "4 genes of 4 asked for, 2 of them without a count in any cell")


def test_a_gene_that_stands_twice_in_the_panel_is_named():
    assert checks.genes_are_distinct(panel()) == (True, "4 genes, each id once")
    passed, words = checks.genes_are_distinct(panel(gene_id=["A", "B", "A", "C"]))
    assert (passed, words) == (False, "4 genes, 1 ids twice, such as A")


def test_a_panel_without_a_tf_is_told_of():
    assert checks.panel_holds_tfs(pa.table({"symbol": ["TP53"]}))[0]
    assert not checks.panel_holds_tfs(pa.table({"symbol": pa.array([], pa.string())}))[0]


def cell_sets() -> pa.Table:
    types, names = np.repeat(["T", "B"], 30), [f"cell{i}" for i in range(60)]
    return cell_set_table(cell_orders(types, names, repeats=2, length=20, seed=0), 10, (10, 20), n_groups=5, seed=0)


def test_repeats_hold_distinct_cells_or_are_named():
    whole = cell_sets()
    assert checks.repeats_hold_their_cells(whole, 10, 2) == (True, "each of 2 repeats holds 10 distinct cells")
    rows = whole.to_pylist()
    held = [i for i, row in enumerate(rows) if row["repeat"] == 1 and row["position"] < 10]
    rows[held[3]]["cell"] = rows[held[4]]["cell"]
    twice = pa.Table.from_pylist(rows, schema=whole.schema)
    assert checks.repeats_hold_their_cells(twice, 10, 2) == (False, "repeat 1 holds 9 distinct cells instead of 10")
    assert checks.repeats_hold_their_cells(whole, 10, 3) == (False, "2 repeats instead of 3")


def test_a_network_needs_an_edge_between_two_genes():
    whole = pa.table({"tf": ["A", "A"], "target": ["A", "B"]})
    told = "1 edges between two genes, 1 of a gene to itself, which no universe holds"
    assert checks.network_has_edges(whole) == (True, told)
    assert not checks.network_has_edges(whole.slice(0, 1))[0]
    assert not checks.network_has_edges(whole.slice(0, 0))[0]


def measured(*rows: dict) -> pa.Table:
    plain = {"network": "trrust", "tissue": "lung", "n_cells": 25, "universe": "tf_grid", "n_pos": 30}
    return pa.Table.from_pylist([{**plain, "positive_coverage": 0.5, **row} for row in rows or ({},)])


def test_few_positives_are_told_with_their_network_and_tissue():
    assert checks.enough_positives(measured()) == (True, "at least 30 positives")
    passed, words = checks.enough_positives(measured({}, {"n_pos": 29, "tissue": "liver", "network": "own"}))
    assert not passed
    assert words.startswith("29 positives of own in liver (tf_grid, 25 cells)")
    assert "trrust" not in words
    assert checks.enough_positives(measured().slice(0, 0)) == (True, "no metrics to check")


def test_positives_that_no_cell_shows_are_told_with_their_network_and_tissue():
    assert checks.seen_together(measured()) == (True, "at least 50% of the positives were seen together")
    passed, words = checks.seen_together(measured({}, {"positive_coverage": 0.31, "network": "own"}))
    assert not passed
    assert "only 31% of the positives of own in lung (tf_grid, 25 cells) were ever seen together" in words
    assert checks.seen_together(measured().slice(0, 0))[0]


@pytest.mark.parametrize(("known", "passes"), [(3, True), (2, False), (0, False)])
def test_a_model_must_know_a_tenth_of_the_genes(known, passes):
    passed, words = checks.vocabulary_covers(np.arange(30) < known)
    assert passed is passes
    assert words == f"{known} of 30 genes ({known / 30:.1%}) are in the model's vocabulary; at least 10% are needed"
    assert not checks.vocabulary_covers(np.zeros(0, bool))[0]


def test_the_fingerprint_is_held_against_what_the_catalog_expects():
    found = {"layers": 6, "heads": 4, "hidden": 256}
    passed, words = checks.fingerprint_is_declared(found, {"layers": 6, "hidden": 256})
    assert (passed, words) == (True, "layers, hidden as declared; found layers 6, heads 4, hidden 256")
    passed, words = checks.fingerprint_is_declared(found, {"layers": 12, "heads": 4})
    assert (passed, words) == (False, "layers declared 12, found 6")
    assert not checks.fingerprint_is_declared({}, {"layers": 12})[0]
    assert checks.fingerprint_is_declared(found, {})[1].startswith("the catalog expects nothing")


def sums(n_cells: int = 5) -> AttentionSums:
    made = AttentionSums.zeros((1, 2), 3)
    groups = GroupSums.zeros(2, 2, np.array([0, 2]), 3)
    groups.n_cells[:] = (2, 3)
    return replace(made, n_cells=n_cells, pairs=np.full((3, 3), 4, np.int32), groups=groups)


def test_sums_that_lost_or_doubled_a_cell_are_named_by_repeat():
    told = "the sums of each of 2 repeats hold 5 cells"
    assert checks.sums_hold_their_cells({0: sums(), 1: sums()}, 5, 2) == (True, told)
    assert checks.sums_hold_their_cells({0: sums(), 1: sums(6)}, 5, 2) == (False, "repeat 1 sums 6 cells instead of 5")
    assert checks.sums_hold_their_cells({0: sums()}, 5, 2) == (False, "sums of 1 repeats instead of 2")
    lost = sums()
    lost.groups.n_cells[1] = 2
    assert checks.sums_hold_their_cells({0: lost}, 5, 1) == (False, "repeat 0 sums 4 cells in groups instead of 5")
    many = replace(sums(), pairs=np.full((3, 3), 6, np.int32), groups=None)
    assert checks.sums_hold_their_cells({0: many}, 5, 1) == (False, "repeat 0 has a pair in 6 cells instead of 5")


def scores(matrix: np.ndarray, *keys: ScoreKey) -> EdgeScores:
    keys = keys or (ScoreKey(0, "attention", 3),)
    matrices = np.stack([matrix] * len(keys)).astype(np.float32)
    return EdgeScores(NAMES, NAMES, keys, matrices, {key.repeat: np.ones((K, K), np.int32) for key in keys})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_found_and_named(bad):
    whole = scores(np.zeros((K, K)), ScoreKey(0, "attention", 1), ScoreKey(1, "attention", 2, 4))
    assert checks.scores_are_finite(whole) == (True, f"{2 * K * K:,} values in 2 arrays, all finite")
    whole.scores[1, 2, 3] = bad
    passed, words = checks.scores_are_finite(whole)
    assert not passed
    assert words == "1 of 2 arrays hold NaN or infinity (first: attention layer 2 head 4 repeat 1, 1 values)"


def test_the_matrix_of_a_layer_is_that_of_the_first_repeat_without_heads():
    keys = (
        ScoreKey(1, "attention", 3),
        ScoreKey(0, "attention", 3, 2),
        ScoreKey(0, "attention_lift", 3),
        ScoreKey(0, "attention", 2),
        ScoreKey(0, "attention", 3),
    )
    made = scores(np.zeros((K, K)), *keys)
    made.scores[4] = 7
    found = checks.matrix_of_layer(made, ("attention", "attention_max"), 3)
    assert found.keys == (keys[4],)
    assert (found.scores == 7).all()
    assert checks.matrix_of_layer(made, ("attention",), None).keys == (keys[3],)
    assert checks.matrix_of_layer(made, ("attention_max", "attention_lift"), 3).keys == (keys[2],)
    assert checks.matrix_of_layer(made, ("attention",), 9) is None


TFS = NAMES[:6]
NETWORK = tidy_network(
    pa.table({"tf": np.repeat(TFS, 5), "target": [NAMES[(7 * i + 3) % K] for i in range(30)]}), NetworkSpec("net")
)
KNOWS = np.isin(np.arange(K), range(6))[:, None] * np.random.default_rng(0).random((K, K))


def test_permuted_labels_of_a_sound_ranking_score_half_every_time():
    models = {"a": scores(KNOWS), "b": scores(np.zeros((K, K)))}
    first = checks.permuted_labels_score_half(models, [NETWORK], "lung", TF_QUERIES)
    assert first[0]
    assert first[1].startswith("permuted labels of 2 rankings: furthest from 0.5 is a against net with 0.")
    assert checks.permuted_labels_score_half(models, [NETWORK], "lung", TF_QUERIES) == first


@pytest.mark.parametrize("bias", [0.1, -0.1])
def test_a_ranking_that_favours_any_labels_fails(monkeypatch: pytest.MonkeyPatch, bias):
    honest = METRICS_OF_PLACES["auroc"]
    monkeypatch.setitem(METRICS_OF_PLACES, "auroc", lambda *places: honest(*places) + bias)
    passed, words = checks.permuted_labels_score_half({"a": scores(KNOWS)}, [NETWORK], "lung", TF_QUERIES)
    assert not passed
    assert "a against net" in words


def test_a_ranking_that_has_nothing_to_permute_passes():
    strangers = tidy_network(pa.table({"tf": ["X"], "target": ["Y"]}), NetworkSpec("strangers"))
    told = (True, "no ranking whose labels could be permuted")
    assert checks.permuted_labels_score_half({"a": scores(KNOWS)}, [strangers], "lung", TF_QUERIES) == told
    assert checks.permuted_labels_score_half({}, [NETWORK], "lung", TF_QUERIES) == told


def test_more_rankings_are_allowed_more_standard_errors_so_that_slices_rarely_fail_by_chance():
    allowed = [checks._errors_allowed(n, 50) for n in (1, 10, 1000)]
    assert 4 < allowed[0] < allowed[1] < allowed[2] < 8
    drawn = np.random.default_rng(0).standard_t(49, size=(20_000, 10))
    assert not (np.abs(drawn).max(axis=1) > allowed[1]).any()  # 0.02 expected
