"""The rows of `metrics` against scikit-learn on explicit masks, and what intervals and reasons say."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.evaluation.checks import is_half
from scfm_assets.core.evaluation.intervals import Intervals
from scfm_assets.core.evaluation.metric_rows import NoNetwork, evaluate, networks_of, no_rows
from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.metrics.metrics import METRICS
from scfm_assets.core.networks.table import NetworkSpec, NetworkTable, tidy_network
from scfm_assets.core.sampling.levels import GeneLevels
from scfm_assets.core.scores.edges import EdgeScores, ScoreKey
from scfm_assets.core.scores.left_out import LeftOut
from scfm_assets.core.statistics import Donors, Permuted, one_side, permutation_test, permuted_anywhere
from scfm_assets.core.universes.control_networks import degree_matched, tf_grid_of
from scfm_assets.core.universes.matched_universes import MaskedUniverse, expression_matched
from scfm_assets.core.universes.universe import (
    OBSERVED,
    TF_GRID,
    UNIVERSES,
    Universe,
    candidates,
    edges_in_panel,
    positives,
)
from scfm_assets.tables import evaluation as tables
from scfm_assets_tests.core.statistics import resamples

K = 60
IDS = tuple(f"ENSG{i:011d}" for i in range(K))
SYMBOLS = tuple(f"G{i}" for i in range(K))
SLICE = {"tissue": "lung", "n_cells": 50, "model": "m", "checkpoint": "abc", "simulated": True}
FEW = Intervals(kinds=("pairs", "tfs", "cells"), resamples=20)


def network(
    name: str = "net", *, seed: int = 0, n_tfs: int = 8, n_edges: int = 70, ids: str = "symbol"
) -> NetworkTable:
    """A network in the panel, with edges to genes outside it."""
    rng = np.random.default_rng(seed)
    names = np.array(IDS if ids == "ensembl" else SYMBOLS)
    tfs, targets = rng.choice(K, n_tfs, replace=False), rng.integers(K, size=n_edges)
    raw = pa.table({"tf": [*names[rng.choice(tfs, n_edges)], names[50]], "target": [*names[targets], "elsewhere"]})
    return tidy_network(raw, NetworkSpec(name, ids=ids))


NETWORKS = [network(), network("other", seed=1, n_tfs=20, n_edges=200, ids="ensembl")]


def seen_together(seed: int) -> np.ndarray:
    """Cells that hold both, about a third of the pairs in none."""
    half = np.random.default_rng(seed).poisson(0.5, (K, K))
    return (half + half.T).astype(np.int32)


def scores(levels: int | None = None, *, know: float = 0.0) -> EdgeScores:
    """One directed and one symmetric score for two repeats; `know` is what they know of the first network."""
    pairs = {repeat: seen_together(repeat) for repeat in (0, 1)}
    truth = edges_in_panel(NETWORKS[0], IDS, SYMBOLS, tissue="lung").mask
    keys, matrices = [], []
    for repeat, held in pairs.items():
        for symmetric in (False, True):
            matrix = np.random.default_rng(repeat).random((K, K)) + know * truth
            matrix = matrix + matrix.T if symmetric else matrix
            matrix = np.round(matrix * levels) if levels else matrix
            matrix[held == 0] = 0
            np.fill_diagonal(matrix, 0)
            keys.append(
                ScoreKey(repeat, "pearson" if symmetric else "attention", None if symmetric else 3, symmetric=symmetric)
            )
            matrices.append(matrix)
    return EdgeScores(IDS, SYMBOLS, tuple(keys), np.array(matrices, np.float32), pairs)


def one_row(table: pa.Table, **where) -> dict:
    """The only row where the columns have these values."""
    found = [row for row in table.to_pylist() if all(row[name] == value for name, value in where.items())]
    assert len(found) == 1
    return found[0]


def by_masks(edge_scores: EdgeScores, repeat: int, direction: str, network: str, universe: str) -> dict:
    """Evaluate one ranking on explicit masks of candidates and positives."""
    method = "pearson" if direction == "symmetric" else "attention"
    matrix = next(
        m for k, m in zip(edge_scores.keys, edge_scores.scores, strict=True) if (k.repeat, k.method) == (repeat, method)
    )
    matrix = matrix.T if direction == "tf_keys" else matrix
    one = next(n for n in NETWORKS if n.name == network)
    edges, pairs = edges_in_panel(one, IDS, SYMBOLS, tissue="lung"), edge_scores.pairs[repeat]
    record = next(u for u in UNIVERSES if u.name == universe)
    mask, labels = candidates(record, edges, pairs), positives(record, edges, pairs)
    y, s = labels[mask], matrix[mask]
    k = int(y.sum())
    cut = np.sort(s)[-k]
    early = (y[s > cut].sum() + (k - (s > cut).sum()) * y[s == cut].mean()) / k
    precision = average_precision_score(y, s)
    return {
        "auroc": roc_auc_score(y, s),
        "auprc": precision,
        "auprc_ratio": precision / y.mean(),
        "epr": early / y.mean(),
        "n_pos": k,
        "n_neg": len(y) - k,
        "n_tfs": np.count_nonzero(labels.any(axis=1)),
        "effective_tfs": k**2 / (labels.sum(axis=1) ** 2).sum(),
        "base_rate": k / len(y),
        "pair_coverage": (pairs[mask] > 0).sum() / mask.sum(),
        "positive_coverage": (pairs[labels] > 0).sum() / k,
        "network_version": one.version,
    }


@pytest.mark.parametrize("levels", [None, 4])
def test_every_row_is_what_scikit_learn_finds_on_the_masks(levels):
    edge_scores = scores(levels)
    table = evaluate(edge_scores, NETWORKS, **SLICE, intervals=FEW).table
    assert table.schema == tables.METRICS.schema
    rows = table.to_pylist()
    names = ("repeat", "direction", "network", "universe", "metric", "interval")
    assert len({tuple(row[name] for name in names) for row in rows}) == len(rows) == 2 * 3 * 2 * 3 * 4 * 2
    expected = {}
    for row in rows:
        where = tuple(row[name] for name in names[:4])
        if where not in expected:
            expected[where] = by_masks(edge_scores, *where)
        assert abs(row["value"] - expected[where][row["metric"]]) <= 1e-12 * max(1, row["value"])
        for name in ("n_pos", "n_neg", "base_rate", "pair_coverage", "positive_coverage", "network_version"):
            assert row[name] == expected[where][name]
        assert (row["method"], row["layer"]) == (
            ("pearson", None) if row["direction"] == "symmetric" else ("attention", 3)
        )
        if row["lo"] is None:  # nothing varies, or there are too few TFs for metrics of the first pairs
            few = row["interval"] == "tfs" and expected[where]["effective_tfs"] < 10
            assert row["metric"] != "auroc"
            assert few or (row["metric"], row["value"]) == ("epr", 0)
        else:
            assert row["lo"] <= row["hi"]
        assert row["resamples"] == {"pairs": row["n_pos"], "tfs": expected[where]["n_tfs"]}[row["interval"]]


def test_a_universe_of_ones_own_is_one_record():
    own = Universe("seen_pairs", "every pair of the panel that some cell holds", rows="panel", seen_only=True)
    edge_scores = scores(4)
    table = evaluate(edge_scores, NETWORKS[:1], [own], **SLICE, intervals=FEW).table
    edges = edges_in_panel(NETWORKS[0], IDS, SYMBOLS, tissue="lung")
    mask = candidates(own, edges, edge_scores.pairs[1])
    row = one_row(table, repeat=1, direction="tf_keys", metric="auroc", interval="pairs")
    assert abs(row["value"] - roc_auc_score(edges.mask[mask], edge_scores.scores[2].T[mask])) <= 1e-12


def test_scores_that_know_the_network_in_one_direction_are_found_there():
    table = evaluate(scores(know=2.0), NETWORKS, [TF_GRID, OBSERVED], **SLICE, intervals=FEW).table
    where = {"repeat": 0, "method": "attention", "network": "net", "metric": "auroc", "interval": "tfs"}
    assert one_row(table, **where, direction="tf_queries", universe="observed")["value"] == 1
    assert abs(one_row(table, **where, direction="tf_keys", universe="observed")["value"] - 0.5) < 0.2
    assert one_row(table, **where, direction="tf_queries", universe="tf_grid")["value"] < 1  # unseen positives score 0
    other = one_row(table, **{**where, "network": "other"}, direction="tf_queries", universe="observed")
    assert other["lo"] < 0.6


def test_rows_do_not_depend_on_the_order_of_the_panel_nor_on_the_other_networks():
    edge_scores = scores(4)
    order = np.random.default_rng(5).permutation(K)
    moved = EdgeScores(
        tuple(IDS[i] for i in order),
        tuple(SYMBOLS[i] for i in order),
        edge_scores.keys,
        edge_scores.scores[:, order][:, :, order],
        {repeat: pairs[np.ix_(order, order)] for repeat, pairs in edge_scores.pairs.items()},
    )
    pairs_only = Intervals(kinds=("pairs",), resamples=10)
    plain = evaluate(edge_scores, NETWORKS[:1], **SLICE, intervals=pairs_only).table
    assert evaluate(moved, NETWORKS[:1], **SLICE, intervals=pairs_only).table.equals(plain)
    both = evaluate(edge_scores, NETWORKS[::-1], **SLICE, intervals=FEW).table.to_pylist()
    alone = evaluate(edge_scores, NETWORKS[:1], **SLICE, intervals=FEW).table.to_pylist()
    assert [row for row in both if row["network"] == "net"] == alone


def test_the_interval_over_tfs_is_wider_where_the_edges_of_a_tf_succeed_or_fail_together():
    edge_scores = scores()
    edges = edges_in_panel(NETWORKS[1], IDS, SYMBOLS, tissue="lung")
    of_tf = np.random.default_rng(9).choice([-1, 1], size=(K, 1))
    edge_scores.scores[0] += (of_tf * edges.mask).astype(np.float32)
    table = evaluate(edge_scores, NETWORKS, [TF_GRID], **SLICE, intervals=FEW).table
    where = {"repeat": 0, "direction": "tf_queries", "network": "other", "metric": "auroc"}
    widths = {kind: one_row(table, **where, interval=kind) for kind in ("pairs", "tfs")}
    assert widths["tfs"]["hi"] - widths["tfs"]["lo"] > 1.5 * (widths["pairs"]["hi"] - widths["pairs"]["lo"])
    for row in widths.values():
        assert row["lo"] < row["value"] < row["hi"]


def test_the_layer_of_a_curve_keeps_the_parts_of_its_errors_and_others_do_not():
    table = evaluate(scores(), NETWORKS[:1], [TF_GRID], **SLICE, intervals=FEW, curve_layer=3).table
    kept = {(row["metric"], row["interval"]) for row in table.to_pylist() if row["parts"] is not None}
    assert kept == {("auroc", "tfs"), ("auprc", "tfs")}
    elsewhere = evaluate(scores(), NETWORKS[:1], [TF_GRID], **SLICE, intervals=FEW, curve_layer=2).table.to_pylist()
    assert all(row["parts"] is None for row in elsewhere if row["layer"] == 3)
    assert any(row["parts"] is not None for row in elsewhere if row["layer"] is None)


def test_parts_over_tfs_are_what_the_value_without_each_tf_says():
    edge_scores, where = scores(), {"repeat": 0, "direction": "tf_queries", "metric": "auroc", "interval": "tfs"}
    table = evaluate(edge_scores, NETWORKS[:1], [TF_GRID], **SLICE, intervals=FEW, curve_layer=3).table
    row = one_row(table, **where)
    edges = edges_in_panel(NETWORKS[0], IDS, SYMBOLS, tissue="lung")
    mask, matrix = candidates(TF_GRID, edges, edge_scores.pairs[0]), edge_scores.scores[0]
    without = []
    for tf in edges.tfs:
        kept = mask & (np.arange(K) != tf)[:, None]
        without.append(roc_auc_score(edges.mask[kept], matrix[kept]))
    n = len(without)
    expected = np.sqrt((n - 1) / n) * (np.mean(without) - np.array(without))
    assert row["parts"] == pytest.approx(expected, abs=1e-6)


def test_a_lower_level_gives_a_narrower_interval():
    where = {"repeat": 0, "direction": "tf_queries", "network": "net", "metric": "auroc", "interval": "pairs"}
    wide, narrow = (
        one_row(evaluate(scores(), NETWORKS, [TF_GRID], **SLICE, intervals=replace(FEW, level=level)).table, **where)
        for level in (0.99, 0.5)
    )
    assert wide["lo"] < narrow["lo"] < narrow["hi"] < wide["hi"]


def with_groups(edge_scores: EdgeScores, *, sizes: tuple[int, ...] = (5, 8, 0, 6, 7)) -> EdgeScores:
    """Scores without each group of cells: those of all cells with some noise, for every gene that is a TF."""
    rng = np.random.default_rng(11)
    tfs = np.unique(np.concatenate([edges_in_panel(n, IDS, SYMBOLS, tissue="lung").tfs for n in NETWORKS]))
    left, held = {}, {}
    for key, matrix in zip(edge_scores.keys, edge_scores.scores, strict=True):
        turned = [matrix[tfs]] if key.symmetric else [matrix[tfs], matrix.T[tfs]]
        noise = rng.normal(0, 0.05, (len(sizes), len(turned), len(tfs), K))
        left[key] = (np.stack(turned) + noise).astype(np.float32)
        held[key.repeat] = np.maximum(0, edge_scores.pairs[key.repeat][tfs] - rng.integers(0, 2, (len(sizes), 1, K)))
    groups = LeftOut.of_arrays(tfs, dict.fromkeys(held, np.array(sizes)), left, held)
    return replace(edge_scores, left_out=groups)


def on_log_odds(value: float, left: np.ndarray, share: np.ndarray, units: int, n_pos: int, n_neg: int, level: float):
    """Limits of an AUROC: value +- t times the jackknife error of its log odds, half a pair away from 0 and 1."""
    pairs = n_pos * n_neg
    odds = lambda area: np.log((area * pairs + 0.5) / ((1 - area) * pairs + 0.5))  # noqa: E731
    h = 1 / share
    pseudo = h * odds(value) - (h - 1) * odds(left)
    estimate = len(h) * odds(value) - ((1 - share) * odds(left)).sum()
    error = np.sqrt(((pseudo - estimate) ** 2 / (h - 1)).mean())
    ends = odds(value) + np.array([-1, 1]) * stats.t.ppf((1 + level) / 2, units - 1) * error
    return np.clip(((pairs + 1) / (1 + np.exp(-ends)) - 0.5) / pairs, 0, 1)


def universes_of(place: int, edge_scores: EdgeScores, levels: GeneLevels) -> list[MaskedUniverse]:
    """The matched universe of a network, and one whose edges are others."""
    edges = edges_in_panel(NETWORKS[place], edge_scores.gene_ids, edge_scores.symbols, tissue="lung")
    control = degree_matched(edges, seed=place)
    others = MaskedUniverse("rewired", tf_grid_of(edges), control.mask, edges.tfs)
    return [expression_matched(edges, levels, seed=place), others]


def matched_universes(edge_scores: EdgeScores) -> dict[str, list[MaskedUniverse]]:
    rng = np.random.default_rng(21)
    levels = GeneLevels(rng.lognormal(size=K), rng.random(K))
    return {network.name: universes_of(place, edge_scores, levels) for place, network in enumerate(NETWORKS)}


def test_intervals_over_tfs_and_cells_are_the_jackknife_of_rankings_on_the_masks():
    edge_scores, intervals = with_groups(scores()), Intervals(kinds=("tfs", "cells"), level=0.9)
    matched = matched_universes(edge_scores)
    table = evaluate(edge_scores, NETWORKS, matched=matched, **SLICE, intervals=intervals).table
    rows = [row for row in table.to_pylist() if (row["metric"], row["repeat"]) == ("auroc", 0)]
    found = {kind: {row["universe"] for row in rows if row["interval"] == kind} for kind in ("tfs", "cells")}
    own = {"tf_grid", "observed", "expression_matched", "rewired"}
    assert found == {"tfs": own | {"all_pairs"}, "cells": own}
    sizes = np.array((5, 8, 0, 6, 7))
    for row in rows:
        symmetric = row["direction"] == "symmetric"
        key = ScoreKey(row["repeat"], row["method"], row["layer"], symmetric=symmetric)
        edges = edges_in_panel(next(n for n in NETWORKS if n.name == row["network"]), IDS, SYMBOLS, tissue="lung")
        masked = next((u for u in matched[row["network"]] if u.name == row["universe"]), None)
        labels = edges.mask if masked is None else masked.positive
        plain = next((u for u in UNIVERSES if u.name == row["universe"]), None)
        mask = masked.candidate if plain is None else candidates(plain, edges, edge_scores.pairs[row["repeat"]])
        matrix = edge_scores.scores[edge_scores.keys.index(key)]
        matrix = matrix.T if row["direction"] == "tf_keys" else matrix
        assert (row["n_pos"], row["n_neg"]) == ((labels & mask).sum(), (~labels & mask).sum())
        value = roc_auc_score(labels[mask], matrix[mask])
        assert abs(row["value"] - value) <= 1e-12
        left = []
        if row["interval"] == "tfs":
            for tf in edges.tfs:
                rest = mask & (np.arange(K) != tf)[:, None]
                left.append(roc_auc_score(labels[rest], matrix[rest]))
            share, units = np.full(len(left), 1 / len(left)), np.count_nonzero((labels & mask).any(axis=1))
        else:
            at = np.searchsorted(edge_scores.left_out.tfs, edges.tfs)
            without = edge_scores.left_out.stored[key][:, int(row["direction"] == "tf_keys"), at]
            seen = edge_scores.left_out.pairs[row["repeat"]][:, at] > 0
            for group in np.flatnonzero(sizes):
                rest = mask[edges.tfs].copy()
                if row["universe"] == "observed":
                    rest = seen[group] & (np.arange(K) != edges.tfs[:, None])
                left.append(roc_auc_score(labels[edges.tfs][rest], without[group][rest]))
            share, units = sizes[sizes > 0] / sizes.sum(), 4
        limits = on_log_odds(value, np.array(left), share, units, row["n_pos"], row["n_neg"], 0.9)
        assert (row["lo"], row["hi"]) == pytest.approx(tuple(limits), abs=1e-9)
        assert row["lo"] < row["value"] < row["hi"]
        assert row["resamples"] == units


def test_intervals_of_all_metrics_are_those_that_differences_of_methods_stand_on():
    """Plain resamples go their own way from scores; those over pairs differ by their draws alone."""
    edge_scores, intervals = scores(know=0.3), Intervals(kinds=("network", "tfs", "targets", "pairs"), resamples=3000)
    table = evaluate(edge_scores, NETWORKS[1:], [TF_GRID], **SLICE, intervals=intervals).table
    edges = edges_in_panel(NETWORKS[1], IDS, SYMBOLS, tissue="lung")
    mask = candidates(TF_GRID, edges, edge_scores.pairs[0])
    pairs = CandidatePairs.of_masks(mask, edges.mask, edges.tfs, genes=np.arange(K))
    own = pairs.of(edge_scores.scores[0])[None]
    network = resamples.over_network(own, pairs)
    shared = {
        "pairs": resamples.over_pairs(own, pairs, resamples=3000),
        "tfs": resamples.over_tfs(own, pairs),
        "network": network,
        "targets": one_side(network, "targets"),
    }
    for kind, resampled in shared.items():
        (lows,), (highs,) = resampled.intervals()
        for metric, low, high in zip(METRICS, lows, highs, strict=True):
            where = {"repeat": 0, "direction": "tf_queries", "metric": metric.name, "interval": kind}
            row = one_row(table, **where)
            assert row["resamples"] == resampled.units
            # Each standard deviation of 3000 draws is known to 1.3 %: four errors of the ratio of two.
            near = 0.08 * (high - low) if kind == "pairs" else 1e-6
            assert (row["lo"], row["hi"]) == pytest.approx((low, high), abs=near)


def test_matched_universes_hold_the_same_pairs_for_every_method_and_change_no_other_row():
    edge_scores = scores()
    matched = matched_universes(edge_scores)
    table = evaluate(edge_scores, NETWORKS, matched=matched, **SLICE, intervals=FEW).table.to_pylist()
    plain = evaluate(edge_scores, NETWORKS, **SLICE, intervals=FEW).table.to_pylist()
    assert [row for row in table if row["universe"] not in {"expression_matched", "rewired"}] == plain
    for universe in ("expression_matched", "rewired"):
        of_network = {
            (row["network"], row["n_pos"], row["n_neg"], row["pair_coverage"], row["repeat"])
            for row in table
            if row["universe"] == universe
        }
        assert len(of_network) == 2 * 2  # networks and repeats: methods and directions share them
    only = evaluate(edge_scores, NETWORKS, [], matched=matched, **SLICE, intervals=FEW).table.to_pylist()
    assert only == [row for row in table if row["universe"] in {"expression_matched", "rewired"}]


def test_a_matched_universe_of_another_panel_is_a_bug_of_the_caller():
    edge_scores = scores()
    matched = matched_universes(edge_scores)
    wrong = {"net": matched["other"]}
    with pytest.raises(ValueError, match="'expression_matched' is not of the panel of network 'net'"):
        evaluate(edge_scores, NETWORKS, matched=wrong, **SLICE, intervals=FEW)


def test_intervals_over_the_network_are_those_of_all_pairs_too():
    """Where all genes are ranked, pairs of genes that are no TF count among their targets' pairs."""
    edge_scores = scores(know=0.3)
    table = evaluate(edge_scores, NETWORKS[1:], **SLICE, intervals=Intervals(kinds=("network",))).table
    edges = edges_in_panel(NETWORKS[1], IDS, SYMBOLS, tissue="lung")
    for universe in UNIVERSES:
        mask, labels = (mark(universe, edges, edge_scores.pairs[1]) for mark in (candidates, positives))
        for place, direction in ((2, "tf_keys"), (3, "symmetric")):
            matrix = edge_scores.scores[place]
            pairs = CandidatePairs.of_masks(mask, labels, edges.tfs, genes=np.arange(K))
            shared = resamples.over_network(pairs.of(matrix.T if direction == "tf_keys" else matrix)[None], pairs)
            (lows,), (highs,) = shared.intervals()
            for metric, low, high in zip(METRICS, lows, highs, strict=True):
                where = {"repeat": 1, "direction": direction, "metric": metric.name, "universe": universe.name}
                row = one_row(table, **where)
                assert row["resamples"] == shared.units
                limits = [np.nan if row[end] is None else row[end] for end in ("lo", "hi")]
                assert limits == pytest.approx([low, high], abs=1e-6, nan_ok=True)


