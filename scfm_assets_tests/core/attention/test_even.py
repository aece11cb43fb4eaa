"""Even attention from tokens against loops over cells and pairs, with and without each group of cells."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.attention import even
from scfm_assets.core.attention.increments import TokenizedCells
from scfm_assets.core.attention.sums import AttentionSums, GroupSums
from scfm_assets.core.scores.edges import ScoreKey, from_attention
from scfm_assets.core.tokens import Tokens

K, TFS, GROUPS = 4, np.array([0, 2]), 3
PANEL = pa.table({"gene_id": list("abcd"), "symbol": list("ABCD")})
OF_TOKEN = np.array([-1, -1, 2, 0, 3, 1, -1])
MODEL = SimpleNamespace(
    vocabulary=SimpleNamespace(names_of=lambda ids, _: ids, panel_of_token=lambda _: OF_TOKEN)
)  # fmt: skip


def increment(seed: int, base: int, n: int) -> TokenizedCells:
    """Cells of two blocks: of repeat 0 from the slice on, and of repeat 1 from 12 cells on, or of both."""
    rng = np.random.default_rng(seed)
    rows = [np.r_[0, rng.permutation(np.arange(1, 7))[: rng.integers(0, 7)]].astype(np.int32) for _ in range(n)]
    blocks = (((0, base + n),), ((0, base + n), (1, 12)))
    groups, of_block = rng.integers(GROUPS, size=n), rng.integers(2, size=n)
    return TokenizedCells(base, np.arange(base, base + n), blocks, of_block, groups, Tokens.of(rows))


PIECES = {5: increment(0, 0, 5), 12: increment(1, 5, 7)}


def by_hand(n_cells: int, repeat: int, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Sums of 1 / keys, and cells, of every pair."""
    summed, held = np.zeros((K, K)), np.zeros((K, K), np.int32)
    for piece in (PIECES[n] for n in PIECES if n <= n_cells):
        for cell in range(piece.tokens.n_cells):
            member = dict(piece.blocks[piece.block_of_cell[cell]]).get(repeat)
            if member is None or member > n_cells or piece.group_of_cell[cell] == without:
                continue
            ids = piece.tokens.row(cell)
            genes = [OF_TOKEN[token] for token in ids if OF_TOKEN[token] >= 0]
            for one in genes:
                for other in genes:
                    summed[one, other] += 1 / len(ids)
                    held[one, other] += 1
    return summed, held


@pytest.mark.parametrize("n_cells", [5, 12])
@pytest.mark.parametrize("at_once", [2, 2048])
def test_sums_are_those_of_a_loop_over_cells(monkeypatch, n_cells, at_once):
    monkeypatch.setattr(even, "AT_ONCE", at_once)
    sums = even.even_sums(PIECES.__getitem__, n_cells, MODEL, PANEL, tfs=TFS, n_groups=GROUPS)
    assert list(sums) == ([0] if n_cells == 5 else [0, 1])
    for repeat, found in sums.items():
        whole, _ = by_hand(n_cells, repeat)
        np.testing.assert_allclose(found.summed, whole)
        for group in range(GROUPS):
            rest, _ = by_hand(n_cells, repeat, without=group)
            np.testing.assert_allclose(found.of_groups[group], (whole - rest)[TFS], atol=1e-12)


def test_a_model_scores_pairs_by_it_with_and_without_each_group():
    sums, found = {}, even.even_sums(PIECES.__getitem__, 12, MODEL, PANEL, tfs=TFS, n_groups=GROUPS)
    for repeat in found:
        held = by_hand(12, repeat)[1]
        groups = GroupSums.zeros(GROUPS, 1, TFS, K)
        for group in range(GROUPS):
            groups.pairs[group] = (held - by_hand(12, repeat, without=group)[1])[TFS]
        groups.n_cells[:] = 3
        sums[repeat] = AttentionSums.zeros([1], K)
        sums[repeat].groups, sums[repeat].pairs = groups, held
    scores = from_attention(sums, PANEL, even=found)
    for repeat in found:
        key = ScoreKey(repeat, "uniform_attention", symmetric=True)
        for group in (None, *range(GROUPS)):
            summed, held = by_hand(12, repeat, without=group)
            expected = np.divide(summed, held, out=np.zeros((K, K)), where=held > 0)
            np.fill_diagonal(expected, 0)
            if group is None:
                np.testing.assert_allclose(scores.scores[scores.keys.index(key)], expected, rtol=1e-6)
                continue
            left = scores.left_out.scores(key)[group, 0]
            left[[0, 1], TFS] = 0
            np.testing.assert_allclose(left, expected[TFS], rtol=1e-5, atol=1e-6)
    assert {key.method for key in scores.keys} == {"attention", "attention_lift", "uniform_attention"}


def test_scores_that_lack_groups_take_them_from_others():
    left = from_attention_left()
    known = {ScoreKey(0, "attention", 1): np.ones(1)}
    both = type(left).of_arrays(TFS, {0: np.ones(3)}, known, {}).beside(left)
    assert both.scores(ScoreKey(0, "attention", 1)) is known[ScoreKey(0, "attention", 1)]
    assert both.scores(ScoreKey(0, "uniform_attention", symmetric=True)) is not None
    assert both.scores(ScoreKey(0, "hidden_state", 1)) is None
    assert left.beside(None) is left


def from_attention_left():
    found = even.even_sums(PIECES.__getitem__, 5, MODEL, PANEL, tfs=TFS, n_groups=GROUPS)
    sums = AttentionSums.zeros([1], K)
    sums.groups = GroupSums.zeros(GROUPS, 1, TFS, K)
    return from_attention({0: sums}, PANEL, even=found).left_out
