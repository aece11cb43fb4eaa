"""What is simulated, and what is hidden of it. The defaults take about a minute of one processor."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from scfm_assets.studies.settings import Count, Distinct, StudySettings, names_of, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable


def _hidings() -> Iterable[str]:
    from scfm_assets.studies.reference_saturation.hidden_labels import HIDINGS

    return HIDINGS


def _methods() -> Iterable[str]:
    from scfm_assets.core.scores import METHODS

    return (method.name for method in METHODS if not method.null)


class Settings(StudySettings):
    """Of the study of reference saturation."""

    n_cells: Distinct[Annotated[int, Field(strict=True, gt=2)]] = Field(
        default=(50, 100, 200, 400, 800),
        description="Numbers of cells, rising; the cells of a smaller one are among those of the larger ones.",
    )
    completeness: Distinct[Annotated[float, Field(gt=0, le=1)]] = Field(
        default=(0.1, 0.25, 0.5, 0.75, 1.0), description="Shares of the edges that are labelled, rising, the last 1."
    )
    hidings: Annotated[Distinct[str], names_of(_hidings)] = Field(
        default=("random", "degree", "circular"), description="How edges lose their labels."
    )
    densities: Distinct[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=(1e-4, 3e-4, 1e-3), description="Expected edges over all ordered pairs of genes."
    )
    fewest: Count = Field(default=5, description="A completeness that leaves fewer labels in expectation is left out.")
    n_seeds: Annotated[int, Field(strict=True, ge=2)] = Field(
        default=30, description="Independent tissues of each density: the units of all intervals."
    )
    draws: Count = Field(default=10, description="Draws of labels in each tissue.")
    n_genes: Count = Field(default=800, description="Genes of each tissue.")
    n_tfs: Count = Field(default=40, description="TFs among them; pairs of a TF and another gene are ranked.")
    methods: Annotated[Distinct[str], names_of(_methods)] = Field(
        default=("pearson", "spearman"),
        description="What scores the edges; methods that do not know the number of cells.",
    )
    noise_sd: Annotated[float, Field(ge=0)] = Field(
        default=0.05,
        description="Standard deviation of the noise on the scores at no cells; 0.05 as in the published test.",
    )
    noise_growths: Distinct[Annotated[float, Field(ge=0)]] = Field(
        default=(0.0, 0.002),
        description="Its growth with every cell; 0.002 in the published test. Without it nothing but methods can fail.",
    )

    @field_validator("n_cells", "completeness", mode="after")
    @classmethod
    def _rising(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) == 1 and isinstance(values[0], int):
            refuse(f"{values[0]} is one number of cells, which has no slope", "Give two or more, rising.")
        for i, (before, after) in enumerate(pairwise(values), 1):
            if after <= before:
                refuse(f"{after} follows {before}", "Values rise.", at=(i,))
        return values

    @model_validator(mode="after")
    def _slopes_exist(self) -> Self:
        if self.completeness[-1] != 1:
            refuse(f"the last completeness is {self.completeness[-1]}", "It must be 1.", at=("completeness",))
        for i, density in enumerate(self.densities):
            if len(self.shares(density)) < 2:
                problem = f"densities: {density} leaves {self.fewest} labels at fewer than two completenesses"
                refuse(problem, "Take larger densities, or more genes.", at=("densities", i))
        return self

    def shares(self, density: float) -> tuple[float, ...]:
        """The completenesses that leave enough labels at a density."""
        return tuple(share for share in self.completeness if share * density * self.n_genes**2 >= self.fewest)

    @classmethod
    def tiny(cls) -> Self:
        """Three tissues of 60 genes."""
        small: dict[str, Any] = {"n_cells": (20, 40), "densities": (0.01,), "n_seeds": 3, "n_genes": 60, "n_tfs": 6}
        return cls(**small, completeness=(0.5, 1.0), methods=("pearson",), draws=2)
