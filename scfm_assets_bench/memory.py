"""Peak memory of one side, measured in a process that does nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets_bench import machine, naive
from scfm_assets_bench.engine import sum_attention
from scfm_assets_bench.measure import peak_above, threads_limited_to
from scfm_assets_bench.models import Shape, base_encoder, collecting_encoder, masked_language_model
from scfm_assets_bench.processes import in_fresh_process
from scfm_assets_bench.simulated import PANEL, draw_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scfm_assets_bench.simulated import BenchCells

SHARE_OF_FREE = 0.8
"""Share of the free memory that the typical side may take."""


def peak_of(
    side: str,
    shape: Shape,
    lengths: Sequence[int],
    *,
    batch: int = 1,
    n_panel: int = PANEL,
    threads: int = 1,
) -> int:
    """Most bytes that one side ('ours', 'typical', 'careful') needs above its loaded model."""
    return in_fresh_process(_measure, side, shape, tuple(lengths), (batch, n_panel, threads), threads=threads)


def _measure(side: str, shape: Shape, lengths: Sequence[int], sizes: tuple[int, int, int]) -> int:
    batch, n_panel, threads = sizes
    with threads_limited_to(threads):
        cells = draw_cells(shape, lengths, n_panel=n_panel)
        short = draw_cells(shape, (16,), n_panel=n_panel)
        work = _work(side, shape, batch)
        if side == "ours":
            assert cells.tokens.n_cells == len(lengths)  # made here: the cells are given to either side
        work(short)  # what is loaded and set up once belongs to the program, not to the cells
        return peak_above(lambda: work(cells))


def _work(side: str, shape: Shape, batch: int) -> Callable[[BenchCells], object]:
    if side == "ours":
        encoder = collecting_encoder(shape)
        return lambda cells: sum_attention(encoder, cells)
    if side == "careful":
        eager = base_encoder(shape, "eager")
        return lambda cells: naive.careful(eager, cells)
    published = masked_language_model(shape)
    return lambda cells: naive.typical(published, cells, batch=batch)


def batch_that_fits(shape: Shape, lengths: Sequence[int], wanted: int) -> int:
    """Halve a batch until the maps that the typical side keeps fit into the free memory.

    They are layers x heads x tokens x tokens in float32; what eager attention needs beside them is about as much as
    the maps of two layers, and the logits are tokens x vocabulary.
    """
    free, longest = machine.free_memory(), max(lengths)
    batch = min(wanted, len(lengths))
    if free is None:
        return batch
    per_cell = 4 * ((shape.layers + 2) * shape.heads * longest**2 + 2 * longest * shape.vocabulary)
    while batch > 1 and batch * per_cell > SHARE_OF_FREE * free:
        batch //= 2
    return batch
