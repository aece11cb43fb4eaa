"""Scaling curves: how recovery of a network depends on the number of cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scfm_assets.defs.inputs import all_of, checkpoints_of, control_of_model, layer_of_model
from scfm_assets.engine.declare import Check, Facts, Job, Node, asset, everything, same
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.make import StoredValues


def _declared(catalog: Catalog, _: Place) -> dict[str, Any]:
    return {"layers": layer_of_model(catalog), "direction": catalog.experiment.direction}


def _facts(job: Job, curves: pa.Table) -> Facts:
    from scfm_assets.figures import files as plot_files
    from scfm_assets.figures import plots

    metrics = all_of("metrics", job.inputs["metrics"])
    if curves.num_rows == 0:
        return Facts({"rows": 0})
    layers, direction = layer_of_model(job.catalog), job.catalog.experiment.direction
    figure = plots.scaling_curve(metrics, curves, job.tissue, direction=direction, layer_of_model=layers)
    figures = {"scaling_curve": figure, "coverage": plots.coverage(metrics, job.tissue)}
    thumbnails = {name: plot_files.thumbnail_markdown(drawn) for name, drawn in figures.items()}
    return Facts({"rows": curves.num_rows}, thumbnails)


def _control_behaves(role: str) -> Callable[[Job, pa.Table], tuple[bool, str]]:
    """Hold the controls of one kind against what is known of them, by the words of the report."""

    def passes(job: Job, curves: pa.Table) -> tuple[bool, str]:
        from scfm_assets.report.headline import METHOD, UNIVERSE, scores_of

        scores = scores_of(
            all_of("metrics", job.inputs["metrics"]),
            curves,
            job.tissue,
            direction=job.catalog.experiment.direction,
            layer_of_model=layer_of_model(job.catalog),
            controls=control_of_model(job.catalog),
        )
        methods = (METHOD, f"{METHOD}_max")
        judged = [s for s in scores if s.role == role and s.universe == UNIVERSE and s.method in methods]
        sentences = [f"{s.model} scores {s.value:.3f} against {s.network}: {s.verdict}" for s in judged]
        return all(s.kind != "bad" for s in judged), "; ".join(sentences) or f"no {role} control was judged"

    return passes


@asset(
    "scaling/curves",
    space=Space.TISSUE,
    reads={
        "metrics": everything("evaluation/metrics"),
        "panel": same("atlas/gene_panel"),
        "atlas": same("atlas/processed"),
        "cell_sets": everything("atlas/cell_sets"),
    },
    config=_declared,
    table="scaling_curves",
    checks=[
        Check(
            "random_control_is_not_away_from_chance",
            "At the largest number of cells no interval of random weights leaves chance out, beyond its margin.",
            _control_behaves("random"),
            blocking=False,
        ),
        Check(
            "planted_control_is_not_away_from_its_ceiling",
            "At the largest number of cells no interval of weights that hold the network leaves their ceiling out, "
            "beyond its margin.",
            _control_behaves("planted"),
            blocking=False,
        ),
        Check(
            "planted_ceiling_is_inside",
            "Where the asymptote of a planted control is bounded, its interval holds the known ceiling.",
            "core.curves:ceilings_inside",
            blocking=False,
        ),
        Check(
            "largest_n_is_predicted",
            "No more curves miss their value at the most cells, predicted from fewer, than 95 % intervals may.",
            "core.curves:largest_predicted",
            blocking=False,
        ),
    ],
    facts=_facts,
    kinds=["parquet"],
)
def curves(job: Job, metrics: StoredValues, panel: pa.Table, atlas: AnnData, cell_sets: StoredValues) -> pa.Table:
    """One row: one form of curve fitted to one method's metric against the number of cells, with its verdict."""
    import pyarrow.compute as compute

    from scfm_assets.core.curves import CellSet, left_out, scaling_table
    from scfm_assets.core.metrics import COMMON
    from scfm_assets.core.sampling import members
    from scfm_assets.core.words import MARGINS

    # The pairs that all methods can score are others at every number of cells: no curve over them.
    stored = all_of("metrics", metrics)
    table = stored.filter(compute.field("universe") != COMMON)
    fixed = {
        "layer_of_model": layer_of_model(job.catalog),
        "direction_of_model": dict.fromkeys(job.catalog.models, job.catalog.experiment.direction),
    }
    counts: Any = atlas.X
    detection = dict(zip(atlas.var_names, counts.getnnz(axis=0) / atlas.n_obs, strict=True))
    ceilings = checkpoints.ceilings(job.catalog, job.tissue, panel, detection)
    reasons = left_out(table, **fixed)
    job.say(**{f"ceiling_{m}": round(c, 4) for (_, m), c in ceilings.items()})
    job.say(**({"reasons": "; ".join(reasons)} if reasons else {}))
    cells = {
        CellSet(int(place.n_cells or 0), repeat): chosen
        for place, sets in cell_sets.items()
        for repeat, chosen in members(sets, int(place.n_cells or 0)).items()
    }
    return scaling_table(table, ceilings=ceilings, margins=MARGINS, cells=cells, **fixed)


def nodes(catalog: Catalog) -> list[Node]:
    """All assets of the scaling group."""
    return [replace(curves, watches=checkpoints_of(catalog))]
