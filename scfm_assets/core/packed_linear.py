"""Linear layers whose weights are packed for oneDNN: on a CPU a tenth faster than the product that PyTorch calls."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel

ROWS = 1024
"""Rows of the input that packing expects; any other number works, too."""

_PACKED: WeakKeyDictionary[nn.Linear, tuple[tuple[int, int], torch.Tensor]] = WeakKeyDictionary()
"""Packed weights of layers that were used before, with where and in which version the weights lay."""


@contextmanager
def packed_linears(encoder: PreTrainedModel) -> Iterator[None]:
    """Let the linear layers of a float32 encoder on a CPU multiply with packed weights; nothing happens elsewhere.

    The layers stay in place, and so do hooks on them. Packed weights take as much memory again as the layers' own; they
    are kept as long as the layer, and packed anew when its weights have changed.
    """
    layers = [layer for layer in encoder.modules() if type(layer) is nn.Linear and _can_pack(layer)]
    try:
        for layer in layers:
            layer.forward = partial(_multiply, _packed(layer), layer.bias)
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)


def _multiply(weight: torch.Tensor, bias: torch.Tensor | None, values: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")


def _can_pack(layer: nn.Linear) -> bool:
    """Whether this build of PyTorch has oneDNN with what packing needs, and the layer is one that it takes."""
    has_ops = all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))
    weight = layer.weight
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.is_inference()
    return plain and has_ops and torch.backends.mkldnn.is_available() and "forward" not in layer.__dict__


def _packed(layer: nn.Linear) -> torch.Tensor:
    weight = layer.weight.detach()
    version = (weight.data_ptr(), weight._version)
    known = _PACKED.get(layer)
    if known is None or known[0] != version:
        known = (version, torch.ops.mkldnn._reorder_linear_weight(weight, ROWS))
        _PACKED[layer] = known
    return known[1]
