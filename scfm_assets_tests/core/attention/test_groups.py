"""The TFs' rows and columns for groups of cells: parts of the whole, and each what its own cells give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from transformers import BertModel

from scfm_assets.core.attention.collector import CellGroups
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets_tests.core.attention.encoder_cases import EVERY_EXAMPLE, SEEDS, Case, cases
from scfm_assets_tests.core.attention.small_encoder import N_PANEL, a_panel, cells_of, collected, heard, ours

ROUNDING = 5e-6
"""Relative: sums of a few float32 in another order, or after another packing."""


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


def tf_parts(sums: AttentionSums, tfs: np.ndarray) -> dict[str, np.ndarray]:
    """What a group would keep of these sums: TFs as queries, TFs as keys."""
    ends = {name: (getattr(sums, name)[:, tfs], getattr(sums, name)[:, :, tfs]) for name in ("plain", "lifted")}
    both = {name: np.stack([rows, columns.transpose(0, 2, 1)], 1) for name, (rows, columns) in ends.items()}
    return both | {"pairs": sums.pairs[tfs]}


def of_group(groups: GroupSums, group: int) -> dict[str, np.ndarray]:
    return {name: getattr(groups, name)[group] for name in ("plain", "lifted", "pairs")}


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found["pairs"], expected["pairs"])
    for name in ("plain", "lifted"):
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=ROUNDING, atol=0)


@st.composite
def grouped(draw) -> tuple[Case, CellGroups]:
    case = draw(cases())
    rng = np.random.default_rng(draw(SEEDS))
    n_groups, share = draw(st.sampled_from([3, 1, 4])), draw(st.sampled_from([0.3, 1, 0]))
    tfs = np.sort(rng.permutation(case.n_panel)[: round(share * case.n_panel)])
    return case, CellGroups(rng.integers(n_groups, size=len(case.cells)), n_groups, tfs)


@settings(EVERY_EXAMPLE, max_examples=60)
@given(grouped())
def test_groups_add_up_to_the_tfs_rows_and_columns_of_the_total(drawn):
    case, groups = drawn
    (found,) = case.heard(groups=groups, machine=Machine(tokens=case.machine.tokens)).blocks
    assert found.groups is not None
    np.testing.assert_array_equal(found.groups.tfs, groups.tfs)
    added = {name: getattr(found.groups, name).sum(0) for name in ("plain", "lifted", "pairs")}
    assert_close(added, tf_parts(found, groups.tfs))
    in_group = np.bincount(groups.group_of_cell, minlength=groups.n_groups)
    np.testing.assert_array_equal(found.groups.n_cells, in_group)


@settings(EVERY_EXAMPLE, max_examples=40)
@given(grouped())
def test_each_group_is_what_a_pass_over_its_cells_alone_gives(drawn):
    case, groups = drawn
    alone = {"n_panel": case.n_panel, "heads": case.heads, "aggregation": case.aggregation, "form": case.form}
    (found,) = case.heard(groups=groups, machine=Machine(tokens=case.machine.tokens)).blocks
    for group in range(groups.n_groups):
        mine = [cell for cell, number in zip(case.cells, groups.group_of_cell, strict=True) if number == group]
        expected = collected(ours(), mine, case.panel_of_token, case.layers, **alone)
        assert_close(of_group(found.groups, group), tf_parts(expected, groups.tfs))


@settings(EVERY_EXAMPLE, max_examples=20)
@given(grouped())
def test_groups_change_nothing_in_the_total(drawn):
    case, groups = drawn
    machine = Machine(tokens=case.machine.tokens)
    with_groups, without = (case.heard(groups=asked, machine=machine).blocks[0] for asked in (groups, None))
    for name in ("plain", "lifted", "pairs"):
        assert getattr(with_groups, name).tobytes() == getattr(without, name).tobytes()


def test_groups_are_kept_apart_in_every_block(encoder, panel_of_token):
    cells, tfs = cells_of([60, 90, 30, 120, 45, 80]), np.array([0, 7, 150, 299])
    group_of_cell, block_of_cell = np.array([0, 1, 0, 1, 1, 0]), np.array([0, 0, 1, 1, 0, 1])
    groups = CellGroups(group_of_cell, 2, tfs)
    blocks = heard(encoder, cells, panel_of_token, groups=groups, block_of_cell=block_of_cell, n_blocks=2).blocks
    for block, sums in enumerate(blocks):
        for group in range(2):
            mine = [cells[i] for i in np.flatnonzero((block_of_cell == block) & (group_of_cell == group))]
            assert sums.groups.n_cells[group] == len(mine)
            assert_close(of_group(sums.groups, group), tf_parts(collected(encoder, mine, panel_of_token), tfs))


def test_a_group_without_cells_is_zero_and_no_tf_gives_arrays_without_rows(encoder, panel_of_token):
    cells = cells_of([40, 60])
    empty = CellGroups(np.array([2, 2]), 4, np.array([5, 6]))
    found = collected(encoder, cells, panel_of_token, groups=empty).groups
    np.testing.assert_array_equal(found.n_cells, [0, 0, 2, 0])
    assert not found.plain[[0, 1, 3]].any()
    assert not found.lifted[[0, 1, 3]].any()
    assert not found.pairs[[0, 1, 3]].any()
    none = CellGroups(np.array([0, 1]), 2, np.empty(0, np.int64))
    sums = collected(encoder, cells, panel_of_token, (1, 3), heads=[(3, 2)], groups=none)
    assert sums.groups.plain.shape == sums.groups.lifted.shape == (2, 3, 2, 0, N_PANEL)
    assert sums.groups.pairs.shape == (2, 0, N_PANEL)
    np.testing.assert_array_equal(sums.groups.n_cells, [1, 1])


@pytest.mark.parametrize("tfs", [[], [0, 7, 150, 299]], ids=["no TF", "TFs"])
@pytest.mark.parametrize("n_cells", [0, 2])
def test_sums_with_groups_survive_safetensors(encoder, panel_of_token, tfs, n_cells):
    groups = CellGroups(np.arange(n_cells), 3, np.array(tfs, np.int64))
    sums = collected(encoder, cells_of([40, 60][:n_cells]), panel_of_token, (1, 3), heads=[(3, 2)], groups=groups)
    back = AttentionSums.from_tensors(load(save(sums.to_tensors("block0."))), "block0.")
    assert (back.parts, back.n_cells, back.hidden) == (sums.parts, n_cells, None)
    for name in ("tfs", "plain", "lifted", "pairs", "n_cells"):
        found, expected = getattr(back.groups, name), getattr(sums.groups, name)
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
