"""Edge scores: means over the cells that hold both genes, and the long table against plain loops."""

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from scfm_assets.core.attention.sums import AttentionSums
from scfm_assets.core.scores.edges import DIRECTIONS, EdgeScores, ScoreKey, edge_table, from_attention

K = 6
PANEL = pa.table({"gene_id": [f"ENSG{i}" for i in range(K)], "symbol": [f"S{i}" for i in range(K)]})
SLICE = {"tissue": "lung", "n_cells": 50, "model": "m", "checkpoint": "abc", "simulated": True}


def attention_sums(seed: int) -> AttentionSums:
    """Sums over 7 cells of two layers, with some pairs that no cell holds."""
    rng = np.random.default_rng(seed)
    detected = rng.random((7, K)) < 0.4
    pairs = (detected.T.astype(int) @ detected).astype(np.int32)
    plain = (rng.random((2, K, K)) * pairs).astype(np.float32)
    return AttentionSums(layers=(1, 4), plain=plain, lifted=plain * 30, pairs=pairs, n_cells=7)


def example() -> EdgeScores:
    """Attention of two repeats and one symmetric score."""
    made = from_attention({0: attention_sums(0), 1: attention_sums(1)}, PANEL)
    both = made.scores[0] + made.scores[0].T
    keys = (*made.keys, ScoreKey(1, "pearson", symmetric=True), ScoreKey(1, "hidden_state", 2, 3))
    scores = np.concatenate([made.scores, both[None], made.scores[:1]])
    return EdgeScores(made.gene_ids, made.symbols, keys, scores, made.pairs)


def test_attention_is_averaged_over_the_cells_that_hold_both_genes_and_zero_elsewhere():
    sums = {1: attention_sums(1), 0: attention_sums(0)}
    scores = from_attention(sums, PANEL)
    assert [(key.repeat, key.method, key.layer) for key in scores.keys] == [
        (repeat, method, layer) for repeat in (0, 1) for method in ("attention", "attention_lift") for layer in (1, 4)
    ]
    for key, matrix in zip(scores.keys, scores.scores, strict=True):
        one = sums[key.repeat]
        summed = (one.plain if key.method == "attention" else one.lifted)[one.layers.index(key.layer)]
        for i in range(K):
            for j in range(K):
                expected = summed[i, j] / one.pairs[i, j] if i != j and one.pairs[i, j] else 0
                assert matrix[i, j] == pytest.approx(expected, rel=1e-6)
    assert any((one.pairs == 0).any() for one in sums.values())
    assert np.array_equal(scores.pairs[1], sums[1].pairs)
    assert (scores.scores.dtype, scores.pairs[0].dtype) == (np.float32, np.int32)
    assert attention_sums(0).plain[0].diagonal().any()  # the sums themselves are left as they are


def test_scores_come_back_from_safetensors(tmp_path):
    scores = example()
    tensors, metadata = scores.to_tensors()
    save_file(tensors, tmp_path / "scores.safetensors", metadata)
    with safe_open(tmp_path / "scores.safetensors", "np") as opened:
        again = EdgeScores.from_tensors(
            {name: opened.get_tensor(name) for name in sorted(opened.keys())}, opened.metadata()
        )
    assert (again.keys, again.gene_ids, again.symbols) == (scores.keys, scores.gene_ids, scores.symbols)
    assert np.array_equal(again.scores, scores.scores)
    assert all(np.array_equal(again.pairs[repeat], pairs) for repeat, pairs in scores.pairs.items())


def test_the_table_has_a_row_per_tf_target_matrix_and_direction():
    scores = example()
    table = edge_table(scores, {"S4", "ENSG1", "not in the panel"}, **SLICE)
    expected = []
    for key, matrix in zip(scores.keys, scores.scores, strict=True):
        for direction in ["symmetric"] if key.symmetric else ["tf_queries", "tf_keys"]:
            for tf in (1, 4):
                for target in range(K):
                    if tf != target:
                        row, column = (target, tf) if direction == "tf_keys" else (tf, target)
                        names = ("lung", 50, key.repeat, "m", "abc", key.method, key.layer, key.head, direction)
                        edge = (f"S{tf}", f"S{target}", float(matrix[row, column]))
                        expected.append((*names, *edge, int(scores.pairs[key.repeat][tf, target]), True))
    assert table.column_names == [
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "method", "layer", "head", "direction"),
        *("tf", "target", "score", "n_cells_seen", "simulated"),
    ]
    assert list(zip(*table.to_pydict().values(), strict=True)) == expected


def test_one_direction_can_be_asked_for_and_a_baseline_has_no_checkpoint():
    table = edge_table(example(), ["S0"], **{**SLICE, "checkpoint": None}, directions=DIRECTIONS[1:])
    assert set(table["direction"].to_pylist()) == {"tf_keys", "symmetric"}
    assert table["checkpoint"].null_count == table.num_rows > 0


def test_without_a_tf_in_the_panel_the_table_is_empty_but_has_its_columns():
    table = edge_table(example(), [], **SLICE)
    assert table.num_rows == 0
    assert table.schema == edge_table(example(), ["S0"], **SLICE).schema


def test_a_symbol_that_two_genes_share_stands_in_the_dictionary_once():
    scores = example()
    shared = EdgeScores(scores.gene_ids, ("S0", "S1", "S1", "S3", "S4", "S5"), scores.keys, scores.scores, scores.pairs)
    table = edge_table(shared, ["S1"], **SLICE)
    first = table.slice(0, 10).to_pydict()
    assert first["tf"] == ["S1"] * 10
    assert first["target"] == ["S0", "S1", "S3", "S4", "S5"] * 2
    assert first["score"] == [*scores.scores[0][1, [0, 2, 3, 4, 5]], *scores.scores[0][2, [0, 1, 3, 4, 5]]]
    names = table["tf"].combine_chunks().dictionary.to_pylist()
    assert len(names) == len(set(names)) == 5


def test_arrays_that_do_not_belong_together_are_a_bug_of_the_caller():
    scores = example()
    with pytest.raises(ValueError, match="wrong shapes"):
        EdgeScores(scores.gene_ids[1:], scores.symbols, scores.keys, scores.scores, scores.pairs)
    with pytest.raises(ValueError, match=r"repeats without pairs \{1\}"):
        EdgeScores(scores.gene_ids, scores.symbols, scores.keys, scores.scores, {0: scores.pairs[0]})


def test_a_table_of_a_whole_model_has_millions_of_rows():
    genes = tuple(f"G{i}" for i in range(1000))
    keys = tuple(
        ScoreKey(r, m, layer) for r in (0, 1) for m in ("attention", "attention_lift") for layer in range(1, 5)
    )
    scores = np.random.default_rng(0).random((16, 1000, 1000), np.float32)
    pairs = np.ones((1000, 1000), np.int32)
    made = EdgeScores(genes, genes, keys, scores, {0: pairs, 1: pairs})
    table = edge_table(made, genes[:120], **SLICE)
    assert table.num_rows == 16 * 2 * 120 * 999
