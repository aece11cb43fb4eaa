"""How fast the machine could be: rates measured in this run, and the arithmetic that the exact job cannot do without.

Per cell of L tokens, m of them panel genes, n layers up to the last one wanted, hidden size h, H heads, intermediate I:

    FLOP = L ((n - 1) (8 h^2 + 4 h I) + 4 h^2)  +  (n - 1) 4 L^2 h  +  2 m L h
    exps = (n - 1) H L^2  +  H m L

Every layer but the last runs whole: four h x h products, two h x I, and attention (queries times keys, weights times
values). The last one needs queries and keys, and the scores of the m panel rows. Scores of panel rows are worked out
once and serve both the sums and the layer's output, so there is no m^2 term: that belongs to the form which computes
them again from the log-sum-exp. Embeddings, normalisation, activation, head mean and the sums themselves count as free,
and nothing is assumed to overlap: limit = FLOP / GEMM rate + exps / exp rate.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from scfm_assets_bench.models import Shape
    from scfm_assets_bench.simulated import BenchCells

ROWS = 128
"""Query rows in the score products that are timed."""


@dataclass(frozen=True)
class Rates:
    """What this machine does per second of CPU time, in float32.

    Attributes
    ----------
    flops
        Best GEMM of all timed.
    exps
        Exponentials of values that lie in the cache.
    """

    flops: float
    exps: float

    def best(self, other: Rates) -> Rates:
        """The higher of both: a limit is what was reached at any time."""
        return Rates(max(self.flops, other.flops), max(self.exps, other.exps))


def limit_seconds(shape: Shape, cells: BenchCells, rates: Rates, *, last_layer: int | None = None) -> float:
    """Seconds that the job cannot go below at these rates."""
    work = [
        work_of(shape, length, panel, last_layer=last_layer)
        for length, panel in zip(cells.lengths, cells.in_panel, strict=True)
    ]
    return sum(flop for flop, _ in work) / rates.flops + sum(exps for _, exps in work) / rates.exps


def work_of(shape: Shape, length: int, in_panel: int, *, last_layer: int | None = None) -> tuple[float, float]:
    """FLOP and exps of one cell, see the formula above."""
    L, m, n = length, in_panel, last_layer or shape.layers
    h, H, inter = shape.hidden, shape.heads, shape.intermediate
    flop = L * ((n - 1) * (8 * h**2 + 4 * h * inter) + 4 * h**2) + (n - 1) * 4 * L**2 * h + 2 * m * L * h
    return float(flop), float((n - 1) * H * L**2 + H * m * L)


def measure_rates(shape: Shape, length: int, *, seconds: float = 0.15) -> Rates:
    """Time the products that occur in a cell of this length, and exponentials.

    Linear layers are timed through torch and, where this build has it, through oneDNN with weights packed beforehand,
    which is faster on some processors: the limit is the best of them.
    """
    import torch

    with torch.inference_mode():
        flops = max(
            flop / _seconds_of(product, seconds=seconds / 2) for flop, product in _products(shape, max(length, 16))
        )
        values = torch.linspace(-20, 0, 1 << 19)
        out = torch.empty_like(values)
        exps = values.numel() / _seconds_of(lambda: torch.exp(values, out=out), seconds=seconds)
    return Rates(flops, exps)


def _products(shape: Shape, length: int) -> Sequence[tuple[float, Callable[[], object]]]:
    import torch
    from torch.nn import functional

    h, inter, H = shape.hidden, shape.intermediate, shape.heads
    products: list[tuple[float, Callable[[], object]]] = []
    for inner, outer in ((h, h), (h, inter), (inter, h)):
        tokens, weight, bias = torch.randn(length, inner), torch.randn(outer, inner), torch.randn(outer)
        flop = 2.0 * length * inner * outer
        products.append((flop, lambda t=tokens, w=weight, b=bias: functional.linear(t, w, b)))
        packed = _packed(tokens, weight, bias)
        if packed is not None:
            products.append((flop, packed))
    rows, keys, values = (
        torch.randn(H, ROWS, h // H),
        torch.randn(H, h // H, length),
        torch.randn(H, length, h // H),
    )
    weights = torch.randn(H, ROWS, length)
    flop = 2.0 * ROWS * length * h
    products.extend([(flop, lambda: torch.bmm(rows, keys)), (flop, lambda: torch.bmm(weights, values))])
    return products


def _packed(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Callable[[], object] | None:
    """The same product by oneDNN with a packed weight; None where this build of torch has no such thing."""
    import torch

    operators = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(operators, "_linear_pointwise"):
        return None
    packed = operators._reorder_linear_weight(weight, len(tokens))
    return lambda: operators._linear_pointwise(tokens, packed, bias, "none", [], "")


def _seconds_of(work: Callable[[], object], *, seconds: float) -> float:
    """CPU seconds of the fastest of several rounds of one piece of work."""
    work()
    started = time.process_time()
    work()
    times = max(1, int(seconds / 8 / max(time.process_time() - started, 1e-6)))
    best = float("inf")
    for _ in range(8):
        started = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - started) / times)
    return best
