"""Study: whether a scaling failure is an artefact of incomplete reference labels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from scfm_assets.defs import universes, verdicts
from scfm_assets.defs.studies.study import Study, measured
from scfm_assets.engine.declare import Job, Node, everything, same
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from matplotlib.figure import Figure

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.statistics import Test
    from scfm_assets.core.universes import TissueUniverses
    from scfm_assets.engine.platform import Later
    from scfm_assets.studies.study_verdict import StudyVerdict

NAME = "reference_saturation"
SCORES, SLOPES, OBSERVED = f"{NAME}_scores", f"{NAME}_slopes", f"{NAME}_observed"


def _said(catalog: Catalog, _: Place | None = None) -> dict[str, Any]:
    block = catalog.studies.reference_saturation
    return block.said() if block else {}


@measured(
    f"{NAME}/scores",
    config=_said,
)
def scores(job: Job) -> pa.Table:
    """One row: how well one score from n cells ranks the edges that are labelled, where all edges are known."""
    from scfm_assets.studies.reference_saturation import ReferenceSaturationSpec, measure

    return measure(ReferenceSaturationSpec(**_said(job.catalog)), partial(job.progress, unit="tissues"))


@measured(
    f"{NAME}/slopes",
    reads={"scores": same(f"{NAME}/scores")},
)
def slopes(_: Job, scores: pa.Table) -> pa.Table:
    """One row: how fast a metric grows with the cells at one completeness of labels, or how that depends on it."""
    from scfm_assets.studies.reference_saturation import slopes

    return slopes(scores)


def observed_of(catalog: Catalog) -> Node:
    """Declare what is asked of the catalog's own curves."""

    @measured(
        f"{NAME}/observed",
        space=Space.TISSUE,
        reads={
            **{name: everything(read.asset) for name, read in verdicts.scores_of(catalog).items()},
            **universes.READS,
        },
        config=verdicts.declared,
        simulated=None,
    )
    def observed(job: Job, universes: TissueUniverses, **scores: Later) -> pa.Table:
        """One row: how one method's AUROC grows with the cells of a tissue when labels of a network are hidden."""
        from scfm_assets.core.universes import grounds_of
        from scfm_assets.studies.reference_saturation import observe

        return observe(verdicts.slices(job, scores), grounds_of(universes, "tf_grid"))

    return observed


def hypotheses(tables: Mapping[str, pa.Table]) -> list[Test]:
    """Give the study's tests."""
    from scfm_assets.studies import reference_saturation

    return reference_saturation.hypotheses(tables[SLOPES])


def verdict(tables: Mapping[str, pa.Table]) -> StudyVerdict:
    """Give the study's answer."""
    from scfm_assets.studies import reference_saturation

    answer = reference_saturation.verdict(tables[SLOPES])
    of_catalog = reference_saturation.counted(tables[OBSERVED])
    return replace(answer, sentence=" ".join(part for part in (answer.sentence, of_catalog) if part))


def figures(tables: Mapping[str, pa.Table]) -> dict[str, Figure]:
    """Draw what the study found."""
    from scfm_assets.studies.reference_saturation import figures as plots

    return {
        "auroc_by_completeness": plots.saturation_curves(tables[SCORES]),
        "slopes_by_completeness": plots.saturation_slopes(tables[SLOPES]),
        "average_precision_by_completeness": plots.saturation_curves(tables[SCORES], metric="auprc_ratio"),
    }


def study(catalog: Catalog) -> Study | None:
    """Give the study of a catalog."""
    if catalog.studies.reference_saturation is None:
        return None
    return Study(
        name=NAME,
        title="Reference saturation",
        question="Does an incomplete reference network explain that scores get no better with more cells?",
        measured=(scores, slopes, observed_of(catalog)),
        hypotheses=hypotheses,
        verdict=verdict,
        figures=figures,
    )