def test_cells_of_many_donors_are_left_out_by_donor_and_those_of_few_within_donors():
    edge_scores = with_groups(scores(), sizes=(5, 8, 3, 6, 7))
    many = Donors(5, np.arange(5))
    asked = Intervals(kinds=("cells", "tfs"))
    rows = evaluate(edge_scores, NETWORKS, **SLICE, intervals=asked, donors=many).table.to_pylist()
    assert {(row["interval"], row["donors"]) for row in rows} == {("tfs", 5), ("donors", 5)}
    plain = evaluate(edge_scores, NETWORKS, **SLICE, intervals=asked).table.to_pylist()
    limits = [(row["lo"], row["hi"]) for row in rows]
    assert limits == [(row["lo"], row["hi"]) for row in plain]
    assert {row["donors"] for row in plain} == {None}
    few = Donors(2, np.array([0, 0, 1, 1, 1]))
    within = evaluate(edge_scores, NETWORKS, **SLICE, intervals=asked, donors=few).table.to_pylist()
    assert {(row["interval"], row["donors"]) for row in within} == {("tfs", 2), ("cells", 2)}
    assert {row["resamples"] for row in within if row["interval"] == "cells"} == {4}  # three degrees of freedom
    assert [row["lo"] for row in within] != [row["lo"] for row in plain]


