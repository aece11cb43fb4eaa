"""The ranked form of attention, held against a plain ranking of transformers' own queries and keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from transformers import BertModel

from scfm_assets.core.attention import machine as machines
from scfm_assets.core.attention.collector import RANKED_BYTES
from scfm_assets.core.attention.machine import Machine, Need
from scfm_assets.core.attention.ranks import RankedRows, mid_ranks, ranked_rows
from scfm_assets.core.attention.rows import CellLayer
from scfm_assets_tests.core.attention.small_encoder import (
    HIDDEN,
    N_HEADS,
    N_PANEL,
    a_bert,
    a_panel,
    bits,
    cells_of,
    heard,
    ours,
    ragged,
)

FORM = "rank_normalised"
LAYERS = (1, 2, 3)


def ranks(scores: np.ndarray) -> np.ndarray:
    """Within rows, then within columns, from 0, by the number of tokens: (heads, n, n) of one cell."""
    by_row = rankdata(scores, axis=-1) - 1
    return (rankdata(by_row, axis=-2) - 1) / scores.shape[-1]


def scores_of(model: BertModel, cell: np.ndarray) -> list[np.ndarray]:
    """Q K^T of every layer, no scale and no softmax."""
    with torch.no_grad():
        states = model(torch.from_numpy(cell)[None], output_hidden_states=True).hidden_states
        found = []
        for layer, state in zip(model.encoder.layer, states, strict=False):
            query, key = (
                part(state[0]).view(len(cell), N_HEADS, HIDDEN // N_HEADS).transpose(0, 1)
                for part in (layer.attention.self.query, layer.attention.self.key)
            )
            found.append((query @ key.transpose(1, 2)).numpy())
    return found


def reference(model: BertModel, cells: list[np.ndarray], panel: np.ndarray, parts, aggregation: str) -> np.ndarray:
    total = np.zeros((len(parts), N_PANEL, N_PANEL))
    for cell in cells:
        if not len(cell):
            continue
        genes = panel[cell]
        at = np.flatnonzero(genes >= 0)
        layers = [ranks(scores) for scores in scores_of(model, cell)]
        for place, (layer, head) in enumerate(parts):
            maps = layers[layer - 1]
            whole = maps.mean(0) if aggregation == "mean" else maps.max(0)
            chosen = whole if head is None else maps[head - 1]
            total[place][np.ix_(genes[at], genes[at])] += chosen[np.ix_(at, at)]
    return total


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def eager() -> BertModel:
    return a_bert("eager")


@pytest.fixture(scope="module")
def panel() -> np.ndarray:
    return a_panel()


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("rows", [128, 7])
def test_ranked_sums_equal_a_plain_ranking_of_all_rows_and_columns(
    encoder, eager, panel, aggregation, rows, monkeypatch
):
    """Scores that differ by rounding alone may change places, and with them ranks of a column."""
    monkeypatch.setattr(machines, "ROWS_ON_CPU", rows)
    cells, heads = ragged(panel, special=True), [(1, 2), (3, 4)]
    found = heard(encoder, cells, panel, LAYERS, form=FORM, aggregation=aggregation, heads=heads)
    (sums,) = found.blocks
    expected = reference(eager, cells, panel, sums.parts, aggregation)
    difference = np.abs(sums.plain - expected)
    assert (difference > 1e-5).mean() < 0.01
    assert difference.max() < 0.1
    assert expected.max() > 1  # pairs of several cells


@pytest.mark.parametrize("at_a_time", [1, 7, 1000])
@pytest.mark.parametrize("n_wanted", [1, 12, 40])
def test_ranks_of_whole_numbers_equal_a_plain_ranking_to_the_bit(n_wanted, at_a_time):
    """Whole numbers make scores without rounding, and many that are alike."""
    rng = np.random.default_rng(n_wanted)
    query, key = (rng.integers(-3, 4, (3, 40, 5)).astype(np.float32) for _ in range(2))
    expected = ranks(query @ key.transpose(0, 2, 1))[:, :n_wanted, :n_wanted].astype(np.float32)
    found = RankedRows(torch.from_numpy(query), torch.from_numpy(key), n_wanted, at_a_time)
    for head in range(3):
        np.testing.assert_array_equal(found.head(head + 1), expected[head])
    np.testing.assert_array_equal(found.max(), expected.max(0))
    np.testing.assert_allclose(found.mean(), expected.mean(0), rtol=1e-6)


def test_what_leaves_a_layer_is_not_ranked(encoder, panel):
    """Later layers see the softmax's output, whatever is summed."""
    from scfm_assets.core.attention.collector import States

    cells = ragged(panel, special=True)
    plain, ranked = (
        heard(encoder, cells, panel, LAYERS, form=form, states=States((2, 3), 2)) for form in ("open", FORM)
    )
    np.testing.assert_allclose(ranked.blocks[0].hidden, plain.blocks[0].hidden, rtol=0, atol=1e-4)
    np.testing.assert_allclose(ranked.embeddings["cls"], plain.embeddings["cls"], rtol=0, atol=1e-5)


