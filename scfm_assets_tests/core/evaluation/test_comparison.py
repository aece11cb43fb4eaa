"""What changed between two checkpoints: against scikit-learn without each TF, and what verdicts say."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import stdtrit
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.evaluation.comparison import compare
from scfm_assets.core.evaluation.metric_rows import Intervals, evaluate
from scfm_assets.core.metrics import METRICS
from scfm_assets.core.networks.table import NetworkSpec, NetworkTable, tidy_network
from scfm_assets.core.scores.edges import EdgeScores, ScoreKey
from scfm_assets.core.scores.left_out import LeftOut
from scfm_assets.core.statistics import effective_number
from scfm_assets.core.statistics.jackknife import jackknife_error
from scfm_assets.core.universes.control_networks import degree_matched, tf_grid_of
from scfm_assets.core.universes.matched_universes import MaskedUniverse
from scfm_assets.core.universes.universe import (
    ALL_PAIRS,
    OBSERVED,
    TF_GRID,
    UNIVERSES,
    candidates,
    edges_in_panel,
    positives,
)
from scfm_assets.tables.schema import arrow_schema

K = 40
NAMES = tuple(f"G{i}" for i in range(K))
SLICE = {"tissue": "lung", "n_cells": 50, "model": "m", "simulated": True}
BOTH = {**SLICE, "checkpoint": "new", "checkpoint_before": "old"}
FEW = Intervals(kinds=("pairs", "tfs", "cells"), resamples=25)
CLAIMS = Intervals(kinds=("network", "cells"))
SIZES = np.array([9, 7, 0, 8, 6])
DIRECTED, SYMMETRIC = ScoreKey(0, "attention", 3), ScoreKey(0, "hidden_state", 3, symmetric=True)


def network(name: str = "net", *, seed: int = 0, n_tfs: int = 10, n_edges: int = 90) -> NetworkTable:
    rng = np.random.default_rng(seed)
    tfs = np.array(NAMES)[rng.choice(K, n_tfs, replace=False)]
    return tidy_network(
        pa.table({"tf": rng.choice(tfs, n_edges), "target": rng.choice(NAMES, n_edges)}), NetworkSpec(name)
    )


NETWORKS = [network(), network("other", seed=1, n_tfs=15, n_edges=120)]
TRUTH = edges_in_panel(NETWORKS[0], NAMES, NAMES, tissue="lung").mask
TFS = np.unique(np.concatenate([edges_in_panel(n, NAMES, NAMES, tissue="lung").tfs for n in NETWORKS]))


def held_together() -> np.ndarray:
    half = np.random.default_rng(99).poisson(0.6, (K, K))
    return (half + half.T).astype(np.int32)


def scores(
    seed: int, *, know: float = 0.0, levels: int | None = None, common: int | None = None, groups: bool = True
) -> EdgeScores:
    """One directed and one symmetric matrix that know something of the first network; `common` is noise to share."""
    pairs, matrices, left = held_together(), {}, {}
    for key in (DIRECTED, SYMMETRIC):
        rng = np.random.default_rng([seed, key.symmetric])
        noise = rng.random((K, K)) if common is None else 0.2 * rng.random((K, K))
        if common is not None:
            noise += np.random.default_rng(common).random((K, K))
        matrix = noise + know * TRUTH
        matrix = matrix + matrix.T if key.symmetric else matrix
        matrix = np.round(matrix * levels) if levels else matrix
        matrix[pairs == 0] = 0
        np.fill_diagonal(matrix, 0)
        matrices[key] = matrix.astype(np.float32)
        turned = [matrix[TFS]] if key.symmetric else [matrix[TFS], matrix.T[TFS]]
        spread = rng.normal(0, 0.05, (len(SIZES), len(turned), len(TFS), K))
        left[key] = (np.stack(turned) + spread).astype(np.float32)
    held = np.maximum(0, pairs[TFS] - np.random.default_rng(5).integers(0, 2, (len(SIZES), 1, K)))
    without = LeftOut.of_arrays(TFS, {0: SIZES}, left, {0: held}) if groups else None
    return EdgeScores(NAMES, NAMES, tuple(matrices), np.stack(list(matrices.values())), {0: pairs}, without)


def rows(old: EdgeScores, new: EdgeScores, universes=UNIVERSES, intervals: Intervals = FEW, **where) -> list[dict]:
    table = compare(old, new, NETWORKS, universes, **BOTH, intervals=intervals).table
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in where.items())]


def test_the_schema_is_the_one_of_the_warehouse():
    schema = compare(scores(0), scores(1), NETWORKS, **BOTH, intervals=FEW).table.schema
    assert schema == arrow_schema("checkpoint_comparison")


@pytest.mark.parametrize("levels", [None, 4])
def test_values_are_those_of_metrics_to_the_bit(levels):
    old, new = scores(0, levels=levels), scores(1, know=0.4, levels=levels)
    compared = compare(old, new, NETWORKS, **BOTH, intervals=FEW).table
    names = ("repeat", "method", "layer", "head", "direction", "network", "universe", "metric", "interval")
    names = (*names, "network_version", "n_pos", "n_neg", "resamples")

    def metrics_of(side: EdgeScores, checkpoint: str) -> dict[tuple, float]:
        table = evaluate(side, NETWORKS, **SLICE, checkpoint=checkpoint, intervals=FEW).table.to_pylist()
        return {tuple(row[name] for name in names): row["value"] for row in table if row["interval"] != "pairs"}

    found = {tuple(row[name] for name in names): row for row in compared.to_pylist()}
    assert len(found) == compared.num_rows
    assert {key: row["value"] for key, row in found.items()} == metrics_of(new, "new")
    assert {key: row["value_before"] for key, row in found.items()} == metrics_of(old, "old")
    for row in found.values():
        assert row["difference"] == row["value"] - row["value_before"]
        assert (row["checkpoint"], row["checkpoint_before"], row["simulated"]) == ("new", "old", True)


@pytest.mark.parametrize("universe", UNIVERSES, ids=lambda universe: universe.name)
@pytest.mark.parametrize("direction", ["tf_queries", "tf_keys"])
def test_the_interval_over_tfs_is_the_jackknife_of_differences_of_scikit_learn(universe, direction):
    old, new = scores(0, levels=6), scores(1, know=0.3)
    edges, pairs = edges_in_panel(NETWORKS[0], NAMES, NAMES, tissue="lung"), new.pairs[0]
    mask, labels = candidates(universe, edges, pairs), positives(universe, edges, pairs)
    matrices = [side.scores[0].T if direction == "tf_keys" else side.scores[0] for side in (new, old)]
    units = np.count_nonzero(labels.any(axis=1))
    for metric, function in {"auroc": roc_auc_score, "auprc": average_precision_score}.items():
        differences = []
        for tf in edges.tfs:
            rest = mask & (np.arange(K) != tf)[:, None]  # genes that are no TF stay
            now, before = (function(labels[rest], matrix[rest]) for matrix in matrices)
            differences.append(now - before)
        n = len(differences)
        error = np.sqrt((n - 1) / n * ((differences - np.mean(differences)) ** 2).sum())
        where = {"method": "attention", "direction": direction, "network": "net", "metric": metric, "interval": "tfs"}
        (row,) = rows(old, new, [universe], **where)
        reach = stdtrit(units - 1, 0.975) * error
        assert row["resamples"] == units
        if metric == "auprc" and effective_number(labels.sum(axis=1)) < 10:
            assert (row["lo"], row["hi"], row["verdict"]) == (None, None, "indistinguishable")
            continue
        assert (row["lo"], row["hi"]) == pytest.approx((row["difference"] - reach, row["difference"] + reach), abs=1e-9)


def test_matched_universes_are_compared_as_all_others_are():
    old, new = scores(0), scores(1, know=0.5)
    edges = edges_in_panel(NETWORKS[0], NAMES, NAMES, tissue="lung")
    rewired = degree_matched(edges, seed=1).mask
    matched = {"net": [MaskedUniverse("rewired", tf_grid_of(edges), rewired, edges.tfs)]}
    table = compare(old, new, NETWORKS, [TF_GRID], matched=matched, **BOTH, intervals=FEW).table.to_pylist()
    found = [row for row in table if row["universe"] == "rewired"]
    assert {(row["network"], row["interval"]) for row in found} == {("net", "tfs"), ("net", "cells")}
    assert [row for row in table if row["universe"] == "tf_grid"] == rows(old, new, [TF_GRID])
    mask, labels = candidates(TF_GRID, edges, new.pairs[0]), matched["net"][0].positive
    (row,) = [r for r in found if (r["direction"], r["metric"], r["interval"]) == ("tf_queries", "auroc", "tfs")]
    for name, side in (("value", new), ("value_before", old)):
        assert row[name] == pytest.approx(roc_auc_score(labels[mask], side.scores[0][mask]), abs=1e-12)


def test_the_interval_over_cells_is_the_jackknife_of_the_difference():
    old, new = scores(0), scores(1, know=0.2)
    edges = edges_in_panel(NETWORKS[1], NAMES, NAMES, tissue="lung")
    at = np.searchsorted(TFS, edges.tfs)
    mask = np.ones((len(edges.tfs), K), bool)
    mask[np.arange(len(edges.tfs)), edges.tfs] = False
    labels = edges.mask[edges.tfs][mask]

    def auroc(matrix: np.ndarray) -> float:
        return roc_auc_score(labels, matrix[mask])

    for place, direction in enumerate(("tf_queries", "tf_keys")):
        without = [
            auroc(new.left_out.scores(DIRECTED)[group, place, at])
            - auroc(old.left_out.scores(DIRECTED)[group, place, at])
            for group in range(len(SIZES))
        ]
        matrices = [side.scores[0].T if place else side.scores[0] for side in (new, old)]
        difference = auroc(matrices[0][edges.tfs]) - auroc(matrices[1][edges.tfs])
        reach = stdtrit(3, 0.975) * jackknife_error(np.array(difference), np.array(without), SIZES)
        where = {"method": "attention", "direction": direction, "network": "other", "metric": "auroc"}
        (row,) = rows(old, new, [TF_GRID], **where, interval="cells")
        assert (row["difference"], row["lo"], row["hi"]) == pytest.approx(
            (difference, difference - reach, difference + reach), abs=1e-12
        )
        assert row["resamples"] == 4  # one of the five groups has no cell


def test_a_checkpoint_differs_from_itself_by_what_cannot_be_tested():
    found = rows(scores(3, know=0.5), scores(3, know=0.5), intervals=Intervals())
    assert {(row["difference"], row["lo"], row["hi"], row["verdict"]) for row in found} == {
        (0.0, None, None, "indistinguishable")
    }
    assert {row["interval"] for row in found} == {"network", "tfs", "targets", "cells"}


def test_a_planted_improvement_is_better_and_its_loss_is_worse():
    poor, good = scores(0), scores(1, know=2.0)
    where = {"method": "attention", "direction": "tf_queries", "network": "net", "universe": "observed"}
    gained, lost = (rows(*sides, intervals=CLAIMS, **where) for sides in ((poor, good), (good, poor)))
    assert len(gained) == len(lost) == 2 * 4
    for found, word in ((gained, "better"), (lost, "worse")):
        tested = {(row["interval"], row["metric"]): row["verdict"] for row in found if row["lo"] is not None}
        assert set(tested.values()) == {word}
        assert {("network", "auroc"), *(("cells", metric.name) for metric in METRICS)} <= set(tested)


def test_the_other_way_round_is_the_same_with_the_other_sign():
    opposite = {"better": "worse", "worse": "better", "indistinguishable": "indistinguishable"}
    old, new = scores(0, levels=5), scores(1, know=0.5)
    forward, back = rows(old, new), rows(new, old)
    assert len(forward) == len(back) > 100
    for one, other in zip(forward, back, strict=True):
        assert (one["value"], one["value_before"]) == (other["value_before"], other["value"])
        assert one["difference"] == -other["difference"]
        if one["lo"] is None:
            assert (one["hi"], other["lo"], other["hi"]) == (None, None, None)
        else:
            assert (one["lo"], one["hi"]) == pytest.approx((-other["hi"], -other["lo"]), abs=1e-12)
        assert one["verdict"] == opposite[other["verdict"]]


def test_what_both_have_in_common_does_not_widen_the_interval():
    where = {"method": "attention", "direction": "tf_queries", "network": "net", "metric": "auroc", "interval": "tfs"}
    old, new = scores(0, common=7), scores(1, common=7)
    (paired,) = rows(old, new, [TF_GRID], **where)
    widths = [
        row["hi"] - row["lo"]
        for side in (old, new)
        for row in evaluate(side, NETWORKS, [TF_GRID], **SLICE, checkpoint="c", intervals=FEW).table.to_pylist()
        if all(row[name] == value for name, value in where.items())
    ]
    assert len(widths) == 2
    assert paired["hi"] - paired["lo"] < 0.6 * np.hypot(*widths)


def test_the_interval_over_tfs_holds_the_true_difference_about_as_often_as_it_says():
    """TFs differ: edges score N(b, 1) with b ~ N(1, 1) per TF before and now, other pairs N(0, 1): no true change."""
    held, worlds, n_tfs = 0, 150, 24
    names = tuple(f"T{i}" for i in range(60))
    tfs = np.repeat(np.arange(n_tfs), 10)
    targets = 24 + (np.arange(len(tfs)) * 7) % 36
    one = tidy_network(
        pa.table({"tf": [names[i] for i in tfs], "target": [names[j] for j in targets]}), NetworkSpec("n")
    )
    mask = edges_in_panel(one, names, names, tissue="lung").mask
    asked = Intervals(kinds=("tfs",))
    for world in range(worlds):
        rng = np.random.default_rng(world)
        old, new = (
            EdgeScores(
                names,
                names,
                (DIRECTED,),
                (rng.normal(size=(1, 60, 60)) + mask * rng.normal(1, 1, (1, 60, 1))).astype(np.float32),
                {0: np.ones((60, 60), np.int32)},
            )
            for _ in range(2)
        )
        table = compare(old, new, [one], [TF_GRID], **BOTH, directions=DIRECTED.directions()[:1], intervals=asked).table
        (row,) = [row for row in table.to_pylist() if row["metric"] == "auroc"]
        within = row["lo"] <= 0 <= row["hi"]
        assert within == (row["verdict"] == "indistinguishable")
        held += within
    assert 0.89 < held / worlds < 1  # 0.95 less three standard errors


def test_a_universe_that_holds_other_pairs_for_one_checkpoint_is_not_compared():
    old, new = scores(0), scores(1)
    blind = replace(new, pairs={0: np.where(TRUTH | TRUTH.T, 0, new.pairs[0]).astype(np.int32)})
    found = compare(old, blind, NETWORKS[:1], **BOTH, intervals=FEW)
    assert set(found.table["universe"].to_pylist()) == {"all_pairs", "tf_grid"}
    (reason,) = found.reasons
    assert reason.startswith("network 'net', universe 'observed', repeat 0: the two checkpoints see other pairs")


def test_a_universe_without_positives_is_not_compared():
    old, new = (
        replace(side, pairs={0: np.where(TRUTH | TRUTH.T, 0, side.pairs[0]).astype(np.int32)})
        for side in (scores(0), scores(1))
    )
    found = compare(old, new, NETWORKS[:1], [OBSERVED], **BOTH, intervals=FEW)
    assert found.table.num_rows == 0
    assert found.reasons == (
        "network 'net', universe 'observed', repeat 0: no positives or no negatives to rank: not compared",
    )


def test_matrices_that_only_one_has_are_named():
    old, new = scores(0), scores(1)
    deeper = replace(new, keys=(ScoreKey(0, "attention", 9, 2), SYMMETRIC), left_out=None)
    found = compare(old, deeper, NETWORKS, **BOTH, intervals=replace(FEW, kinds=("tfs",)))
    assert set(found.table["method"].to_pylist()) == {"hidden_state"}
    assert found.reasons == (
        "the checkpoint before has no attention layer 9 head 2: not compared",
        "the new checkpoint has no attention layer 3: not compared",
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (None, "not known of both"),
        ({"tfs": TFS + 1}, "for other TFs before"),
        ({"n_cells": {0: SIZES[::-1]}}, "are others than before"),
        ({"n_cells": {1: SIZES}}, "are others than before"),
    ],
)
def test_groups_of_cells_that_are_not_the_same_give_no_intervals_over_cells(changed, told):
    old, new = scores(0), scores(1)
    old = replace(old, left_out=None if changed is None else replace(old.left_out, **changed))
    found = compare(old, new, NETWORKS, **BOTH, intervals=FEW)
    assert set(found.table["interval"].to_pylist()) == {"tfs"}
    assert any(told in reason for reason in found.reasons)


def test_intervals_over_pairs_alone_compare_nothing_and_say_so():
    found = compare(scores(0), scores(1), NETWORKS, **BOTH, intervals=Intervals(kinds=("pairs",)))
    assert found.table.num_rows == 0
    assert found.table.schema == arrow_schema("checkpoint_comparison")
    assert "share TFs and groups of cells, not draws of pairs" in found.reasons[0]


def test_universes_of_all_genes_have_no_interval_over_cells():
    assert {row["interval"] for row in rows(scores(0), scores(1), [ALL_PAIRS])} == {"tfs"}


def test_a_network_of_one_tf_leaves_the_difference_without_limits():
    one = tidy_network(pa.table({"tf": ["G1"] * 3, "target": ["G2", "G3", "G4"]}), NetworkSpec("one"))
    found = compare(scores(0), scores(1), [one], [TF_GRID], **BOTH, intervals=replace(FEW, kinds=("tfs",)))
    told = {(row["lo"], row["hi"], row["resamples"], row["verdict"]) for row in found.table.to_pylist()}
    assert told == {(None, None, 1, "indistinguishable")}


def test_scores_of_two_panels_are_a_bug_of_the_caller():
    other = replace(scores(1), gene_ids=NAMES[::-1])
    with pytest.raises(ValueError, match="not of one panel"):
        compare(scores(0), other, NETWORKS, **BOTH)