def test_intervals_over_cells_change_no_other_row():
    kept = evaluate(with_groups(scores()), NETWORKS, **SLICE, intervals=FEW).table.to_pylist()
    assert [row for row in kept if row["interval"] != "cells"] == evaluate(
        scores(), NETWORKS, **SLICE, intervals=FEW
    ).table.to_pylist()
    names = [f"{row['universe']} {row['interval']}" for row in kept]
    assert names.count("all_pairs cells") == 0
    assert names.count("observed cells") == names.count("tf_grid cells") == names.count("tf_grid tfs")


def test_one_group_with_cells_gives_rows_without_limits():
    table = evaluate(with_groups(scores(), sizes=(0, 9, 0)), NETWORKS, **SLICE, intervals=FEW).table
    rows = [row for row in table.to_pylist() if row["interval"] == "cells"]
    assert rows
    assert {(row["lo"], row["hi"], row["resamples"]) for row in rows} == {(None, None, 1)}


def test_a_method_whose_scores_without_a_group_are_unknown_has_no_interval_over_cells():
    edge_scores = with_groups(scores())
    only = {key: left for key, left in edge_scores.left_out.stored.items() if key.symmetric}
    groups = LeftOut.of_arrays(edge_scores.left_out.tfs, edge_scores.left_out.n_cells, only, edge_scores.left_out.pairs)
    rows = evaluate(replace(edge_scores, left_out=groups), NETWORKS, **SLICE, intervals=FEW).table.to_pylist()
    assert {row["method"] for row in rows if row["interval"] == "cells"} == {"pearson"}
    assert {row["method"] for row in rows} == {"pearson", "attention"}


