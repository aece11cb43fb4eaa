"""Which cells are held out: whole donors where that is possible, else cells by their barcode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 2.0
"""Held-out donors may have up to this times the cells that are asked for, and at least the inverse share of them."""


@dataclass(frozen=True, eq=False)
class Split:
    """Held-out cells of one atlas.

    Attributes
    ----------
    held_out
        bool of shape (n_cells,).
    rule
        How they were chosen, in words.
    donors
        Donors that are held out; none if single cells are.
    """

    held_out: np.ndarray
    rule: str
    donors: tuple[str, ...] = ()


def hold_out(barcodes: Sequence[str], donors: Sequence[str], *, share: float, seed: int) -> Split:
    """Choose the cells of an atlas that are not trained on.

    Donors are looked at in an order that their names and the seed decide; each is held out that leaves no more than
    `MOST` times the share, until the share is reached. If they come to less than the share over `MOST` (one donor, or
    few large ones), cells are held out whose barcode and the seed say so.

    Parameters
    ----------
    barcodes, donors
        One each per cell.
    share
        Of the cells.
    seed
        Decides which.
    """
    names, sizes = np.unique(np.asarray(donors, dtype=str), return_counts=True)
    chosen: list[str] = []
    cells, target = 0, share * len(barcodes)
    for i in sorted(range(len(names)), key=lambda i: seed_from("held-out donor", seed, str(names[i]))):
        if cells < target and cells + sizes[i] <= MOST * target:
            chosen.append(str(names[i]))
            cells += int(sizes[i])
    if len(names) > 1 and cells * MOST >= target:
        rule = f"whole donors, in the order of a digest of seed and name, until {share:.0%} of the cells are held out"
        return Split(np.isin(np.asarray(donors, dtype=str), chosen), rule, tuple(sorted(chosen)))
    limit = int(share * 2**63)
    held_out = np.array([seed_from("held-out cell", seed, str(code)) < limit for code in barcodes], dtype=bool)
    return Split(held_out, f"cells whose digest of seed and barcode is among the lowest {share:.0%}")
