"""Tables that say how far the numbers of `metrics` can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scfm_assets.warehouse.columns import Table

TRUST_TABLES: tuple[Table, ...] = ()
