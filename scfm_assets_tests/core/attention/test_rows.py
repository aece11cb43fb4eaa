"""Both forms of the attention of the first rows, and the kernels of PyTorch that one of them stands on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scfm_assets.core.attention.rows import _KERNELS, CellLayer, form_for, fused_rows, open_rows, with_log_sum_exp

N_HEADS, N_TOKENS, SIZE, SCALING = 3, 50, 8, 0.35
FORMS = {"open": open_rows, "fused": fused_rows}
ROUNDING = 3e-6
"""Relative to float64: some roundings of float32, in the scores above all."""


def tensors(n_tokens: int = N_TOKENS, *, spread: float = 1.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As an encoder hands them over: heads first, but not contiguous."""
    rng = np.random.default_rng(n_tokens)
    made = (rng.normal(0, spread, (n_tokens, N_HEADS, SIZE)).astype(np.float32) for _ in range(3))
    query, key, value = (torch.from_numpy(array).transpose(0, 1) for array in made)
    return query, key, value


def exact(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Attention (heads, queries, keys), output (tokens, heads, size) and log-sum-exp (heads, queries) in float64."""
    query, key, value = (tensor.double() for tensor in (query, key, value))
    scores = torch.einsum("hqs,hks->hqk", query, key) * SCALING
    attention = torch.softmax(scores, -1)
    output = torch.einsum("hqk,hks->qhs", attention, value)
    return attention.numpy(), output.numpy(), torch.logsumexp(scores, -1).numpy()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at_a_time", [1, 7, 20, 1000])
@pytest.mark.parametrize("n_wanted", [0, 1, 20, N_TOKENS])
def test_both_forms_give_the_softmax_of_the_first_rows_and_the_output_of_all(form, n_wanted, at_a_time):
    asked = tensors()
    attention, expected_output, _ = exact(*asked)
    output = torch.full((N_TOKENS, N_HEADS, SIZE), torch.nan)
    stops = [0]
    for rows, found in FORMS[form](CellLayer(*asked, SCALING, n_wanted=n_wanted, at_a_time=at_a_time, output=output)):
        assert rows.start == stops[-1]
        assert rows.stop == min(rows.start + at_a_time, n_wanted)
        stops.append(rows.stop)
        block = attention[:, rows, :n_wanted]
        np.testing.assert_allclose(found.mean(), block.mean(0), rtol=ROUNDING)
        np.testing.assert_allclose(found.max(), block.max(0), rtol=ROUNDING)
        for head in range(N_HEADS):
            np.testing.assert_allclose(found.head(head + 1), block[head], rtol=ROUNDING)
        sums = found.sums(4)
        assert sums.shape == (min(4, rows.stop - rows.start),)
        np.testing.assert_allclose(sums, 1, rtol=1e-6)
    assert stops[-1] == n_wanted
    np.testing.assert_allclose(output, expected_output, rtol=0, atol=1e-6 * np.abs(expected_output).max())


@pytest.mark.parametrize("form", FORMS)
def test_without_an_output_the_attention_is_the_same_to_the_bit(form):
    asked = tensors()
    how = {"n_wanted": 20, "at_a_time": 7}
    output = torch.empty((N_TOKENS, N_HEADS, SIZE))
    without = [found.mean() for _, found in FORMS[form](CellLayer(*asked, SCALING, **how, output=None))]
    with_it = [found.mean() for _, found in FORMS[form](CellLayer(*asked, SCALING, **how, output=output))]
    assert all(torch.equal(one, other) for one, other in zip(without, with_it, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_scores_far_beyond_the_range_of_exp_are_no_trouble(form):
    """A softmax that did not take out the largest score would overflow above 88."""
    asked = tensors(spread=15)
    attention, _, lse = exact(*asked)
    assert lse.max() > 200
    ((_, found),) = FORMS[form](CellLayer(*asked, SCALING, n_wanted=20, at_a_time=20, output=None))
    np.testing.assert_allclose(found.mean(), attention[:, :20, :20].mean(0), rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.sums(20), 1, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_one_token_attends_to_itself_alone(form):
    output = torch.empty((1, N_HEADS, SIZE))
    query, key, value = tensors(1)
    ((rows, found),) = FORMS[form](CellLayer(query, key, value, SCALING, n_wanted=1, at_a_time=128, output=output))
    assert rows == slice(0, 1)
    np.testing.assert_allclose(found.mean(), [[1.0]], rtol=1e-6)
    np.testing.assert_allclose(output, value.transpose(0, 1), rtol=1e-6)


# Kernels ------------------------------------------------------------------------------------------------------------


def test_the_log_sum_exp_of_the_cpu_kernel_is_natural_and_one_per_head_and_query():
    query, key, value = tensors()
    _, output, expected = exact(query, key, value)
    for n_queries in (N_TOKENS, 13, 1, 0):
        found, lse = with_log_sum_exp(query[:, :n_queries], key, value, SCALING)
        assert lse.shape == (N_HEADS, n_queries)
        assert lse.dtype == torch.float32
        np.testing.assert_allclose(lse, expected[:, :n_queries], rtol=0, atol=3e-6)
        np.testing.assert_allclose(found.transpose(0, 1), output[:n_queries], rtol=0, atol=1e-5)


def test_in_half_precision_the_log_sum_exp_and_what_is_summed_stay_float32():
    """Judged against float64 of the same halves, which have a rounding of 4e-3: the softmax loses 1e-4 at most."""
    asked = tuple(tensor.bfloat16() for tensor in tensors())
    attention, _, _ = exact(*asked)
    assert with_log_sum_exp(*asked, SCALING)[1].dtype == torch.float32
    output = torch.empty((N_TOKENS, N_HEADS, SIZE), dtype=torch.bfloat16)
    ((_, found),) = fused_rows(CellLayer(*asked, SCALING, n_wanted=20, at_a_time=20, output=output))
    assert found.mean().dtype == found.max().dtype == found.head(1).dtype == found.sums(2).dtype == torch.float32
    np.testing.assert_allclose(found.mean(), attention[:, :20, :20].mean(0), rtol=1e-4)


RELIED_ON = {
    # arguments as they are passed: places by position, then the scale by name; the first outputs
    "cpu": (["query", "key", "value", "dropout_p", "is_causal"], ["output", "logsumexp"]),
    "cuda float32": (
        ["query", "key", "value", "attn_bias", "compute_log_sumexp", "dropout_p", "is_causal"],
        ["output", "log_sumexp"],
    ),
    "cuda half": (
        ["query", "key", "value", "dropout_p", "is_causal", "return_debug_mask"],
        ["output", "logsumexp"],
    ),
}


@pytest.mark.parametrize("kernel", RELIED_ON)
def test_pytorchs_kernels_take_and_give_what_is_relied_on(kernel):
    """Those of CUDA do not run everywhere: here their declarations are held."""
    operation, arguments = _KERNELS[kernel]
    names, outputs = RELIED_ON[kernel]
    schema = operation.default._schema
    by_position = [argument.name for argument in schema.arguments if not argument.kwarg_only]
    assert by_position == names
    assert len(arguments) == len(names) - 3
    assert {argument.name for argument in schema.arguments if argument.kwarg_only} >= {"scale"}
    assert [found.name for found in schema.returns][:2] == outputs
    given = dict(zip(names[3:], arguments, strict=True))
    assert given == {
        name: {"attn_bias": None, "compute_log_sumexp": True, "dropout_p": 0.0}.get(name, False) for name in names[3:]
    }


def test_all_kernels_in_use_are_those_tested_here():
    assert _KERNELS.keys() == RELIED_ON.keys()


def test_a_device_without_a_kernel_is_an_error_that_names_it():
    query, key, value = (tensor.to("meta") for tensor in tensors())
    with pytest.raises(ValueError, match=r"no attention with log-sum-exp for torch\.float32 on meta"):
        with_log_sum_exp(query, key, value, SCALING)


def test_the_form_follows_from_device_and_precision():
    query, _, _ = tensors()
    assert form_for(query) is open_rows
    assert form_for(query.bfloat16()) is fused_rows
