"""Tables of the studies: ``<study>_<what>``, the tests of all studies and their verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scfm_assets.warehouse.columns import Table

STUDY_TABLES: tuple[Table, ...] = ()
