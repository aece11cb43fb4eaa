"""Packed linear layers multiply as PyTorch's own do, and leave the encoder as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertModel

from scfm_assets.core.packed_linear import packed_linears
from scfm_assets_tests.core.small_encoder import ours

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def encoder() -> BertModel:
    return ours()


def layers_of(encoder: BertModel) -> list[nn.Linear]:
    return [module for module in encoder.modules() if type(module) is nn.Linear]


@needs_onednn
def test_packed_layers_are_as_close_to_float64_as_pytorchs_own(encoder: BertModel) -> None:
    generator = torch.Generator().manual_seed(0)
    for layer in layers_of(encoder):
        values = torch.randn(1, 77, layer.in_features, generator=generator)
        with torch.inference_mode():
            exact = nn.functional.linear(values.double(), layer.weight.double(), layer.bias.double())
            own = (layer(values) - exact).abs().max()
            with packed_linears(encoder):
                assert "forward" in layer.__dict__
                found = (layer(values) - exact).abs().max()
        assert found <= 3 * own + 1e-6


@needs_onednn
def test_the_encoder_is_as_before_also_after_an_error(encoder: BertModel) -> None:
    def fail() -> None:
        with packed_linears(encoder):
            raise KeyError

    before = [layer.weight.clone() for layer in layers_of(encoder)]
    with pytest.raises(KeyError):
        fail()
    for layer, weight in zip(layers_of(encoder), before, strict=True):
        assert "forward" not in layer.__dict__
        assert torch.equal(layer.weight, weight)


@needs_onednn
def test_weights_that_have_changed_are_packed_anew(encoder: BertModel) -> None:
    layer = layers_of(encoder)[0]
    values = torch.ones(1, 3, layer.in_features)
    with torch.no_grad():
        with packed_linears(encoder):
            first = layer(values)
        layer.weight.mul_(2)
        layer.bias.mul_(2)
        with packed_linears(encoder):
            torch.testing.assert_close(layer(values), 2 * first)
        layer.weight.data = torch.zeros_like(layer.weight)
        with packed_linears(encoder):
            torch.testing.assert_close(layer(values), layer.bias.expand(1, 3, -1))


@needs_onednn
def test_hooks_on_a_layer_still_hear(encoder: BertModel) -> None:
    heard = []
    layer = layers_of(encoder)[0]
    with layer.register_forward_hook(lambda *_: heard.append(1)), packed_linears(encoder), torch.no_grad():
        layer(torch.ones(1, 3, layer.in_features))
    assert heard == [1]


def test_half_precision_is_left_alone(encoder: BertModel) -> None:
    half = encoder.to(torch.bfloat16)
    with packed_linears(half):
        assert all("forward" not in layer.__dict__ for layer in layers_of(half))


def test_one_inside_the_other_changes_nothing(encoder: BertModel) -> None:
    with packed_linears(encoder):
        inside = [layer.__dict__.get("forward") for layer in layers_of(encoder)]
        with packed_linears(encoder):
            pass
        assert [layer.__dict__.get("forward") for layer in layers_of(encoder)] == inside
