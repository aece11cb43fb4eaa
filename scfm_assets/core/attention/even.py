"""What attention would sum to that looks at every key of a cell evenly: from the tokens of a model, without the model.

A context that is full cuts genes off, and special tokens are keys: both change which pairs a cell holds and how many
keys share its attention. A null of a model's attention must come from the model's own tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.attention.increments import panel_of_token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from scfm_assets.core.attention.family_model import FamilyModel
    from scfm_assets.core.attention.increments import TokenizedCells

AT_ONCE = 2048
"""Cells that are held as a dense matrix at once."""


@dataclass(frozen=True, eq=False)
class EvenSums:
    """Sums over cells of 1 / (number of keys), for each pair of panel genes that a cell holds both of.

    Attributes
    ----------
    summed
        Over all cells, float64 (K, K).
    of_groups
        The TFs' rows for each group of cells, float64 (n_groups, T, K).
    """

    summed: np.ndarray
    of_groups: np.ndarray


def even_sums(
    load: Callable[[int], TokenizedCells],
    n_cells: int,
    model: FamilyModel,
    panel: pa.Table,
    *,
    tfs: Sequence[int],
    n_groups: int,
) -> dict[int, EvenSums]:
    """Sum even attention over the cells of every repeat of a slice, from the largest increment down along the bases.

    Parameters
    ----------
    load
        Gives the tokenized increment of a number of cells.
    n_cells
        Number of cells of the slice.
    model, panel
        Whose tokens they are, and the genes that count.
    tfs, n_groups
        Panel indices of the TFs whose rows are kept for groups of cells, and the number of groups; none for 0.
    """
    of_token, n_panel, kept = panel_of_token(model, panel), panel.num_rows, np.asarray(tfs, np.int64)
    sums: dict[int, EvenSums] = {}
    chain = n_cells
    while chain > 0:
        piece = load(chain)
        for number, block in enumerate(piece.blocks):
            repeats = [repeat for repeat, from_n_cells in block if from_n_cells <= n_cells]
            rows = np.flatnonzero(piece.block_of_cell == number)
            for some in np.split(rows, range(AT_ONCE, len(rows), AT_ONCE)) if repeats else ():
                weighted = _weighted(piece, some, of_token, n_panel)
                whole = weighted.T @ weighted
                groups = piece.group_of_cell[some]
                parts = [weighted[groups == group] for group in range(n_groups)]
                of_groups = [part[:, kept].T @ part for part in parts]
                for repeat in repeats:
                    here = sums.setdefault(repeat, _nothing(n_panel, len(kept), n_groups))
                    here.summed[:] += whole
                    for group, part in enumerate(of_groups):
                        here.of_groups[group] += part
        chain = piece.base
    return dict(sorted(sums.items()))


def _nothing(n_panel: int, n_tfs: int, n_groups: int) -> EvenSums:
    return EvenSums(np.zeros((n_panel, n_panel)), np.zeros((n_groups, n_tfs, n_panel)))


def _weighted(cells: TokenizedCells, rows: np.ndarray, of_token: np.ndarray, n_panel: int) -> np.ndarray:
    """One over the root of a cell's keys where it holds a panel gene, float64 (n_rows, K)."""
    lengths = cells.tokens.lengths[rows]
    weighted = np.zeros((len(rows), n_panel))
    for place, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
        genes = of_token[cells.tokens.row(row)]
        weighted[place, genes[genes >= 0]] = length**-0.5
    return weighted
