"""What is simulated and scored. The defaults take a few minutes, nearly all of them for grnboost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field

from scfm_assets.studies.settings import Count, Distinct, StudySettings, distinct, names_of, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NONE = "none"
"""The case in which nothing misleads."""


def _simulators() -> Iterable[str]:
    from scfm_assets.core.simulate import SIMULATORS

    return SIMULATORS


def _cases() -> list[str]:
    from scfm_assets.core.simulate import CASES

    return [case.name for case in CASES]


def _methods() -> Iterable[str]:
    from scfm_assets.core.scores import method_names

    return method_names()


class Settings(StudySettings):
    """Of the study of synthetic truth."""

    donor: str | None = Field(
        default=None, description="Tissue whose cells the copula simulator copies; by default the first real one."
    )
    simulators: Annotated[Distinct[str], names_of(_simulators)] = Field(
        default=("linear", "hill", "copula"), description="What makes the cells."
    )
    cases: Annotated[tuple[str, ...], AfterValidator(distinct), names_of(_cases)] = Field(
        default=("feedback", "hubs", "shared_confounder", "composition", "batch"),
        description="Cases that mislead; the one without any is always there.",
    )
    seeds: Count = Field(
        default=8,
        description="Independent data sets (network and cells) of each simulator. 8 are the fewest with which a sign "
        "test finds at a power of 0.8 what holds in nine data sets of ten.",
    )
    n_cells: Count = Field(default=800, description="Cells of each data set.")
    n_genes: Count = Field(default=100, description="Genes of each data set.")
    n_tfs: Count = Field(default=20, description="TFs among the genes.")
    density: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="Mean share of the pairs of a TF and a gene that are edges."
    )
    methods: Annotated[Distinct[str], names_of(_methods)] = Field(
        default=("pearson", "spearman", "partial_correlation", "mutual_information", "grnboost"),
        description="What scores the edges; the gene-level nulls always stand beside them.",
    )
    boosted_cases: Annotated[tuple[str, ...], AfterValidator(distinct), names_of(lambda: [NONE, *_cases()])] = Field(
        default=(NONE,),
        description="Cases in which grnboost is computed: it costs a hundred times as much as all others together.",
    )
    hill_dt: Annotated[float, Field(gt=0)] = Field(
        default=0.05,
        description="Time step of the Hill simulator. Five times SERGIO's raises the variance of a master regulator "
        "far from zero by 2 % and takes a fifth of the time.",
    )
    planted_strength: Annotated[float, Field(gt=0)] = Field(
        default=0.15,
        description="Strength of an edge that the copula simulator plants; the default makes edges about as hard to "
        "find as they are for the Hill simulator.",
    )
    n_master_cells: Annotated[int, Field(strict=True, ge=2)] = Field(
        default=4000, description="Cells of each master regulator: the standard error of a variance is then about 2 %."
    )

    def check(self, atlases: Mapping[str, Any]) -> None:
        """Refuse a donor that is no atlas."""
        if self.donor is not None and self.donor not in atlases:
            refuse(f"{self.donor!r} is no atlas of the catalog", f"Atlases are: {', '.join(atlases)}.", at=("donor",))

    def cases_of(self, simulator: str) -> tuple[str, ...]:
        """The cases of a simulator, the one that does not mislead first. A copula has no dynamics, so no loops."""
        return (NONE, *(name for name in self.cases if (simulator, name) != ("copula", "feedback")))

    def methods_in(self, case: str) -> tuple[str, ...]:
        """The methods that are computed in a case."""
        return tuple(name for name in self.methods if name != "grnboost" or case in self.boosted_cases)

    @classmethod
    def tiny(cls) -> Self:
        """Two data sets of 20 genes from two simulators."""
        small: dict[str, Any] = {"seeds": 2, "n_cells": 60, "n_genes": 20, "n_tfs": 5, "density": 0.2}
        names = {"simulators": ("linear", "hill"), "cases": ("composition",), "methods": ("pearson", "spearman")}
        return cls(**small, **names, hill_dt=0.1, n_master_cells=50)
