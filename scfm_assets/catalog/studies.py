"""What a user may set of the studies. What is not said is as the study's own specification has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from scfm_assets.catalog.yaml_blocks import Block, Count, Distinct, Name

Completeness = Annotated[float, Field(gt=0, le=1)]
Density = Annotated[float, Field(gt=0, lt=1)]
Method = Literal["pearson", "spearman", "partial_correlation", "mutual_information", "grnboost"]
Case = Literal["feedback", "hubs", "shared_confounder", "composition", "batch"]


class SyntheticTruth(Block):
    """`core.studies.synthetic_truth.SyntheticTruthSpec`, and the tissue whose cells the copula simulator copies."""

    donor: Name | None = None
    simulators: Distinct[Literal["linear", "hill", "copula"]] | None = None
    cases: Distinct[Case] | None = None
    seeds: Count | None = None
    n_cells: Count | None = None
    n_genes: Count | None = None
    n_tfs: Count | None = None
    density: Density | None = None
    methods: Distinct[Method] | None = None
    boosted_cases: Distinct[Literal["none"] | Case] | None = None

    def said(self) -> dict[str, Any]:
        """Give the fields of the specification that the user has set."""
        return self.model_dump(exclude={"donor"}, exclude_none=True)


class ReferenceSaturation(Block):
    """`core.studies.reference_saturation.ReferenceSaturationSpec`."""

    n_cells: Distinct[Count] | None = None
    completeness: Distinct[Completeness] | None = None
    hidings: Distinct[Literal["random", "degree", "circular"]] | None = None
    densities: Distinct[Density] | None = None
    n_seeds: Count | None = None
    n_genes: Count | None = None
    n_tfs: Count | None = None
    methods: Distinct[Literal["pearson", "spearman"]] | None = None

    def said(self) -> dict[str, Any]:
        """Give the fields of the specification that the user has set."""
        return self.model_dump(exclude_none=True)


class Studies(Block):
    """The studies of a catalog: all of them unless one is set to null. They run when they are asked for."""

    synthetic_truth: SyntheticTruth | None = SyntheticTruth()
    reference_saturation: ReferenceSaturation | None = ReferenceSaturation()
