"""Which cells and genes are looked at: nested cell sets, the gene panel, levels of genes."""

from scfm_assets.core.sampling.cells import Increment, cell_orders, cell_set_table, groups, increment, members, shared
from scfm_assets.core.sampling.levels import GeneLevels, gene_levels
from scfm_assets.core.sampling.panel import gene_panel, regulators

__all__ = [
    "GeneLevels",
    "Increment",
    "cell_orders",
    "cell_set_table",
    "gene_levels",
    "gene_panel",
    "groups",
    "increment",
    "members",
    "regulators",
    "shared",
]
