"""What goes at once in which memory, and what no device does."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from transformers import BertConfig

from scfm_assets.core.attention.collector import States
from scfm_assets.core.attention.machine import FEWEST_ROWS, ROWS_ON_CPU, Machine, MemoryPlan, Need, plan
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    TOLERANCE,
    a_bert,
    a_panel,
    assert_equal,
    cells_of,
    collected,
    heard,
    naive,
    ours,
)

MIB = 2**20
NEED = Need(fixed=10 * MIB, pairs=MIB, per_token=2048, per_row=8192, longest=1000)
LEAST = 11 * MIB + 1000 * 2048 + FEWEST_ROWS * 8192


def test_without_a_budget_cells_pass_one_by_one_on_a_cpu():
    assert plan(Machine(), NEED, place="here") == MemoryPlan(tokens=0, rows=ROWS_ON_CPU)
    assert plan(Machine(tokens=5000), NEED, place="here") == MemoryPlan(tokens=5000, rows=ROWS_ON_CPU)


@pytest.mark.parametrize(
    ("spare", "tokens", "rows"),
    [
        (0, 1000, 16),
        (16 * 8192 - 1, 1000 + 63, 16),
        (16 * 8192, 1000, 32),  # as many rows as go beside the longest cell, then tokens
        (48 * 8192, 1000, 64),
        (112 * 8192, 1000, 128),
        (112 * 8192 + 2048 * 77 + 2047, 1077, 128),
        (112 * 8192 + 2048 * 8999, 9999, 128),
        (112 * 8192 + 2048 * 100_000, 10_000, 128),
    ],
)
def test_rows_and_tokens_follow_from_the_budget(spare, tokens, rows):
    """The closed form: fixed + pairs + tokens x per_token + rows x per_row."""
    found = plan(Machine(memory=LEAST + spare, tokens=10_000), NEED, place="here")
    assert found == MemoryPlan(tokens, rows)
    assert NEED.bytes(max(1000, found.tokens), found.rows) <= LEAST + spare
    alone = plan(Machine(memory=LEAST + spare), NEED, place="here")
    assert alone == MemoryPlan(0, rows)


def test_need_is_counted_from_the_encoders_shape():
    config = BertConfig(hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=512)
    of = {"longest": 2048, "fixed": 123, "n_panel": 1000}
    need = Need.of(config, **of, precision="fp32", states=False)
    where_pairs_lie = 8 * 1000
    assert need == Need(123, 4 * 1000**2, 4 * (8 * 256 + 2 * 512) + where_pairs_lie, 2048 * (4 * (2 * 4 + 3) + 8), 2048)
    states = Need.of(config, **of, precision="fp32", states=True)
    assert states.per_token == need.per_token + 4 * 256 * 7
    half = Need.of(config, **of, precision="bf16", states=False)
    assert half.per_token - where_pairs_lie == (need.per_token - where_pairs_lie) // 2
    assert half.per_row == need.per_row
    small = Need.of(config, **(of | {"longest": 30}), precision="fp32", states=False)
    assert (small.pairs, small.longest) == (4 * 30**2, 30)


def test_a_budget_that_is_too_small_is_refused_with_the_one_that_suffices():
    with pytest.raises(
        ScfmError, match=r"a cell of 1000 tokens needs 14 MiB .*\(10 MiB .* the budget is 14 MiB"
    ) as caught:
        plan(Machine(memory=LEAST - 1), NEED, place="tokens and model")
    named = re.fullmatch(r"Give at least (\d+) MiB \(--memory \1MiB\), or fewer layers\.", str(caught.value.remedy))
    assert named is not None
    assert plan(Machine(memory=int(named[1]) * MIB), NEED, place="here").rows >= FEWEST_ROWS
    assert plan(Machine(memory=LEAST), NEED, place="here") == MemoryPlan(0, FEWEST_ROWS)


def test_the_budget_named_for_a_stream_suffices_for_it():
    encoder, panel, cells = ours(), a_panel(), cells_of([400, 300])
    with pytest.raises(ScfmError, match="a cell of 400 tokens needs") as caught:
        collected(encoder, cells, panel, machine=Machine(memory=MIB))
    (named,) = set(re.findall(r"(\d+) ?MiB", str(caught.value.remedy)))
    found = collected(encoder, cells, panel, machine=Machine(memory=int(named) * MIB))
    assert_equal(found, naive(a_bert("eager"), cells, panel, (1, 2, 3)))


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "tf32"), ("mps", "tf32"), ("mps", "bf16"), ("mps:0", "bf16")]
)
def test_a_precision_that_a_device_does_not_do_is_refused_with_the_remedy(device, precision):
    with pytest.raises(ScfmError, match=f"{precision} is not done on {device[:3]}") as caught:
        Machine(device, precision)
    assert caught.value.remedy == "Use fp32, or bf16 on cpu and cuda, or tf32 on cuda."


@pytest.mark.parametrize(
    ("device", "precision"),
    [("cpu", "fp32"), ("cpu", "bf16"), ("mps", "fp32"), ("cuda", "fp32"), ("cuda:1", "tf32"), ("cuda", "bf16")],
)
def test_all_other_precisions_are_taken(device, precision):
    assert Machine(device, precision).precision == precision


# Half precision on the CPU ------------------------------------------------------------------------------------------


def test_bf16_is_close_and_leaves_the_callers_weights_and_the_processs_settings_alone():
    """No sum off by more than 5 %, half of them by less than 1 %, hidden states by 2 % of the largest; not exact."""
    encoder, panel, cells = a_bert(ours().config._attn_implementation, spread=0.1), a_panel(), cells_of([200, 150, 90])
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    precision = torch.get_float32_matmul_precision()
    collector = heard(encoder, cells, panel, states=States((CLS, EOS), CLS), machine=Machine(precision="bf16"))
    (found,) = collector.blocks
    assert encoder.dtype == torch.float32
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    assert torch.get_float32_matmul_precision() == precision
    assert found.plain.dtype == found.lifted.dtype == found.hidden.dtype == np.float32
    assert {vectors.dtype for vectors in collector.embeddings.values()} == {np.dtype(np.float32)}
    exact = naive(a_bert("eager", spread=0.1), cells, panel, (1, 2, 3))
    np.testing.assert_array_equal(found.pairs, exact.pairs)
    seen = exact.pairs > 0
    for mine, right in ((found.plain, exact.plain), (found.lifted, exact.lifted)):
        error = np.abs(mine[:, seen] / right[:, seen] - 1)
        assert TOLERANCE < np.median(error) < 1e-2
        assert error.max() < 5e-2
    error = np.abs(found.hidden - exact.hidden) / np.abs(exact.hidden).max()
    assert error.max() < 2e-2
    assert collector.row_sum_error < 1e-4


def test_settings_are_put_back_when_a_pass_fails():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(ScfmError, match="needs"):
            collected(ours(), cells_of([30]), a_panel(), machine=Machine(memory=1))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_packing_is_exact_even_where_a_pass_is_longer_than_the_model_has_positions():
    encoder, panel, cells = ours(), a_panel(), cells_of([400, 300, 35, 410, 1], special=True)
    packed = heard(encoder, cells, panel, machine=Machine(tokens=2000))
    assert_equal(packed.blocks[0], naive(a_bert("eager"), cells, panel, (1, 2, 3)))
