"""What a user declares to be measured. Names are those of the registries: what is registered there is allowed here."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from scfm_assets.catalog.yaml_blocks import Whole, one_of
from scfm_assets.core.metrics import universe_names
from scfm_assets.core.scores import DIRECTIONS, TF_QUERIES, method_names
from scfm_assets.studies.settings import Block, Count, Distinct, refuse


def _direction_names() -> tuple[str, ...]:
    return tuple(direction.name for direction in DIRECTIONS)


DirectionName = Annotated[str, one_of(_direction_names)]
UniverseName = Annotated[str, one_of(universe_names)]
MethodName = Annotated[str, one_of(method_names)]
"""What scores edges from counts; nulls need not be asked for."""
IntervalKind = Literal["network", "tfs", "targets", "cells", "donors", "pairs"]


class IntervalSettings(Block):
    """How the intervals of metrics are made, each kind with rows of its own.

    In ``network`` TFs and targets vary at once: claims rest on it. Each group of `experiment.cell_groups` is left out
    in turn, or each donor where an atlas names five or more (``cells`` and ``donors`` ask for the same). ``pairs``, on
    request, are drawn `resamples` times as if they had nothing in common.
    """

    kinds: Distinct[IntervalKind] = ("network", "tfs", "targets", "cells", "donors")
    resamples: Annotated[int, Field(strict=True, ge=20)] = 1000
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Experiment(Block):
    """What is measured: the ladder of cell counts, the repeats, the panel and what is reported."""

    n_cells: tuple[Count, ...]
    repeats: Count = 1
    seed: Whole = 0
    panel: Annotated[int, Field(strict=True, ge=2)] = 1000
    directions: Distinct[DirectionName] = _direction_names()
    direction: DirectionName = TF_QUERIES.name
    methods: Distinct[MethodName] = ("pearson", "spearman", "partial_correlation", "mutual_information")
    universes: Distinct[UniverseName] = Field(default_factory=universe_names)
    intervals: IntervalSettings = IntervalSettings()
    cell_groups: Whole = 10

    @field_validator("n_cells", mode="after")
    @classmethod
    def _rising(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values:
            refuse("at least one cell count is wanted")
        for i, (before, after) in enumerate(pairwise(values), 1):
            if after <= before:
                problem = f"{after} is repeated" if after in values[:i] else f"{after} follows {before}"
                refuse(problem, "Cell counts rise, each said once.", at=(i,))
        return values

    @field_validator("cell_groups", mode="after")
    @classmethod
    def _enough_groups(cls, value: int) -> int:
        if 0 < value < 10:
            refuse(f"{value} groups of cells say little", "Use 10 or more, or 0 for no intervals over cells.")
        return value

    @model_validator(mode="after")
    def _curve_direction(self) -> Experiment:
        if self.direction not in self.directions:
            refuse(f"{self.direction} is not among directions {', '.join(self.directions)}", at=("direction",))
        return self
