"""What is simulated and scored. The defaults take a few minutes, nearly all of them for grnboost."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator

from scfm_assets.studies.settings import Count, Distinct, Part, Positive, StudySettings, distinct, names_of, refuse

Names = Annotated[tuple[str, ...], AfterValidator(distinct)]
Simulators = Annotated[Distinct[str], names_of("scfm_assets.core.simulate:SIMULATORS")]
Methods = Annotated[Distinct[str], names_of("scfm_assets.core.scores:method_names")]
CASES = "scfm_assets.core.simulate:CASES"


class Settings(StudySettings):
    """Of the study of synthetic truth."""

    donor: str | None = None
    """Tissue that the copula simulator copies; the first real one."""
    simulators: Simulators = ("linear", "hill", "copula")
    """What makes the cells."""
    cases: Annotated[Names, names_of(CASES)] = ("feedback", "hubs", "shared_confounder", "composition", "batch")
    """What misleads, beside none."""
    # 8 are the fewest with which a sign test finds at a power of 0.8 what holds in nine data sets of ten.
    seeds: Count = 8
    """Independent data sets (network and cells) of each simulator."""
    n_cells: Count = 800
    """Cells of each data set."""
    n_genes: Count = 100
    """Genes of each data set."""
    n_tfs: Count = 20
    """TFs among the genes."""
    density: Part = 0.05
    """Mean share of the pairs of a TF and a gene that are edges."""
    methods: Methods = ("pearson", "spearman", "partial_correlation", "mutual_information", "grnboost")
    """What scores the edges; the gene-level nulls always stand beside them."""
    boosted_cases: Annotated[Names, names_of(CASES, "none")] = ("none",)
    """Cases with grnboost."""
    # Five times SERGIO's step raises the variance of a master regulator far from zero by 2 %, in a fifth of the time.
    hill_dt: Positive = 0.05
    """Time step of the Hill simulator."""
    # Edges are then about as hard to find as they are for the Hill simulator.
    planted_strength: Positive = 0.15
    """Strength of an edge of the copula simulator."""
    # The standard error of a variance is then about 2 %.
    n_master_cells: Count = 4000
    """Cells of each master regulator."""

    def check(self, atlases: Any) -> None:
        """Refuse a donor that is no atlas."""
        if self.donor is not None and self.donor not in atlases:
            refuse(f"{self.donor!r} is no atlas of the catalog", f"Atlases are: {', '.join(atlases)}.", at=("donor",))

    @classmethod
    def tiny(cls) -> Self:
        """Two data sets of 20 genes from two simulators."""
        size = cls(seeds=2, n_cells=60, n_genes=20, n_tfs=5, density=0.2, hill_dt=0.1, n_master_cells=50)
        return size.changed(simulators=("linear", "hill"), cases=("composition",), methods=("pearson", "spearman"))
