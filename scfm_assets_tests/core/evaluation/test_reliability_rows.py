"""Rows of `reliability` against halves that are made by hand, one pair, one half and one TF at a time."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.metrics import roc_auc_score

from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets.core.evaluation.reliability_rows import from_attention, from_counts, reliability_table
from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.networks.spec import NetworkSpec
from scfm_assets.core.networks.table import tidy_network
from scfm_assets.core.scores import baselines
from scfm_assets.core.scores.methods import METHODS as REGISTRY
from scfm_assets.core.scores.score_keys import TF_KEYS, TF_QUERIES
from scfm_assets.core.scores.scores_of_cells import ScoresOfCells
from scfm_assets.core.statistics.halves import balanced_halves
from scfm_assets.tables.scores import RELIABILITY

N, GENES, K, N_GROUPS = 60, 14, 9, 5
PANEL = pa.table({"gene_id": [f"g{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
TFS, OWN = np.array([1, 3, 4, 7]), (1, 4, 7)
EDGES = [(1, 0), (1, 3), (4, 2), (4, 8), (7, 5)]
GROUP = np.arange(N) % N_GROUPS


NETWORK = tidy_network(
    pa.table({"tf": [f"S{tf}" for tf, _ in EDGES], "target": [f"S{target}" for _, target in EDGES]}),
    NetworkSpec("truth"),
)
"""TF 3 is another network's."""
GIVEN = {"gene_ids": [f"g{i}" for i in range(GENES)], "panel": PANEL, "cells_of_repeat": {2: np.arange(N)}}

NAMED = {"tissue": "lung", "model": "baselines", "checkpoint": None}


def counts() -> sp.csr_matrix:
    rng = np.random.default_rng(1)
    activity = rng.normal(size=(N, 2))
    dense = rng.poisson(np.exp(activity @ rng.normal(0, 0.8, (2, GENES))))
    dense[:, -1] += 3
    return sp.csr_matrix(dense.astype(np.int32))


def rows_of(table: pa.Table) -> list[dict]:
    return table.to_pylist()


