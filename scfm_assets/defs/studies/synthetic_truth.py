"""Study: how methods order themselves where the network is known."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scfm_assets.defs.studies.study import Study, measured
from scfm_assets.engine.declare import Job, everything, same
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from matplotlib.figure import Figure

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.simulate import Donor
    from scfm_assets.core.statistics import Test
    from scfm_assets.engine.platform import Later
    from scfm_assets.studies.study_verdict import StudyVerdict
    from scfm_assets.studies.synthetic_truth import SyntheticTruthSpec

NAME = "synthetic_truth"


def spec_of(catalog: Catalog) -> SyntheticTruthSpec:
    """Give the study's specification."""
    from scfm_assets.studies.synthetic_truth import SyntheticTruthSpec

    block = catalog.studies.synthetic_truth
    return SyntheticTruthSpec(**(block.said() if block else {}))


def donor_tissue(catalog: Catalog) -> str:
    """Name the tissue whose cells the copula simulator copies: the declared one, else the first that is real."""
    block = catalog.studies.synthetic_truth
    real = [tissue for tissue, atlas in catalog.atlases.items() if not atlas.simulated]
    return (block and block.donor) or next(iter([*real, *catalog.atlases]))


def donor_of(job: Job, atlases: Later) -> Donor | None:
    """Take the donor's cells; None where nothing is simulated after it."""
    from scfm_assets.core.simulate import Donor

    if "copula" not in spec_of(job.catalog).simulators:
        return None
    place = Place(donor_tissue(job.catalog))
    if place not in atlases:
        problem = f"nothing is stored at {place}, whose cells the copula simulator copies"
        remedy = "Run `scfm run` first, or `scfm run --select '+tag:study'`."
        raise ScfmError("atlas/processed", problem, remedy)
    atlas = atlases[place]
    counts: Any = atlas.X
    return Donor(str(place.tissue), counts, tuple(atlas.var_names), atlas.obs["cell_type"].to_numpy(str))


def _declared(catalog: Catalog, _: Place) -> Any:
    block = catalog.studies.synthetic_truth
    return [block.said() if block else {}, donor_tissue(catalog)]


@measured(
    f"{NAME}/scores",
    reads={"atlases": everything("atlas/processed")},
    config=_declared,
)
def scores(job: Job, atlases: Later) -> pa.Table:
    """One row: one metric of one method on one simulated data set whose network is known."""
    from scfm_assets.studies.synthetic_truth import measure

    tell = partial(job.progress, unit="data sets")
    return measure(spec_of(job.catalog), donor_of(job, atlases), tell, workers=job.compute.workers)


@measured(
    f"{NAME}/orderings",
    reads={"scores": same(f"{NAME}/scores")},
)
def orderings(_: Job, scores: pa.Table) -> pa.Table:
    """One row: how far two simulators, two cases or the seeds of one put the methods into the same order."""
    from scfm_assets.studies.synthetic_truth import orderings

    return orderings(scores)


@measured(
    f"{NAME}/ranks",
    reads={"scores": same(f"{NAME}/scores")},
)
def ranks(_: Job, scores: pa.Table) -> pa.Table:
    """One row: where one method stands among the methods of one simulator and case."""
    from scfm_assets.studies.synthetic_truth import ranks

    return ranks(scores)


@measured(
    f"{NAME}/masters",
)
def masters(_: Job) -> pa.Table:
    """One row: a master regulator of the Hill simulator, simulated beside its stationary law."""
    from scfm_assets.studies.synthetic_truth import master_regulators

    return master_regulators()


def hypotheses(tables: Mapping[str, pa.Table]) -> list[Test]:
    """Give the study's tests."""
    from scfm_assets.studies import synthetic_truth

    return synthetic_truth.hypotheses(tables[f"{NAME}_scores"], tables[f"{NAME}_orderings"])


def verdict(tables: Mapping[str, pa.Table]) -> StudyVerdict:
    """Give the study's answer."""
    from scfm_assets.studies import synthetic_truth

    return synthetic_truth.verdict(tables[f"{NAME}_scores"], tables[f"{NAME}_orderings"])


def figures(tables: Mapping[str, pa.Table]) -> dict[str, Figure]:
    """Draw what the study found."""
    from scfm_assets.studies.synthetic_truth import figures as plots

    return {
        "auroc_by_method": plots.auroc_by_method(tables[f"{NAME}_scores"]),
        "change_by_case": plots.change_by_case(tables[f"{NAME}_scores"]),
        "agreement_of_orders": plots.agreement(tables[f"{NAME}_orderings"]),
        "master_regulators": plots.moments(tables[f"{NAME}_masters"]),
    }


def study(catalog: Catalog) -> Study | None:
    """Give the study of a catalog."""
    if catalog.studies.synthetic_truth is None:
        return None
    return Study(
        name=NAME,
        title="Synthetic truth",
        question="Does a method rank true edges better than every gene-level null, whichever simulator made them?",
        measured=(scores, orderings, ranks, masters),
        hypotheses=hypotheses,
        verdict=verdict,
        figures=figures,
    )
