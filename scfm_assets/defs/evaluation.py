"""How well every method ranks the edges of the reference networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.defs import baselines, networks
from scfm_assets.defs.inputs import (
    ATTENTION,
    CELL_SETS,
    SCORES,
    checkpoints_of,
    control_of_model,
    direction_of,
    layer_of_model,
    scores_and_universes,
)
from scfm_assets.defs.rows import evaluation_of
from scfm_assets.engine.declare import Check, Facts, Job, Node, asset
from scfm_assets.inputs import sources
from scfm_assets.partitions import Place, Space
from scfm_assets.tables.schema import arrow_schema

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.scores import EdgeScores
    from scfm_assets.core.universes import MaskedUniverse


def declared(catalog: Catalog, place: Place) -> dict[str, Any]:
    """The part of the catalog that metrics depend on."""
    settings = catalog.experiment.model_dump(mode="json", include={"directions", "universes", "intervals"})
    return {**settings, **networks.taken_as(catalog, place), "curve_layers": layer_of_model(catalog)}


def _facts(job: Job, metrics: pa.Table) -> Facts:
    from scfm_assets.figures import files as plot_files
    from scfm_assets.figures import plots

    if metrics.num_rows == 0:
        return Facts({"rows": 0})
    figure = plots.attention_by_layer(metrics, job.tissue, layer_of_model=layer_of_model(job.catalog))
    thumbnails = {"attention_by_layer": plot_files.thumbnail_markdown(figure)}
    return Facts({**_headline(job, metrics), "rows": metrics.num_rows}, thumbnails)


def _headline(job: Job, metrics: pa.Table) -> dict[str, float]:
    """Say the AUROC of each model at its fixed layer, and the highest of the baselines and nulls, on the TF grid."""
    from scfm_assets.report.headline import headline, picked, scores_of

    scores = scores_of(
        metrics,
        arrow_schema("scaling_curves").empty_table(),
        job.tissue,
        direction=job.catalog.experiment.direction,
        layer_of_model=layer_of_model(job.catalog),
        controls=control_of_model(job.catalog),
    )
    named = {
        score.model if score.model in job.catalog.models else title.lower().replace(" ", "_"): score.value
        for title, score in picked(headline(scores, metrics, job.tissue))
    }
    return {f"auroc_{name}": round(value, 4) for name, value in named.items()}


def with_left_out(scores: EdgeScores, attention: dict[int, AttentionSums] | None) -> EdgeScores:
    """Add to a model's scores what they would be without each group of cells, computed when it is asked for."""
    from dataclasses import replace

    from scfm_assets.core.scores import left_out_of_attention

    left_out = left_out_of_attention(attention) if attention is not None else None
    return scores if left_out is None else replace(scores, left_out=left_out.beside(scores.left_out))


def _common_universes(job: Job, inputs: dict[str, Any]) -> dict[str, tuple[MaskedUniverse, ...]]:
    """By network, the pairs of the TF grid that all methods can score; nothing where every method sees every gene."""
    import numpy as np

    from scfm_assets.core.universes import common_universe

    models = (baselines.MODEL, *job.catalog.models)
    visible = np.all([inputs[SCORES + model].visible for model in models], axis=0)
    known = inputs["universes"].networks
    return {} if visible.all() else {one.network: (common_universe(one.edges, visible),) for one in known}


def _permuted_labels_score_half(job: Job, _: pa.Table) -> tuple[bool, str]:
    """Permute the labels of one matrix of every model, at its fixed layer, and of one baseline."""
    from scfm_assets.core.evaluation import NoNetwork, matrix_of_layer, permuted_labels_score_half

    known = sources.stored_networks(job.catalog, job.tissue, networks.read(job.inputs))
    if isinstance(known, NoNetwork):
        return True, str(known)
    choices = {model: (("attention", "attention_max"), layer) for model, layer in layer_of_model(job.catalog).items()}
    choices |= {baselines.MODEL: (job.catalog.experiment.methods, None)}
    matrices = {model: matrix_of_layer(job.inputs[SCORES + model], *which) for model, which in choices.items()}
    available = {model: scores for model, scores in matrices.items() if scores is not None}
    return permuted_labels_score_half(available, known, job.tissue, direction_of(job.catalog))


CHECKS = (
    Check(
        "permuted_labels_score_half",
        "With shuffled labels the ranking of each model, at its fixed layer, has AUROC 0.5 within chance.",
        _permuted_labels_score_half,
    ),
    Check(
        "positives_are_thirty_or_more",
        "Every number rests on at least 30 positives.",
        "core.evaluation:enough_positives",
        blocking=False,
    ),
    Check(
        "positives_were_seen_together",
        "Some cell holds both genes of at least half of the positives of each network.",
        "core.evaluation:seen_together",
        blocking=False,
    ),
)


def nodes(catalog: Catalog) -> list[Node]:
    """All assets of the evaluation group."""

    @asset(
        "evaluation/metrics",
        space=Space.SLICE,
        reads={**scores_and_universes(catalog), **networks.reads(catalog), **CELL_SETS},
        watches=checkpoints_of(catalog),
        config=declared,
        table="metrics",
        facts=_facts,
        checks=CHECKS,
        kinds=["parquet"],
    )
    def metrics(job: Job, **inputs: Any) -> pa.Table:
        """One row: how well one method ranks one network's edges in one slice, with its interval and its universe."""
        from scfm_assets.core.evaluation import NoNetwork, evaluate, no_rows

        known = sources.stored_networks(job.catalog, job.tissue, networks.read(inputs))
        if isinstance(known, NoNetwork):
            job.say(reasons=str(known))
            return no_rows().table
        results, common = [], _common_universes(job, inputs)
        for model in (baselines.MODEL, *job.catalog.models):
            scores = with_left_out(inputs[SCORES + model], inputs.get(ATTENTION + model))
            settings = evaluation_of(job.catalog, job.place, model, inputs["universes"], inputs["cell_sets"])
            settings["matched"] = {
                network: (*settings["matched"].get(network, ()), *made) for network, made in common.items()
            } | {network: made for network, made in settings["matched"].items() if network not in common}
            results.append(evaluate(scores, known, **settings, curve_layer=layer_of_model(job.catalog).get(model)))
        reasons = dict.fromkeys(reason for result in results for reason in result.reasons)
        job.say(**({"reasons": "; ".join(reasons)} if reasons else {}))
        return pa.concat_tables([result.table for result in results])

    return [metrics]
