"""Scaling curves: how recovery of a network depends on the number of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from scfm_assets import sources
from scfm_assets.defs.declare import Facts, Job, Later, Node, asset, everything, same
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from anndata import AnnData

    from scfm_assets.catalog import Catalog


def _declared(catalog: Catalog, _: Place) -> dict[str, Any]:
    layers = {model: entry.layer for model, entry in catalog.models.items()}
    return {"layers": layers, "directions": catalog.experiment.directions, "direction": catalog.experiment.direction}


def _facts(job: Job, curves: pa.Table) -> Facts:
    from scfm_assets import plot_files, plots

    metrics = all_of(job.inputs["metrics"])
    if curves.num_rows == 0:
        return Facts({"rows": 0})
    figure = plots.scaling_curve(metrics, curves, job.tissue)
    return Facts({"rows": curves.num_rows}, {"curve": dg.MetadataValue.md(plot_files.thumbnail_markdown(figure))})


def all_of(tables: Later) -> pa.Table:
    """Put the tables of several places under each other."""
    return pa.concat_tables([tables[place] for place in tables])


@asset(
    "scaling/curves",
    space=Space.TISSUE,
    reads={
        "metrics": everything("evaluation/metrics"),
        "panel": same("atlas/gene_panel"),
        "atlas": same("atlas/processed"),
    },
    config=_declared,
    table="scaling_curves",
    facts=_facts,
    kinds=["parquet"],
)
def curves(job: Job, metrics: Later, panel: pa.Table, atlas: AnnData) -> pa.Table:
    """One row: one form of curve fitted to one method's metric against the number of cells, with its verdict."""
    from scfm_assets.core.scaling import left_out, scaling_table

    table = all_of(metrics)
    fixed = {
        "layer_of_model": {model: entry.layer for model, entry in job.catalog.models.items()},
        "direction_of_model": dict.fromkeys(job.catalog.models, job.catalog.experiment.direction),
    }
    detection = dict(zip(atlas.var_names, atlas.X.getnnz(axis=0) / atlas.n_obs, strict=True))
    ceilings = sources.ceilings(job.catalog, job.tissue, panel, detection)
    job.say(reasons="; ".join(left_out(table, **fixed)), **{f"ceiling_{m}": c for (_, m), c in ceilings.items()})
    return scaling_table(table, ceilings=ceilings, **fixed)


def nodes(_: Catalog) -> list[Node]:
    """All assets of the scaling group."""
    return [curves]