def test_groups_that_lack_a_tf_of_the_network_are_a_bug_of_the_caller():
    edge_scores = with_groups(scores())
    groups = replace(edge_scores.left_out, tfs=edge_scores.left_out.tfs + 1)
    with pytest.raises(ValueError, match="do not hold all"):
        evaluate(replace(edge_scores, left_out=groups), NETWORKS, **SLICE, intervals=FEW)


def test_one_tf_with_edges_says_nothing_about_how_tfs_differ():
    one = tidy_network(pa.table({"tf": ["G1"] * 3 + ["G9"], "target": ["G2", "G3", "G4", "out"]}), NetworkSpec("one"))
    table = evaluate(scores(), [one], [TF_GRID], **SLICE, intervals=FEW).table
    for row in table.to_pylist():
        undefined = (row["lo"], row["hi"], row["resamples"]) == (None, None, 1)
        assert undefined == (row["interval"] == "tfs")
        assert row["n_neg"] == 2 * (K - 1) - 3  # a TF without a target in the panel gives negatives


def test_networks_that_cannot_be_evaluated_give_reasons_and_the_others_their_rows():
    strangers = tidy_network(pa.table({"tf": ["AATF", "ABL1"], "target": ["BAX", "G1"]}), NetworkSpec("strangers"))
    outside = tidy_network(pa.table({"tf": ["G1", "G1"], "target": ["BAX", "G1"]}), NetworkSpec("outside"))
    result = evaluate(scores(), [strangers, *NETWORKS, outside], **SLICE, intervals=FEW)
    assert set(result.table["network"].to_pylist()) == {"net", "other"}
    first, second = result.reasons
    assert "network 'strangers': none of its 2 TFs is among the 60 panel genes of tissue 'lung'" in first
    assert "AATF, ABL1" in first
    assert "G0, G1, G2" in first
    assert "network 'outside': 1 TFs but no edge with both ends among" in second
    nothing = evaluate(scores(), [strangers], **SLICE, intervals=FEW)
    assert nothing.table.num_rows == 0
    assert nothing.table.schema == tables.METRICS.schema