def test_ranks_do_not_depend_on_the_scale_of_the_scores():
    rng = np.random.default_rng(0)
    query, key, value = (torch.tensor(rng.normal(0, 1, (2, 30, 8)), dtype=torch.float32) for _ in range(3))
    asked = {"n_wanted": 12, "at_a_time": 5, "output": None}
    one, other = (next(ranked_rows(CellLayer(query * by, key, value, 1.0, **asked)))[1].mean() for by in (1.0, 64.0))
    assert torch.equal(one, other)
    assert one.shape == (12, 12)
    assert one.min() >= 0
    assert one.max() < 1


def test_without_a_wanted_row_there_is_nothing_but_the_output():
    query = torch.ones(1, 4, 2)
    output = torch.empty(4, 1, 2)
    assert list(ranked_rows(CellLayer(query, query, query, 1.0, n_wanted=0, at_a_time=5, output=output))) == []
    assert torch.equal(output, torch.ones(4, 1, 2))


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (40, 3)])
def test_equal_values_get_the_mean_of_their_places(shape):
    values = np.random.default_rng(1).integers(0, 6, shape).astype(np.float32)
    np.testing.assert_array_equal(mid_ranks(torch.from_numpy(values)), rankdata(values, axis=-1) - 1)
    columns = torch.from_numpy(values.T.copy()).T
    np.testing.assert_array_equal(mid_ranks(columns), rankdata(values, axis=-1) - 1)


def test_every_head_has_ranks_that_sum_to_the_same(encoder, panel):
    """Ranks of a column are those from 0 to n - 1, however they are tied."""
    rng = np.random.default_rng(2)
    n = 25
    query, key = (torch.tensor(rng.normal(0, 1, (3, n, 4)), dtype=torch.float32) for _ in range(2))
    found = RankedRows(query, key, n, 6)
    for head in (1, 2, 3):
        np.testing.assert_allclose(found.head(head).sum(0), (n - 1) / 2, rtol=1e-6)


def test_the_check_of_row_sums_does_not_apply_but_lost_scores_are_noticed(encoder, panel):
    cells = cells_of([60, 30])
    assert heard(encoder, cells, panel, form=FORM).row_sum_error == 0
    broken = ours()
    with torch.no_grad():
        broken.encoder.layer[1].attention.self.key.weight[0, 0] = float("nan")
    assert heard(broken, cells, panel, form=FORM).row_sum_error == math.inf


def test_the_same_cells_give_the_same_bits_and_packing_next_to_none_else(encoder, panel):
    cells = ragged(panel, special=True)
    one, other = (heard(encoder, cells, panel, form=FORM) for _ in range(2))
    assert bits(one) == bits(other)
    packed = heard(encoder, cells, panel, form=FORM, machine=Machine(tokens=400))
    assert (np.abs(packed.blocks[0].plain - one.blocks[0].plain) > 1e-5).mean() < 0.01


def test_the_memory_of_ranking_is_planned(encoder, panel):
    asked = {"longest": 400, "fixed": 0, "n_panel": 300, "precision": "fp32", "states": False}
    more = Need.of(encoder.config, per_pair=RANKED_BYTES, **asked).pairs - Need.of(encoder.config, **asked).pairs
    assert more == RANKED_BYTES * 300 * 400
    assert heard(encoder, [], panel, form=FORM).bytes_per_pair == RANKED_BYTES
    assert heard(encoder, [], panel).bytes_per_pair == 0
