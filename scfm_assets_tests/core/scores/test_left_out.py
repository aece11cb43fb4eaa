"""Scores without a group of cells against scores of the other cells alone."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from safetensors import safe_open
from safetensors.numpy import save_file

from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets.core.scores import baselines
from scfm_assets.core.scores.edges import EdgeScores, from_attention
from scfm_assets.core.scores.left_out import left_out_of_attention

K, N_GROUPS = 9, 4
TFS = np.array([1, 4, 7])
PANEL = pa.table({"gene_id": [f"ENSG{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
PARTS = {"layers": (2, 5), "heads": ((2, 1), (5, 3))}


def sums_of(attention: np.ndarray, held: np.ndarray, aggregation: str) -> AttentionSums:
    """Sums of cells with attention (n_cells, n_parts, K, K) that hold genes (n_cells, K)."""
    both = held[:, :, None] & held[:, None, :]
    plain = (attention * both[:, None]).sum(axis=0).astype(np.float32)
    lifted = (attention * both[:, None] * held.sum(axis=1)[:, None, None, None]).sum(axis=0).astype(np.float32)
    pairs = both.sum(axis=0).astype(np.int32)
    return AttentionSums(plain=plain, lifted=lifted, pairs=pairs, n_cells=len(held), aggregation=aggregation, **PARTS)


def groups_of(attention: np.ndarray, held: np.ndarray, group: np.ndarray) -> GroupSums:
    """Rows and columns of the TFs, apart for each group."""
    parts = [sums_of(attention[group == g], held[group == g], "mean") for g in range(N_GROUPS)]

    def turned(matrices: np.ndarray) -> np.ndarray:
        return np.stack([matrices[:, TFS], matrices.transpose(0, 2, 1)[:, TFS]], axis=1)

    return GroupSums(
        TFS,
        np.stack([turned(part.plain) for part in parts]),
        np.stack([turned(part.lifted) for part in parts]),
        np.stack([part.pairs[TFS] for part in parts]),
        np.bincount(group, minlength=N_GROUPS),
    )


@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_attention_without_a_group_is_the_attention_of_the_other_cells(aggregation):
    rng = np.random.default_rng(0)
    whole, rest = {}, {}
    for repeat, n_cells in ((0, 23), (1, 11)):
        attention, held = rng.random((n_cells, 4, K, K)), rng.random((n_cells, K)) < 0.5
        group = rng.integers(0, N_GROUPS, n_cells)
        group[held[:, 4] & held[:, 8]] = 2  # without group 2 no cell holds both
        sums = sums_of(attention, held, aggregation)
        sums.groups = groups_of(attention, held, group)
        whole[repeat] = sums
        rest[repeat] = [sums_of(attention[group != g], held[group != g], aggregation) for g in range(N_GROUPS)]
    left_out = left_out_of_attention(whole)
    scores = from_attention(whole, PANEL)
    others = [from_attention({repeat: rest[repeat][g] for repeat in rest}, PANEL) for g in range(N_GROUPS)]
    assert len(scores.keys) == 2 * 2 * 4
    for i, key in enumerate(scores.keys):
        found = left_out.scores(key)
        assert found.shape == (N_GROUPS, 2, len(TFS), K)
        assert found.dtype == np.float32
        for g, other in enumerate(others):
            expected = np.stack([other.scores[i][TFS], other.scores[i].T[TFS]])
            itself = np.arange(K) == TFS[:, None]
            np.testing.assert_allclose(found[g][:, ~itself], expected[:, ~itself], rtol=2e-5, atol=1e-6)
            assert np.array_equal(left_out.pairs[key.repeat][g], rest[key.repeat][g].pairs[TFS])
        assert not found[2][:, 1, 8].any()
    assert left_out.n_cells[1].sum() == 11


def test_methods_that_are_no_sums_of_attention_have_no_scores_without_a_group():
    rng = np.random.default_rng(1)
    attention, held, group = rng.random((6, 4, K, K)), rng.random((6, K)) < 0.9, np.array([0, 1, 2, 3, 0, 1])
    sums = sums_of(attention, held, "mean")
    sums.hidden = rng.normal(size=(2, K, 3)).astype(np.float32)
    sums.groups = groups_of(attention, held, group)
    keys = from_attention({0: sums}, PANEL, rng.normal(size=(K, 3))).keys
    left_out = left_out_of_attention({0: sums})
    without = {key.method for key in keys if left_out.scores(key) is None}
    assert without == {"hidden_state", "token_embedding"}


def test_sums_without_groups_say_nothing_about_cells():
    rng = np.random.default_rng(2)
    sums = sums_of(rng.random((6, 4, K, K)), rng.random((6, K)) < 0.9, "mean")
    assert left_out_of_attention({0: sums}) is None
    assert left_out_of_attention({}) is None


def baseline_scores() -> tuple[sp.csr_matrix, dict, dict, EdgeScores]:
    """Baselines of two repeats; group 3 of repeat 1 has no cell."""
    rng = np.random.default_rng(3)
    counts = sp.csr_matrix(rng.poisson(1.2, (40, 12)) * (rng.random((40, 12)) < 0.7) + (np.arange(12) == 11))
    cells = {0: rng.permutation(40)[:25], 1: np.arange(8)}
    group = {0: rng.integers(0, N_GROUPS, 25), 1: np.array([0, 1, 2, 0, 1, 2, 4, 4])}
    panel = pa.table({"gene_id": [f"g{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
    genes = [f"g{i}" for i in range(12)]
    made = baselines.score(counts, genes, panel, cells_of_repeat=cells, group_of_repeat=group, tfs=TFS)
    return counts, cells, group, made


def test_baselines_without_a_group_are_the_baselines_of_the_other_cells():
    counts, cells, group, made = baseline_scores()
    panel = pa.table({"gene_id": [f"g{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
    for repeat in cells:
        for g in range(made.left_out.n_cells[repeat].size):
            rest = {repeat: cells[repeat][group[repeat] != g]}
            other = baselines.score(counts, [f"g{i}" for i in range(12)], panel, cells_of_repeat=rest)
            assert np.array_equal(made.left_out.pairs[repeat][g], other.pairs[repeat][TFS])
            for key, matrix in zip(other.keys, other.scores, strict=True):
                found = made.left_out.scores(key)[g, 0]
                itself = np.arange(K) == TFS[:, None]
                np.testing.assert_allclose(found[~itself], matrix[TFS][~itself], rtol=1e-6, atol=1e-9)
        assert np.array_equal(made.left_out.n_cells[repeat], np.bincount(group[repeat]))


def test_scores_without_a_group_come_back_from_safetensors_where_they_are_at_hand(tmp_path):
    made = baseline_scores()[3]
    tensors, metadata = made.to_tensors()
    save_file(tensors, tmp_path / "scores.safetensors", metadata)
    with safe_open(tmp_path / "scores.safetensors", "np") as opened:
        again = EdgeScores.from_tensors({name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata())  # noqa: SIM118
    assert np.array_equal(again.left_out.tfs, TFS)
    assert list(again.pairs) == list(made.pairs)
    for repeat in made.pairs:
        assert np.array_equal(again.left_out.n_cells[repeat], made.left_out.n_cells[repeat])
        assert np.array_equal(again.left_out.pairs[repeat], made.left_out.pairs[repeat])
    for key in made.keys:
        assert np.array_equal(again.left_out.scores(key), made.left_out.scores(key))


def test_scores_without_groups_are_stored_as_before():
    counts, cells, _, _ = baseline_scores()
    panel = pa.table({"gene_id": [f"g{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
    plain = baselines.score(counts, [f"g{i}" for i in range(12)], panel, cells_of_repeat=cells)
    assert plain.left_out is None
    assert set(plain.to_tensors()[0]) == {"scores", "pairs.0", "pairs.1", "levels.0", "levels.1"}
    assert EdgeScores.from_tensors(*plain.to_tensors()).left_out is None
