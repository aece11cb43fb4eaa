"""Baselines against scipy and plain loops over pairs and cells."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from scipy import stats

from scfm_assets.core.scores import baselines
from scfm_assets.errors import ScfmError

N, GENES, K = 40, 15, 8
GENE_IDS = [f"g{i}" for i in range(GENES)]
PANEL_COLUMNS = [3, 0, 14, 7, 5, 9, 11, 2]
PANEL = pa.table({"gene_id": [f"g{i}" for i in PANEL_COLUMNS], "symbol": [f"s{i}" for i in PANEL_COLUMNS]})
ROWS = {0: np.array([5, 1, 7, 9, 30, 22, 11, 3, 38, 17]), 1: np.arange(20, 40)}


def counts() -> sp.csr_matrix:
    """Sparse counts; panel gene 5 is in no cell, panel gene 6 is in the cells of repeat 1 only."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(rng.gamma(0.5, 2, GENES), (N, GENES)) * (rng.random((N, GENES)) < 0.7)
    dense[:, 13] = 4  # outside the panel: every cell holds something
    dense[:, PANEL_COLUMNS[5]] = 0
    dense[ROWS[0], PANEL_COLUMNS[6]] = 0
    return sp.csr_matrix(dense.astype(np.int32))


def score_of_pair(method: str, x: np.ndarray, y: np.ndarray, both: np.ndarray, detected: np.ndarray) -> float:
    """Score one pair by the definition: log expression of both genes, cells that hold both, genes of each cell."""
    if method in ("pearson", "spearman"):
        correlate = stats.pearsonr if method == "pearson" else stats.spearmanr
        return abs(correlate(x, y).statistic) if np.ptp(x) and np.ptp(y) else 0
    if method == "uniform_attention":
        return (1 / detected[both]).mean() if both.any() else 0
    one = {"mean_product": np.mean, "detection_product": lambda v: (v > 0).mean(), "variance_product": np.var}[method]
    return one(x) * one(y)


def by_hand(method: str, rows: np.ndarray) -> np.ndarray:
    """Score every pair of the panel, one at a time."""
    whole = counts().toarray()[rows]
    logged = np.log1p(1e4 * whole / whole.sum(axis=1, keepdims=True))[:, PANEL_COLUMNS]
    held, detected = logged > 0, (whole > 0).sum(axis=1)
    scores = np.zeros((K, K))
    for i in range(K):
        for j in range(K):
            if i != j:
                both = held[:, i] & held[:, j]
                scores[i, j] = score_of_pair(method, logged[:, i], logged[:, j], both, detected)
    return scores


@pytest.mark.parametrize("method", baselines.BASELINES, ids=lambda method: method.name)
def test_every_baseline_is_its_definition(method):
    scores = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat=ROWS, methods=[method])
    assert [(key.repeat, key.method, key.layer) for key in scores.keys] == [
        (0, method.name, None),
        (1, method.name, None),
    ]
    for key, matrix in zip(scores.keys, scores.scores, strict=True):
        np.testing.assert_allclose(matrix, by_hand(method.name, ROWS[key.repeat]), rtol=1e-6, atol=1e-7)


def test_every_baseline_is_symmetric_finite_and_no_gene_is_an_edge_of_itself():
    scores = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat=ROWS)
    assert np.isfinite(scores.scores).all()
    assert np.array_equal(scores.scores, scores.scores.transpose(0, 2, 1))
    assert not np.einsum("kii->ki", scores.scores).any()
    assert all(key.symmetric for key in scores.keys)
    assert len(scores.keys) == 2 * len(baselines.BASELINES)


def test_genes_that_do_not_vary_correlate_with_nothing():
    scores = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat={0: ROWS[0]}, methods=baselines.BASELINES[:2])
    assert not scores.scores[:, [5, 6]].any()
    assert scores.scores[:, :5, :5].any()


@pytest.mark.parametrize("function", [baselines.pearson, baselines.spearman])
def test_a_gene_that_every_cell_expresses_alike_scores_exactly_zero_despite_rounding(function):
    for n in range(3, 40):
        values = np.column_stack([np.full(n, 3.0), np.arange(n)])
        cells = baselines.Cells(values, depth=np.full(n, 7.0 * n), n_detected=np.full(n, 2.0))
        assert function(cells)[0].tolist() == [0, 0]


def test_pairs_count_the_cells_of_the_repeat_that_hold_both():
    scores = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat=ROWS, methods=())
    for repeat, rows in ROWS.items():
        held = (counts().toarray()[rows] > 0)[:, PANEL_COLUMNS]
        expected = [[(held[:, i] & held[:, j]).sum() for j in range(K)] for i in range(K)]
        assert np.array_equal(scores.pairs[repeat], expected)


def test_the_order_of_cells_and_of_stored_entries_does_not_matter():
    plain = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat={0: ROWS[1]})
    shuffled = counts()
    for row in range(N):  # reverse the entries within each row
        entries = slice(shuffled.indptr[row], shuffled.indptr[row + 1])
        shuffled.indices[entries] = shuffled.indices[entries][::-1].copy()
        shuffled.data[entries] = shuffled.data[entries][::-1].copy()
    shuffled.has_sorted_indices = False
    other = baselines.score(shuffled, GENE_IDS, PANEL, cells_of_repeat={0: ROWS[1][::-1]})
    np.testing.assert_allclose(other.scores, plain.scores, rtol=1e-6, atol=1e-9)


def test_a_panel_of_another_atlas_is_refused_by_name():
    with pytest.raises(ScfmError, match=r"8 of 8 genes are not in the atlas \(first: 'g3'\)"):
        baselines.score(counts(), [f"h{i}" for i in range(GENES)], PANEL, cells_of_repeat=ROWS)


def test_an_expensive_method_is_scored_once_and_has_no_scores_without_a_group_of_cells():
    calls = []

    def function(cells: baselines.Cells, _: baselines.Genes = baselines.EVERY) -> np.ndarray:
        calls.append(len(cells.depth))
        return np.arange(K * K, dtype=float).reshape(K, K)

    expensive = baselines.BaselineMethod("expensive", function, null=False, expensive=True)
    methods, tfs = (baselines.BASELINES[0], expensive), np.array([1, 4])
    group = {0: np.arange(10) % 3}
    scores = baselines.score(
        counts(), GENE_IDS, PANEL, cells_of_repeat={0: ROWS[0]}, methods=methods, group_of_repeat=group, tfs=tfs
    )
    assert calls == [10]
    of_method = {key.method: scores.left_out.scores(key) for key in scores.keys}
    assert of_method["expensive"] is None
    assert of_method["pearson"].shape == (3, 1, 2, K)


def test_a_score_with_a_direction_of_its_own_is_read_once_with_tfs_in_its_rows():
    def function(cells: baselines.Cells, genes: baselines.Genes = baselines.EVERY) -> np.ndarray:
        return np.arange(K * K, dtype=float).reshape(K, K)[genes]

    method = baselines.BaselineMethod("one_way", function, null=False)
    scores = baselines.score(counts(), GENE_IDS, PANEL, cells_of_repeat={0: ROWS[0]}, methods=[method])
    (key,) = scores.keys
    (direction,) = key.directions()
    assert direction.orient(scores.scores[0])[2, 5] == 2 * K + 5


def test_every_method_says_what_it_is_and_four_of_them_are_nulls():
    assert [method.name for method in baselines.BASELINES if method.null] == [
        "mean_product", "detection_product", "variance_product", "uniform_attention",
    ]  # fmt: skip
    assert all(method.doc for method in baselines.BASELINES)
