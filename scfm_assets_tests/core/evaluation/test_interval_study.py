"""Coverage of the intervals, and verdicts where there is nothing to find. Figures: `interval_study` run with 500."""

import numpy as np
import pytest

from scfm_assets.core.statistics.uncertainty import verdict_of_all
from scfm_assets_tests.core.evaluation.interval_study import (
    OF_DONORS,
    SHARED,
    UNEVEN,
    WORLDS,
    coverage,
    false_positives,
    permuted_labels,
    structured_scores,
)
from scfm_assets_tests.core.statistics.resamples import over_cells, over_tfs

KEPT = {
    "100 edges": ("auroc", "auprc", "auprc_ratio", "epr"),
    "20 edges": ("auroc",),
    "10 edges": ("auroc",),
    "50 edges, AUROC 0.98": ("auroc", "auprc"),
    "40 TFs": ("auroc", "auprc", "auprc_ratio"),
    "10 TFs": ("auroc",),
    "5 TFs": ("auroc",),
    "40 TFs, few have most edges": ("auroc", "auprc"),
    "20 TFs, AUROC 0.98": ("auroc", "auprc"),
    "cells share a signal": ("auroc", "auprc"),
    "cells share a signal, 5 groups": ("auroc",),
    "cells share little": ("auroc", "auprc"),
    "cells share nothing": ("auroc", "auprc"),
    "cells share nothing, more noise": ("auroc",),
}
"""What an interval of 95 % is trusted with. Average precision and early precision of 10 or 20 edges hang on the one or
two that come first (81 to 89 %, early precision 55 to 85 %); over cells early precision moves in steps, and the
jackknife makes too much of them (99 %)."""


@pytest.mark.long
@pytest.mark.parametrize("name", KEPT)
def test_intervals_hold_the_truth_as_often_as_they_say(name):
    for row in coverage(WORLDS[name]):
        if row["interval"] == "scaled" and row["metric"] in KEPT[name]:
            assert 0.90 <= row["coverage"] <= 0.97, row
        if row["interval"] == "difference" and row["metric"] == "auroc":
            assert 0.90 <= row["coverage"] <= 0.97, row


def told(name: str, rows: list[dict]) -> dict[tuple[str, str], dict]:
    """Print what `coverage` found, and give it by interval and metric."""
    for row in rows:
        held = f"{row['coverage']:.3f}" if "coverage" in row else "none"
        print(f"{name}: {row['interval']}, {row['metric']}: {held} of {row['given']:.2f}")
    return {(row["interval"], row["metric"]): row for row in rows}


@pytest.mark.long
@pytest.mark.parametrize("name", SHARED)
def test_intervals_over_the_network_hold_the_truth_where_tfs_share_targets(name):
    found = told(name, coverage(SHARED[name], datasets=400))
    error = np.sqrt(0.95 * 0.05 / 400)
    for metric in ("auroc", "auprc", "auprc_ratio", "epr"):
        value, difference = found["scaled", metric], found["difference", metric]
        assert value["given"] > 0.9
        assert 0.93 - 2 * error <= value["coverage"] <= 0.97 + 2 * error, metric
        assert 0.92 - 2 * error <= difference["coverage"] <= 0.97 + 3 * error, metric
    if SHARED[name].targets_differ and SHARED[name].n_tfs >= 100:
        assert found["over TFs alone", "auroc"]["coverage"] < 0.85


@pytest.mark.long
@pytest.mark.parametrize("name", UNEVEN)
def test_intervals_over_the_network_hold_the_truth_where_few_tfs_have_most_edges(name):
    found = told(name, coverage(UNEVEN[name], datasets=400))
    error = np.sqrt(0.95 * 0.05 / 400)
    assert 0.93 - 2 * error <= found["scaled", "auroc"]["coverage"] <= 0.97 + 2 * error
    assert 0.92 - 2 * error <= found["difference", "auroc"]["coverage"] <= 0.98 + 2 * error
    for metric in ("auprc", "auprc_ratio"):
        if found["scaled", metric]["given"] > 0.5:  # fewer are data sets of a kind
            assert 0.92 - 2 * error <= found["scaled", metric]["coverage"] <= 0.97 + 2 * error, metric
    if UNEVEN[name].n_tfs < 10:
        assert found["scaled", "auprc"]["given"] == 0


@pytest.mark.long
@pytest.mark.parametrize("name", OF_DONORS)
def test_intervals_over_donors_hold_what_other_donors_say_and_those_of_few_what_these_say(name):
    found = told(name, coverage(OF_DONORS[name], datasets=400))
    error = np.sqrt(0.95 * 0.05 / 400)
    for interval in ("scaled", "difference"):
        assert 0.92 - 2 * error <= found[interval, "auroc"]["coverage"] <= 0.97 + 2 * error, interval


def test_percentiles_of_few_tfs_are_too_short_and_students_t_mends_it():
    found = {row["interval"]: row for row in coverage(WORLDS["5 TFs"], datasets=150) if row["metric"] == "auroc"}
    assert found["percentile"]["coverage"] < 0.87
    assert found["scaled"]["coverage"] > 0.90


@pytest.mark.long
def test_verdicts_on_permuted_labels_are_seldom_other_than_indistinguishable():
    found = false_positives(structured_scores(np.random.default_rng(1)), 200)
    error = np.sqrt(0.05 * 0.95 / 1000)
    for (kind, against, metric), share in found.items():
        assert share <= 0.05 + 3 * error, (kind, against, metric)
        if kind == "both":
            assert share <= 0.05, metric


def test_a_study_is_decided_by_its_seed():
    world = WORLDS["10 TFs"]
    assert coverage(world, datasets=3, seed=5) == coverage(world, datasets=3, seed=5)
    scores = structured_scores(np.random.default_rng(0), 6, 30)
    once = false_positives(scores, 20, permutations=3)
    assert once == false_positives(scores, 20, permutations=3)
    assert set(once) >= {("pairs", "chance", "auroc"), ("tfs", "difference", "auprc"), ("both", "difference", "epr")}


@pytest.mark.long
def test_cells_alone_take_the_luck_of_the_edges_for_knowledge_and_tfs_as_well_do_not():
    """Edges anywhere: over cells two methods differ far more often than in 5 % of cases, over cells and TFs not."""
    rng = np.random.default_rng(0)
    scores = structured_scores(np.random.default_rng(1)).reshape(2, 1, -1) + 3 * rng.normal(size=(2, 10, 4000))
    total, sizes = scores.sum(axis=1), np.ones(10)
    alone, both = 0, 0
    for pairs in permuted_labels((40, 100), 200, 200, 3):
        cells = over_cells(total / 10, (total[:, None] - scores) / 9, sizes, pairs).difference(0, 1)[0]
        alone += cells.verdict != "indistinguishable"
        both += verdict_of_all([cells, over_tfs(total / 10, pairs).difference(0, 1)[0]]) != "indistinguishable"
    assert alone / 200 > 0.1
    assert both / 200 <= 0.05
