"""Whatever the cells, the panel, the form and the batches: the sums are those of transformers' own maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from scfm_assets.core.attention.machine import Machine
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.attention.encoder_cases import EVERY_EXAMPLE, SEEDS, cases, eager
from scfm_assets_tests.core.attention.small_encoder import assert_equal


@settings(EVERY_EXAMPLE, max_examples=100)
@given(cases())
def test_sums_equal_transformers_own_maps(case):
    collector = case.heard()
    (found,) = collector.blocks
    assert_equal(found, case.naive(eager()))
    assert collector.row_sum_error < 1e-5
    held = [case.panel_of_token[cell] >= 0 for cell in case.cells]
    passed = [len(genes) > 0 if case.states else bool(genes.any()) for genes in held]
    assert collector.forwarded == sum(passed)


@settings(EVERY_EXAMPLE, max_examples=60)
@given(cases())
def test_sums_are_as_close_to_float64_as_transformers_own_maps_are(case):
    """Three times their largest error, and a few roundings of float32 where they happen to have made almost none."""
    (found,) = case.heard().blocks
    exact, theirs = case.naive(eager(double=True)), case.naive(eager())
    seen = exact.pairs > 0
    for name in ("plain", "lifted"):
        right, mine, other = (getattr(sums, name)[:, seen].astype(np.float64) for sums in (exact, found, theirs))
        error, allowed = (np.abs(sums / right - 1).max(initial=0) for sums in (mine, other))
        assert error <= 3 * allowed + 1e-6


@settings(EVERY_EXAMPLE, max_examples=30)
@given(cases())
def test_lifted_attention_is_each_cells_attention_times_its_number_of_keys(case):
    """Cell by cell, each in a block of its own: to the rounding of one multiplication."""
    n_cells = len(case.cells)
    packing = Machine(tokens=case.machine.tokens)
    collector = case.heard(block_of_cell=np.arange(n_cells), n_blocks=n_cells, machine=packing)
    for cell, sums in zip(case.cells, collector.blocks, strict=True):
        np.testing.assert_array_equal(sums.lifted, sums.plain * np.float32(len(cell)))


@settings(EVERY_EXAMPLE, max_examples=30)
@given(cases(), SEEDS)
def test_a_token_that_stands_twice_is_refused_whatever_the_place(case, seed):
    rng = np.random.default_rng(seed)
    filled = [number for number, cell in enumerate(case.cells) if len(cell)]
    if not filled:
        return
    number = int(rng.choice(filled))
    cell = case.cells[number]
    token = int(rng.choice(cell))
    case.cells[number] = np.insert(cell, rng.integers(len(cell) + 1), token)
    with pytest.raises(ScfmError, match=f"token {token} stands twice in cell {number}"):
        case.heard(machine=Machine(tokens=case.machine.tokens))