def test_a_universe_without_positives_gives_a_reason_for_each_repeat():
    edge_scores = scores()
    edge_scores.pairs[0][:] = 0
    edge_scores.scores[:2] = 0
    result = evaluate(edge_scores, NETWORKS[:1], **SLICE, intervals=FEW)
    universes = {repeat: set() for repeat in (0, 1)}
    for row in result.table.to_pylist():
        universes[row["repeat"]].add(row["universe"])
    assert universes == {0: {"all_pairs", "tf_grid"}, 1: {"all_pairs", "tf_grid", "observed"}}
    assert result.reasons == (
        "network 'net', universe 'observed', repeat 0: no positives or no negatives to rank: no metrics",
    )
    blind = one_row(result.table, repeat=0, direction="symmetric", universe="tf_grid", metric="auroc", interval="pairs")
    told = ("value", "lo", "hi", "pair_coverage", "positive_coverage")
    assert [blind[name] for name in told] == [0.5, None, None, 0, 0]  # nothing varies: nothing is known


def test_an_organism_without_a_network_is_said_and_not_failed():
    assert networks_of(NETWORKS, "human") == NETWORKS
    none = networks_of(NETWORKS, "mouse")
    assert isinstance(none, NoNetwork)
    assert (
        str(none)
        == "no reference network for organism 'mouse' (networks declared: net (human), other (human)): no metrics"
    )
    assert no_rows(str(none)).table.num_rows == 0


