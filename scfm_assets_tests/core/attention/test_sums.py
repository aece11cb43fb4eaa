"""Sums of attention as values: they add, they copy, they survive a file."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save, save_file

from scfm_assets.core.attention.sums import AttentionSums, GroupSums

TFS = np.array([0, 2])


def some(seed: int = 0, **changed) -> AttentionSums:
    """Of whole numbers, so that they add exactly."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int, dtype: type = np.float32) -> np.ndarray:
        return rng.integers(1, 100, shape).astype(dtype)

    K, n_groups, n_parts = 5, 3, 3
    groups = GroupSums(
        TFS,
        drawn(n_groups, n_parts, 2, 2, K),
        drawn(n_groups, n_parts, 2, 2, K),
        drawn(n_groups, 2, K, dtype=np.int32),
        drawn(n_groups, dtype=np.int64),
    )
    return AttentionSums(
        **{
            "layers": (1, 3),
            "plain": drawn(n_parts, K, K),
            "lifted": drawn(n_parts, K, K),
            "pairs": drawn(K, K, dtype=np.int32),
            "n_cells": 7,
            "heads": ((3, 2),),
            "groups": groups,
            "hidden": drawn(2, K, 4),
        }
        | changed
    )


def without(sums: AttentionSums, *names: str) -> AttentionSums:
    for name in names:
        setattr(sums, name, None)
    return sums


def arrays(sums: AttentionSums) -> dict[str, np.ndarray]:
    return sums.to_tensors("a.")


def assert_same(found: AttentionSums, expected: AttentionSums) -> None:
    assert (found.parts, found.n_cells, found.aggregation) == (expected.parts, expected.n_cells, expected.aggregation)
    mine, right = arrays(found), arrays(expected)
    assert mine.keys() == right.keys()
    for name, array in right.items():
        assert (mine[name].dtype, mine[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(mine[name], array)


def test_parts_are_the_layers_and_then_the_heads():
    assert some().parts == [(1, None), (3, None), (3, 2)]


@pytest.mark.parametrize("left_out", [(), ("groups",), ("hidden",), ("groups", "hidden")])
def test_sums_add_array_by_array_and_leave_the_summands_alone(left_out):
    one, other = without(some(0), *left_out), without(some(1), *left_out)
    before = {name: array.copy() for name, array in arrays(one).items()}
    total = one + other
    assert total.n_cells == 14
    settled = {"a.layers", "a.heads", "a.maximum", "a.groups.tfs"}
    for name, array in arrays(total).items():
        expected = before[name] if name in settled else before[name] + arrays(other)[name]
        np.testing.assert_array_equal(array, expected)
        np.testing.assert_array_equal(arrays(one)[name], before[name])
        assert name in settled or not np.shares_memory(array, arrays(one)[name])


def test_adding_in_place_changes_only_the_first():
    one, other, expected = some(0), some(1), some(0) + some(1)
    untouched = some(1)
    assert one.add_(other) is one
    assert_same(one, expected)
    assert_same(other, untouched)


def test_nothing_added_changes_nothing():
    zeros = AttentionSums.zeros((1, 3), 5, ((3, 2),))
    zeros.groups, zeros.hidden = GroupSums.zeros(3, 3, TFS, 5), np.zeros((2, 5, 4), np.float32)
    assert_same(some() + zeros, some())
    assert_same(zeros + some(), some())


@pytest.mark.parametrize(
    "other",
    [
        some(layers=(1, 2)),
        some(heads=((1, 2),)),
        some(pairs=np.zeros((4, 4), np.int32)),
        some(aggregation="max"),
        without(some(), "groups"),
        without(some(), "hidden"),
        some(groups=GroupSums.zeros(2, 3, TFS, 5)),
        some(groups=GroupSums.zeros(3, 3, np.array([0, 3]), 5)),
    ],
    ids=["layers", "heads", "panel", "aggregation", "groups", "hidden", "number of groups", "TFs"],
)
def test_sums_of_something_else_do_not_add(other):
    with pytest.raises(ValueError, match="sums"):
        some() + other
    with pytest.raises(ValueError, match="sums"):
        other + some()


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("left_out", [(), ("groups",), ("hidden",), ("groups", "hidden")])
def test_sums_survive_safetensors(tmp_path, left_out, aggregation):
    sums = without(some(aggregation=aggregation), *left_out)
    assert_same(AttentionSums.from_tensors(load(save(sums.to_tensors("block1."))), "block1."), sums)
    save_file(sums.to_tensors("block1.") | some(5).to_tensors("block10."), tmp_path / "sums.safetensors")
    back = load_file(tmp_path / "sums.safetensors")
    assert_same(AttentionSums.from_tensors(back, "block1."), sums)
    assert_same(AttentionSums.from_tensors(back, "block10."), some(5))


@pytest.mark.parametrize(("n_groups", "n_tfs", "n_panel"), [(0, 2, 5), (3, 0, 5), (3, 0, 0), (1, 1, 1)])
def test_arrays_of_size_zero_survive_safetensors(n_groups, n_tfs, n_panel):
    sums = AttentionSums.zeros((2,), n_panel)
    sums.groups = GroupSums.zeros(n_groups, 1, np.arange(n_tfs), n_panel)
    sums.hidden = np.zeros((1, n_panel, 4), np.float32)
    back = AttentionSums.from_tensors(load(save(sums.to_tensors())))
    assert_same(back, sums)
    assert_same(back + sums, sums)