def by_hand(matrices: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """What a row says, from the scores (K, K) of both halves of every split."""
    found: dict[str, list[float]] = {name: [] for name in ("pearson", "spearman", "auroc_of_tfs")}
    aurocs = []
    for halves in matrices:
        scores = [[[half[tf, target] for target in range(K) if target != tf] for tf in OWN] for half in halves]
        labels = [[(tf, target) in EDGES for target in range(K) if target != tf] for tf in OWN]
        one, other = (np.concatenate(half) for half in scores)
        found["pearson"].append(stats.pearsonr(one, other).statistic)
        found["spearman"].append(stats.spearmanr(one, other).statistic)
        of_tfs = [[roc_auc_score(label, own) for label, own in zip(labels, half, strict=True)] for half in scores]
        found["auroc_of_tfs"].append(stats.pearsonr(*of_tfs).statistic)
        aurocs.append([roc_auc_score(np.concatenate(labels), half) for half in (one, other)])
    told = {f"{name}_half": float(np.mean(values)) for name, values in found.items()}
    told |= {name: 2 * told[f"{name}_half"] / (1 + told[f"{name}_half"]) for name in found}
    spreads = {name: np.std([2 * r / (1 + r) for r in values], ddof=1) for name, values in found.items()}
    told |= {f"{name}_spread": float(spread) for name, spread in spreads.items()}
    error = np.sqrt(np.mean(np.diff(aurocs, axis=1) ** 2)) / 2
    return {**told, "auroc_half": float(np.mean(aurocs)), "auroc_error": float(error)}


def halvings(splits: int) -> np.ndarray:
    return balanced_halves(np.bincount(GROUP), splits=splits, seed=0)


METHODS = (*baselines.BASELINES[:3], REGISTRY["partial_correlation"], REGISTRY["mutual_information"])


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_baselines_halves_are_its_scores_of_the_cells_of_half_the_groups(method):
    found = from_counts(counts(), **GIVEN, group_of_repeat={2: GROUP}, tfs=TFS, methods=[method])
    (row,) = rows_of(
        reliability_table(found, [NETWORK], PANEL, tissue="lung", model="baselines", checkpoint=None, splits=4)
    )
    cells = baselines.cells_of(counts(), np.arange(K))
    halves = [
        [method.function(cells.chosen(part[GROUP])).astype(np.float32) for part in (first, ~first)]
        for first in halvings(4)
    ]
    expected = by_hand(halves)
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    named = {"repeat": 2, "model": "baselines", "method": method.name, "direction": "symmetric", "universe": "tf_grid"}
    assert named.items() <= row.items()
    assert (row["cell_groups"], row["splits"], row["n_pos"], row["n_neg"]) == (N_GROUPS, 4, 5, 3 * (K - 1) - 5)


def attention() -> AttentionSums:
    """Sums over 5 groups of cells of two layers, layer 2 the better; every pair is seen in every group."""
    rng = np.random.default_rng(4)
    level = rng.random((2, 1, 2, len(TFS), K))
    groups = GroupSums.zeros(N_GROUPS, 2, TFS, K)
    groups.pairs[:] = rng.integers(1, 5, groups.pairs.shape)
    for sums in (groups.plain, groups.lifted):
        noise = rng.random((N_GROUPS, 2, 2, len(TFS), K))
        sums[:] = (level.swapaxes(0, 1) + noise) * groups.pairs[:, None, None]
    groups.n_cells[:] = np.bincount(GROUP)
    sums = AttentionSums.zeros((1, 2), K)
    sums.groups = groups
    return sums


@pytest.mark.parametrize("direction", [TF_QUERIES, TF_KEYS], ids=lambda direction: direction.name)
def test_a_layers_halves_are_means_over_the_cells_of_half_the_groups(direction):
    sums = attention()
    found = from_attention({0: sums}, 2, direction)
    table = reliability_table(found, [NETWORK], PANEL, tissue="lung", model="m", checkpoint="0" * 12, splits=6)
    assert [(row["method"], row["layer"], row["head"]) for row in rows_of(table)] == [
        ("attention", 2, None), ("attention_lift", 2, None),
    ]  # fmt: skip
    for row, summed in zip(rows_of(table), (sums.groups.plain, sums.groups.lifted), strict=True):
        own, halves = summed[:, 1, int(direction.transposed)], []
        for first in halvings(6):
            both = []
            for part in (first, ~first):
                matrix = np.full((K, K), np.nan)
                matrix[TFS] = own[part].sum(axis=0) / sums.groups.pairs[part].sum(axis=0)
                both.append(matrix)
            halves.append(both)
        expected = by_hand(halves)
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)
        assert row["direction"] == direction.name


def drawn(rng: np.random.Generator, loadings: np.ndarray, n_cells: int) -> sp.csr_matrix:
    """Cells whose genes follow three common factors around levels of their own."""
    factors = np.column_stack([rng.normal(size=(n_cells, 3)), np.ones(n_cells)])
    return sp.csr_matrix(rng.poisson(np.exp(factors @ loadings)).astype(np.int32))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_it_foretells_how_alike_the_scores_of_two_draws_of_cells_are(method):
    """Also of scores that are no means over cells, of which Spearman and Brown say nothing."""
    rng, n_cells, n_genes = np.random.default_rng(7), 300, 40
    loadings = rng.normal(0, 0.3, (4, n_genes))
    genes = [f"g{i}" for i in range(n_genes)]
    panel = pa.table({"gene_id": genes, "symbol": genes})
    network = tidy_network(pa.table({"tf": genes[:12], "target": genes[12:24]}), NetworkSpec("any"))
    told, scores = [], []
    for _ in range(8):
        counts = drawn(rng, loadings, n_cells)
        cells, group = {0: np.arange(n_cells)}, {0: np.arange(n_cells) % 10}
        given = {"cells_of_repeat": cells, "group_of_repeat": group, "tfs": np.arange(12), "methods": [method]}
        (row,) = rows_of(reliability_table(from_counts(counts, genes, panel, **given), [network], panel, **NAMED))
        told.append(row["pearson"])
        matrix = method.function(baselines.cells_of(counts, np.arange(n_genes)), np.arange(12))
        scores.append(matrix[np.arange(n_genes) != np.arange(12)[:, None]])
    between = np.corrcoef(scores)[np.triu_indices(8, 1)]
    assert np.mean(told) == pytest.approx(between.mean(), abs=0.06)