def test_scores_that_are_not_numbers_are_a_bug_of_the_caller():
    edge_scores = scores()
    edge_scores.scores[0, 3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        evaluate(edge_scores, NETWORKS, **SLICE, intervals=FEW)


def permuted_anywhere_auroc(matrix: np.ndarray, candidate: np.ndarray, positive: np.ndarray) -> Permuted:
    pairs = CandidatePairs.of_masks(candidate, positive)
    labels = permuted_anywhere(pairs, permutations=50, seed=1)
    (found,) = permutation_test(pairs.of(matrix)[None], pairs, labels=labels)
    return found["auroc"]


@pytest.mark.parametrize("universe", UNIVERSES, ids=lambda universe: universe.name)
@pytest.mark.parametrize("levels", [None, 3])
def test_permuted_labels_score_half_even_if_the_true_ones_score_well(universe, levels):
    edge_scores = scores(levels, know=2.0)
    edges = edges_in_panel(NETWORKS[1], IDS, SYMBOLS, tissue="lung")
    masks = [make(universe, edges, edge_scores.pairs[0]) for make in (candidates, positives)]
    found = permuted_anywhere_auroc(edge_scores.scores[0], *masks)
    assert is_half(found, errors=4)
    assert 0 < found.standard_error < 0.02
    assert not is_half(Permuted(found.value, found.permuted + 0.1), errors=4)


def test_permuted_labels_of_a_constant_score_are_exactly_half():
    mask = ~np.eye(K, dtype=bool)
    found = permuted_anywhere_auroc(np.zeros((K, K)), mask, mask & (np.arange(K) < 5))
    assert (found.expected, found.standard_error, is_half(found, errors=4)) == (0.5, 0, True)
    with pytest.raises(ValueError, match="no positives"):
        permuted_anywhere_auroc(np.zeros((K, K)), mask, mask & False)


def test_a_matrix_of_a_thousand_genes_gets_a_row_for_every_network_universe_direction_metric_and_interval():
    rng = np.random.default_rng(0)
    names = np.array([f"G{i}" for i in range(1000)])
    networks = []
    for n_tfs, n_edges in ((65, 110), (20, 150), (56, 600)):
        tf, target = rng.choice(names[:n_tfs], n_edges), rng.choice(names, n_edges)
        networks.append(tidy_network(pa.table({"tf": tf, "target": target}), NetworkSpec(f"{n_edges}")))
    matrix = rng.random((1, 1000, 1000), np.float32)
    made = EdgeScores(
        tuple(names), tuple(names), (ScoreKey(0, "attention", 1),), matrix, {0: np.ones((1000, 1000), np.int32)}
    )
    rows = evaluate(made, networks, **SLICE).table.num_rows
    assert rows == 3 * 3 * 2 * 3 * 4  # over the network, over TFs and over targets
