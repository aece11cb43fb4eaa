"""How well every method ranks the edges of the reference networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from scfm_assets import sources
from scfm_assets.defs import baselines, networks
from scfm_assets.defs.declare import Facts, Job, Node, Reads, asset, same
from scfm_assets.defs.scaling import layer_of_model
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.core.edges import EdgeScores

SCORES = "scores_of_"


def reads(catalog: Catalog) -> dict[str, Reads]:
    """Give the edge scores of the baselines and of every model, and all networks."""
    of_models = {SCORES + model: same(f"models/{model}/edge_scores") for model in catalog.models}
    return {SCORES + baselines.MODEL: same("baselines/edge_scores"), **of_models, **networks.reads(catalog)}


def _declared(catalog: Catalog, _: Place) -> dict[str, Any]:
    return catalog.experiment.model_dump(mode="json", include={"directions", "universes", "intervals"})


def _facts(job: Job, metrics: pa.Table) -> Facts:
    from scfm_assets import plot_files, plots

    if metrics.num_rows == 0:
        return Facts({"rows": 0})
    figure = plots.attention_by_layer(metrics, job.tissue, layer_of_model=layer_of_model(job.catalog))
    return Facts({"rows": metrics.num_rows}, {"layers": dg.MetadataValue.md(plot_files.thumbnail_markdown(figure))})


def nodes(catalog: Catalog) -> list[Node]:
    """All assets of the evaluation group."""

    @asset(
        "evaluation/metrics",
        space=Space.SLICE,
        reads=reads(catalog),
        config=_declared,
        table="metrics",
        facts=_facts,
        kinds=["parquet"],
    )
    def metrics(job: Job, **inputs: Any) -> pa.Table:
        """One row: how well one method ranks one network's edges in one slice, with its interval and its universe."""
        from scfm_assets.core import evaluation

        known = sources.stored_networks(job.catalog, job.tissue, networks.read(inputs))
        if isinstance(known, evaluation.NoNetwork):
            job.say(reasons=str(known))
            return evaluation.no_rows().table
        scores: dict[str, EdgeScores] = {k.removeprefix(SCORES): v for k, v in inputs.items() if k.startswith(SCORES)}
        found = [
            evaluation.evaluate(edges, known, **sources.evaluation_of(job.catalog, job.place, m))
            for m, edges in scores.items()
        ]
        job.say(reasons="; ".join(dict.fromkeys(reason for result in found for reason in result.reasons)))
        return pa.concat_tables([result.table for result in found])

    return [metrics]
