"""The tables of the platform, by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.tables.atlas import ATLAS_QC, CELL_SETS, GENE_PANEL, REGULATORS
from scfm_assets.tables.evaluation import CHECKPOINT_COMPARISON, METRICS, SCALING_CURVES
from scfm_assets.tables.methods import (
    CELL_COUNT_COMPARISON,
    DEGREE_MATCHED,
    METHOD_COMPARISON,
    METHOD_VERDICTS,
    SELECTION,
)
from scfm_assets.tables.networks import CEILINGS, NETWORKS, UNIVERSE_NULLS, UNIVERSES
from scfm_assets.tables.scores import EDGE_SCORES, RELIABILITY
from scfm_assets.tables.studies import STUDY_TABLES

if TYPE_CHECKING:
    from scfm_assets.tables.columns import Table

SUBJECTS: dict[str, tuple[Table, ...]] = {
    "How well networks are ranked": (METRICS, SCALING_CURVES, CHECKPOINT_COMPARISON),
    "What methods are worth": (METHOD_VERDICTS, METHOD_COMPARISON, DEGREE_MATCHED, CELL_COUNT_COMPARISON, SELECTION),
    "Edge scores": (EDGE_SCORES, RELIABILITY),
    "Atlases": (ATLAS_QC, GENE_PANEL, REGULATORS, CELL_SETS),
    "Reference networks": (NETWORKS, UNIVERSES, UNIVERSE_NULLS, CEILINGS),
    "Studies": STUDY_TABLES,
}
"""Heading of the reference page -> its tables."""

TABLES: dict[str, Table] = {table.name: table for tables in SUBJECTS.values() for table in tables}
