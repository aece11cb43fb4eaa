"""An increment cut into parts that any worker can take, and put together again in a fixed order.

A part holds cells of one block. How an increment is cut depends on its cells alone, and parts are added as they stand
in it, whichever is ready first: the same increment gives the same bits on any number of workers. Against one pass over
all cells (`core.attention.increments.attend`), a block of a single part has the same bits where a cell passes alone,
which it does on a CPU; sums of several parts differ by the rounding of float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.attention.increments import AttentionIncrement
from scfm_assets.core.attention.sums import AttentionSums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scfm_assets.core.attention.increments import Halfway, TokenizedCells

CELLS = 256
"""Most cells of a part: minutes of work on a CPU, against seconds to send its sums."""


@dataclass(frozen=True)
class Part:
    """Some cells of an increment, all of one block.

    Attributes
    ----------
    block
        The block.
    rows
        Which cells of the increment, ascending.
    cells
        These cells, as an increment of one block.
    """

    block: int
    rows: np.ndarray
    cells: TokenizedCells


def parts_of(cells: TokenizedCells, size: int = CELLS) -> list[Part]:
    """Cut an increment into parts of at most `size` cells. A block without cells is one part without cells."""
    return [
        Part(block, rows, _take(cells, block, rows))
        for block in range(len(cells.blocks))
        for block_rows in (np.flatnonzero(cells.block_of_cell == block),)
        for rows in np.split(block_rows, range(size, len(block_rows), size))
    ]


def _take(cells: TokenizedCells, block: int, rows: np.ndarray) -> TokenizedCells:
    return replace(
        cells,
        tokens=cells.tokens.take(rows),
        cells=cells.cells[rows],
        blocks=(cells.blocks[block],),
        block_of_cell=np.zeros_like(cells.block_of_cell, shape=len(rows)),
        group_of_cell=cells.group_of_cell[rows],
    )


def attend_in_parts(
    cells: TokenizedCells,
    attend: Callable[[Sequence[TokenizedCells]], Iterator[AttentionIncrement]],
    *,
    size: int = CELLS,
    halfway: Halfway | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AttentionIncrement:
    """Forward every cell of an increment once, in parts.

    Parameters
    ----------
    cells
        The increment's cells.
    attend
        Forwards the cells of each part, where and in whatever order it likes, and gives what came of them in the order
        of the parts.
    size
        Most cells of a part.
    halfway
        Where to leave sums from time to time; parts that were left there are not forwarded again.
    progress
        Called with (cells done, cells in all).
    """
    parts = parts_of(cells, size)
    gathered = _Gathered.of(cells, halfway.load() if halfway is not None else None)
    waiting = parts[gathered.n_parts :]
    for part, increment in zip(waiting, attend([part.cells for part in waiting]), strict=True):
        gathered.add(part, increment)
        if halfway is not None and gathered.n_parts < len(parts):
            halfway.save(gathered.to_tensors)
        if progress is not None:
            progress(gathered.n_cells, cells.tokens.n_cells)
    return gathered.increment()


@dataclass
class _Gathered:
    """The first parts of an increment, put together."""

    cells: TokenizedCells
    sums: dict[int, AttentionSums] = field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)
    row_sum_error: float = 0.0
    n_parts: int = 0

    @classmethod
    def of(cls, cells: TokenizedCells, left: Mapping[str, np.ndarray] | None) -> _Gathered:
        """Start from what `to_tensors` gave, or from nothing: a pass that was not in parts leaves something else."""
        if left is None or "parts_done" not in left:
            return cls(cells)
        blocks = [i for i in range(len(cells.blocks)) if f"block{i}.n_cells" in left]
        prefix = "embeddings."
        return cls(
            cells,
            {i: AttentionSums.from_tensors(left, f"block{i}.") for i in blocks},
            {name.removeprefix(prefix): array.copy() for name, array in left.items() if name.startswith(prefix)},
            float(left["row_sum_error"][0]),
            int(left["parts_done"][0]),
        )

    @property
    def n_cells(self) -> int:
        return sum(sums.n_cells for sums in self.sums.values())

    def add(self, part: Part, increment: AttentionIncrement) -> None:
        """Take the next part."""
        (sums,) = increment.sums
        self.sums[part.block] = self.sums[part.block] + sums if part.block in self.sums else sums
        for name, vectors in increment.embeddings.items():
            if name not in self.embeddings:
                shape = (len(self.cells.cells), *vectors.shape[1:])
                self.embeddings[name] = np.full(shape, np.nan, vectors.dtype)
            self.embeddings[name][part.rows] = vectors
        self.row_sum_error = max(self.row_sum_error, increment.row_sum_error)
        self.n_parts += 1

    def to_tensors(self) -> dict[str, np.ndarray]:
        counted: dict[str, Any] = {"parts_done": self.n_parts, "row_sum_error": self.row_sum_error}
        tensors = {name: np.array([number]) for name, number in counted.items()}
        tensors |= {f"embeddings.{name}": vectors for name, vectors in self.embeddings.items()}
        return tensors | {k: a for i, sums in self.sums.items() for k, a in sums.to_tensors(f"block{i}.").items()}

    def increment(self) -> AttentionIncrement:
        cells = self.cells
        in_order = tuple(self.sums[block] for block in range(len(cells.blocks)))
        return AttentionIncrement(in_order, cells.blocks, cells.base, self.row_sum_error, cells.cells, self.embeddings)
