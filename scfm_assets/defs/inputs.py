"""What several assets read, and what they ask of the catalog in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from scfm_assets.defs import baselines, universes
from scfm_assets.engine.declare import Reads, same
from scfm_assets.tables.schema import arrow_schema

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.core.scores import Direction
    from scfm_assets.engine.make import StoredValues

SCORES = "scores_of_"
ATTENTION = "attention_of_"
CELL_SETS: dict[str, Reads] = {"cell_sets": same("atlas/cell_sets")}
"""Whose cells the groups hold that are left out."""


def scores_of(catalog: Catalog) -> dict[str, Reads]:
    """Edge scores of the baselines and of every model, as ``scores_of_<model>``."""
    of_models = {SCORES + model: same(f"models/{model}/edge_scores") for model in catalog.models}
    return {SCORES + baselines.MODEL: same("baselines/edge_scores"), **of_models}


def scores_and_universes(catalog: Catalog) -> dict[str, Reads]:
    """Edge scores of all methods, the models' sums by groups of cells, and the tissue's universes.

    The sums are there for intervals over cells alone; the baselines store their scores without each group.
    """
    groups = {ATTENTION + model: same(f"models/{model}/attention") for model in catalog.models}
    return {**scores_of(catalog), **(groups if baselines.has_groups(catalog) else {}), **universes.READS}


def all_of(name: str, tables: StoredValues) -> pa.Table:
    """Put the pieces of a table that several places hold under each other."""
    return pa.concat_tables([arrow_schema(name).empty_table(), *(tables[place] for place in tables)])


def direction_of(catalog: Catalog) -> Direction:
    """Direction that is reported."""
    from scfm_assets.core.scores import DIRECTIONS

    return next(direction for direction in DIRECTIONS if direction.name == catalog.experiment.direction)


def layer_of_model(catalog: Catalog) -> dict[str, int | None]:
    """Each model's layer for the curve, fixed by the catalog: never chosen on the data that it is judged on."""
    return {model: entry.layer for model, entry in catalog.models.items()}


def checkpoints_of(catalog: Catalog) -> tuple[str, ...]:
    """Name the checkpoints of all models: what is made of all models' results watches these."""
    return tuple(f"models/{model}/checkpoint" for model in catalog.models)


def control_of_model(catalog: Catalog) -> dict[str, str]:
    """Kind of control, planted or random, of each model that is one."""
    return {model: entry.control for model, entry in catalog.models.items() if entry.control}
