"""Two worker processes with one thread each against one, on the same cells."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets_bench.engine import sum_attention
from scfm_assets_bench.measure import interleaved
from scfm_assets_bench.models import Shape, collecting_encoder
from scfm_assets_bench.processes import Process
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated import PANEL, draw_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets_bench.settings import Tell
    from scfm_assets_bench.simulated import BenchCells


def two_workers(shape: Shape, lengths: tuple[int, ...], *, repeats: int, tell: Tell) -> Result:
    """Compare wall times, from handing out the cells until the sums of all are added in this process.

    Workers are started and have their model before: in the platform they live as long as a run.
    """
    halves = shares_of(lengths, 2)
    what = f"{shape.name}, {min(lengths)}-{max(lengths)} tokens"
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(1)) for _ in halves]
        tell(f"{what}: starting two workers")
        _all(processes, shape, lengths, [[0], [0]])
        sides = {
            "one worker": lambda: _all(processes[:1], shape, lengths, shares_of(lengths, 1)),
            "two workers": lambda: _all(processes, shape, lengths, halves),
        }
        timed = interleaved(sides, repeats=repeats, tell=tell, what=what)
    one, two = timed["one worker"], timed["two workers"]
    return Result(
        "attention",
        f"{what}: two worker processes, wall time",
        "one worker",
        ratio=one.wall / two.wall,
        seconds=two.wall,
        baseline_seconds=one.wall,
    )


def shares_of(lengths: Sequence[int], n: int) -> list[list[int]]:
    """Deal cells out to n workers by length, so that none gets the long ones."""
    by_length = np.argsort(lengths, kind="stable")
    return [by_length[start::n].tolist() for start in range(n)]


def _all(
    processes: Sequence[Process], shape: Shape, lengths: tuple[int, ...], shares: Sequence[list[int]]
) -> AttentionSums:
    for process, share in zip(processes, shares, strict=True):
        process.start(sums_of, shape, lengths, share)
    first, *others = (process.result() for process in processes)
    for other in others:
        first.add_(other)
    return first


def sums_of(shape: Shape, lengths: tuple[int, ...], share: list[int]) -> AttentionSums:
    """Sum the attention of some of the cells, in a worker that keeps model and cells between calls."""
    encoder, cells = _ready(shape, lengths)
    return sum_attention(encoder, cells.take(share))


@cache
def _ready(shape: Shape, lengths: tuple[int, ...]) -> tuple[PreTrainedModel, BenchCells]:
    import torch

    torch.set_num_threads(1)
    return collecting_encoder(shape), draw_cells(shape, lengths, n_panel=min(PANEL, shape.vocabulary // 2))
