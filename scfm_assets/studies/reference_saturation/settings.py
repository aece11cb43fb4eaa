"""What is simulated, and what is hidden of it. The defaults take about a minute of one processor."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from scfm_assets.studies.settings import Count, Distinct, NotNegative, Part, Rising, StudySettings, names_of, refuse

Ladder = Annotated[Distinct[Annotated[int, Field(strict=True, gt=2)]], Rising, Field(min_length=2)]
Completeness = Annotated[Distinct[Annotated[float, Field(gt=0, le=1)]], Rising]
Several = Annotated[int, Field(strict=True, ge=2)]
Hidings = Annotated[Distinct[str], names_of("scfm_assets.studies.reference_saturation.hidden_labels:HIDINGS")]
Methods = Annotated[Distinct[str], names_of("scfm_assets.studies.reference_saturation.correlations:CORRELATIONS")]


class Settings(StudySettings):
    """Of the study of reference saturation."""

    n_cells: Ladder = (50, 100, 200, 400, 800)
    """Numbers of cells, rising, in nested sets."""
    completeness: Completeness = (0.1, 0.25, 0.5, 0.75, 1.0)
    """Shares of edges labelled, to 1."""
    hidings: Hidings = ("random", "degree", "circular")
    """How edges lose their labels."""
    densities: Distinct[Part] = (1e-4, 3e-4, 1e-3)
    """Expected edges over all pairs of genes."""
    fewest: Count = 5
    """A completeness that leaves fewer labels in expectation is left out."""
    n_seeds: Several = 30
    """Independent tissues of each density: the units of all intervals."""
    draws: Count = 10
    """Draws of labels in each tissue."""
    n_genes: Count = 800
    """Genes of each tissue."""
    n_tfs: Count = 40
    """TFs among them; pairs of a TF and another gene are ranked."""
    methods: Methods = ("pearson", "spearman")
    """What scores the edges, whatever n_cells."""
    noise_sd: NotNegative = 0.05
    """SD of the noise on the scores; 0.05 as published."""
    noise_growths: Distinct[NotNegative] = (0.0, 0.002)
    """Growth of the SD with every cell."""

    @model_validator(mode="after")
    def _slopes_exist(self) -> Self:
        if self.completeness[-1] != 1:
            refuse(f"the last completeness is {self.completeness[-1]}", "It must be 1.", at=("completeness",))
        if scarce := [density for density in self.densities if len(self.shares(density)) < 2]:
            problem = f"densities: {scarce[0]} leaves {self.fewest} labels at fewer than two completenesses"
            refuse(problem, "Take larger densities, or more genes.", at=("densities",))
        return self

    def shares(self, density: float) -> tuple[float, ...]:
        """The completenesses that leave enough labels at a density."""
        return tuple(share for share in self.completeness if share * density * self.n_genes**2 >= self.fewest)

    @classmethod
    def tiny(cls) -> Self:
        """Three tissues of 60 genes."""
        size = cls(n_cells=(20, 40), densities=(0.01,), n_seeds=3, n_genes=60, n_tfs=6, draws=2)
        return size.changed(completeness=(0.5, 1.0), methods=("pearson",))