def test_what_has_no_groups_or_no_fixed_layer_gives_no_rows():
    without = attention()
    without.groups = None
    given = [({0: attention()}, None), ({0: attention()}, 9), ({0: without}, 2)]
    for sums, layer in given:
        assert list(from_attention(sums, layer, TF_QUERIES)) == []
    table = reliability_table([], [NETWORK], PANEL, tissue="lung", model="m", checkpoint=None)
    assert table.schema == RELIABILITY.without("tissue", "n_cells", "simulated").schema
    assert table.num_rows == 0


def test_cells_of_one_group_cannot_be_halved_and_dear_methods_are_left_aside():
    methods = [baselines.BASELINES[0], REGISTRY["grnboost"].bound(TFS)]
    alone = from_counts(counts(), **GIVEN, group_of_repeat={2: np.full(N, 3)}, tfs=TFS, methods=methods)
    assert reliability_table(alone, [NETWORK], PANEL, **NAMED).num_rows == 0
    found = from_counts(counts(), **GIVEN, group_of_repeat={2: GROUP}, tfs=TFS, methods=methods)
    assert {row["method"] for row in rows_of(reliability_table(found, [NETWORK], PANEL, **NAMED))} == {"pearson"}


def test_constant_scores_are_null_and_not_nan():
    flat = baselines.BaselineMethod("flat", lambda _, genes: np.ones((K, K))[genes], null=True)
    found = from_counts(counts(), **GIVEN, group_of_repeat={2: GROUP}, tfs=TFS, methods=[flat])
    (row,) = rows_of(reliability_table(found, [NETWORK], PANEL, **NAMED))
    assert [row[name] for name in ("pearson", "spearman_half", "auroc_of_tfs_spread")] == [None] * 3
    assert (row["auroc_half"], row["auroc_error"]) == (0.5, 0)


def test_a_network_whose_tfs_were_not_scored_is_refused():
    methods = baselines.BASELINES[:1]
    found = from_counts(counts(), **GIVEN, group_of_repeat={2: GROUP}, tfs=TFS[:2], methods=methods)
    with pytest.raises(ValueError, match="rows of 2 genes do not hold all 3 TFs"):
        reliability_table(found, [NETWORK], PANEL, **NAMED)


def test_groups_may_count_several_times_and_each_choice_is_scored_once():
    calls = []

    def function(cells: baselines.Cells, genes: baselines.Genes = baselines.EVERY) -> np.ndarray:
        calls.append(len(cells.depth))
        return np.full((K, K), cells.depth.sum())[genes]

    method = baselines.BaselineMethod("depth", function, null=True)
    cells = baselines.cells_of(counts(), np.arange(K))
    scores = ScoresOfCells(cells, GROUP, TFS, [method])
    pairs = CandidatePairs.of_masks(np.ones((len(TFS), K), bool), np.zeros((len(TFS), K), bool))
    of_groups = scores.of(method, pairs)
    expected = 2 * cells.depth[GROUP == 0].sum() + cells.depth[GROUP == 4].sum()
    for _ in range(2):
        assert of_groups(np.array([2, 0, 0, 0, 1])) == pytest.approx(np.full(pairs.n, expected))
    assert calls == [36]
    assert scores.sizes.tolist() == [12] * N_GROUPS
