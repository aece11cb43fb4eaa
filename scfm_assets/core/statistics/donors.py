"""Whose cells they are: what intervals over cells leave out where an atlas names donors.

Cells of one donor hang together. With `ENOUGH` donors or more, groups of cells are whole donors, and leaving them out
in turn asks what cells of other donors would say (kind ``donors``). Fewer cannot say that: several groups are made of
each donor, and limits are those of new cells of these donors (kind ``cells``), from how groups of one donor differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

ENOUGH = 5
"""Donors from which on a jackknife over them says something of other donors."""


@dataclass(frozen=True, eq=False)
class Donors:
    """The donors of groups of cells; of an atlas that names none, nothing is known.

    Attributes
    ----------
    n
        Donors whose cells are at hand; None where the atlas names none.
    of_group
        Donor of each group, int64 (n_groups,), -1 of a group without cells or of several donors; None where the atlas
        names none.
    """

    n: int | None = None
    of_group: np.ndarray | None = None

    @classmethod
    def of_cells(cls, group: np.ndarray, donor: np.ndarray) -> Donors:
        """Take the groups, int (n_cells,), and donors, text or None (n_cells,), of cells; one without hides all."""
        donors = np.asarray(donor, object)
        if not len(donors) or any(name is None for name in donors):
            return cls()
        names, number = np.unique(donors.astype(str), return_inverse=True)
        of_group = np.full(int(group.max()) + 1, -1)
        of_group[group] = number
        mixed = group[of_group[group] != number]
        of_group[mixed] = -1
        return cls(len(names), of_group)

    @property
    def kind(self) -> Literal["cells", "donors"]:
        """What leaving groups of cells out in turn is about."""
        return "donors" if self.n is not None and self.n >= ENOUGH else "cells"

    @property
    def strata(self) -> np.ndarray | None:
        """Donor of each group where groups are compared within donors alone: there are too few of them."""
        if self.n is None or self.kind == "donors" or self.of_group is None:
            return None
        return self.of_group

    @property
    def are_few(self) -> bool:
        """Whether limits over cells are those of these donors, and no claim is about others."""
        return self.n is not None and self.kind == "cells"
