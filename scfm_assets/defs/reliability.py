"""How far the scores of every method would repeat themselves in other cells."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.defs import baselines, networks
from scfm_assets.defs.inputs import ATTENTION, checkpoints_of, direction_of, layer_of_model
from scfm_assets.engine.declare import Check, Facts, Job, Node, asset, same
from scfm_assets.inputs import checkpoints, sources
from scfm_assets.partitions import Place, Space
from scfm_assets.tables.scores import RELIABILITY

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog

LEAST = 0.5
"""Below it, more of a score's variance is noise than not."""


def declared(catalog: Catalog, place: Place) -> dict[str, Any]:
    """The part of the catalog that reliability depends on."""
    settings = {"direction": catalog.experiment.direction, "methods": sorted(catalog.experiment.methods)}
    return {**settings, "layers": layer_of_model(catalog), **networks.taken_as(catalog, place)}


def of_models(job: Job, reliability: pa.Table) -> dict[str, float]:
    """Reliability of each model's scores, the mean over its repeats, networks and methods."""
    rows = [row for row in reliability.select(["model", "pearson"]).to_pylist() if row["pearson"] is not None]
    of_model = {model: [row["pearson"] for row in rows if row["model"] == model] for model in job.catalog.models}
    return {model: fmean(values) for model, values in of_model.items() if values}


def _repeat_themselves(job: Job, reliability: pa.Table) -> tuple[bool, str]:
    means = of_models(job, reliability)
    listed = ", ".join(f"{model} {value:.2f}" for model, value in means.items())
    words = (
        f"split-half reliability: {listed} (at least {LEAST})" if means else "no model has scores by groups of cells"
    )
    return all(value >= LEAST for value in means.values()), words


def _facts(job: Job, reliability: pa.Table) -> Facts:
    of_model = {f"reliability_{model}": round(value, 4) for model, value in of_models(job, reliability).items()}
    return Facts({"rows": reliability.num_rows, **of_model})


def _halves_of_all(job: Job, inputs: dict[str, Any]) -> dict[str, Any]:
    """Halves of every model at its fixed layer, and of the baselines, each computed when it is asked for."""
    from scfm_assets.core.evaluation import from_attention, from_counts
    from scfm_assets.core.sampling import groups, members
    from scfm_assets.core.scores import chosen_methods

    atlas, cell_sets, tfs = inputs["atlas"], inputs["cell_sets"], baselines.tfs_of(inputs["regulators"])
    of_counts = from_counts(
        atlas.X,
        atlas.var_names.tolist(),
        inputs["panel"],
        cells_of_repeat=members(cell_sets, job.n_cells),
        group_of_repeat=groups(cell_sets, job.n_cells),
        tfs=tfs,
        methods=chosen_methods(job.catalog.experiment.methods, tfs),
    )
    direction = direction_of(job.catalog)
    layers = layer_of_model(job.catalog).items()
    of_models = {model: from_attention(inputs[ATTENTION + model], layer, direction) for model, layer in layers}
    return {baselines.MODEL: of_counts, **of_models}


def nodes(catalog: Catalog) -> list[Node]:
    """Reliability, where sums are kept by groups of cells."""

    @asset(
        "evaluation/reliability",
        space=Space.SLICE,
        reads={
            "atlas": same("atlas/processed"),
            "panel": same("atlas/gene_panel"),
            "cell_sets": same("atlas/cell_sets"),
            "regulators": same("atlas/regulators"),
            **{ATTENTION + model: same(f"models/{model}/attention") for model in catalog.models},
            **networks.reads(catalog),
        },
        watches=checkpoints_of(catalog),
        config=declared,
        table="reliability",
        facts=_facts,
        checks=[
            Check(
                "scores_repeat_themselves",
                "Half or more of the variance of each model's scores, at its fixed layer, is there in other cells too.",
                _repeat_themselves,
                blocking=False,
            )
        ],
        kinds=["parquet"],
    )
    def reliability(job: Job, panel: pa.Table, **inputs: Any) -> pa.Table:
        """One row: how alike the scores of one method are in two halves of a slice's cells, on one network's TF grid.

        Every method of which scores of groups of cells are known or cheap takes part: attention of each model at its
        fixed layer, and what scores edges from counts, but for boosting. Spearman-Brown is exact for means over cells;
        of correlations and mutual information it says what two draws of as many cells would agree in, nearly.
        """
        from scfm_assets.core.evaluation import NoNetwork, reliability_table

        known = sources.stored_networks(job.catalog, job.tissue, networks.read(inputs))
        if isinstance(known, NoNetwork):
            job.say(reasons=str(known))
            return RELIABILITY.rows([])
        tables = []
        for model, halves in _halves_of_all(job, {**inputs, "panel": panel}).items():
            checkpoint = checkpoints.checkpoint_digest(job.catalog, model) if model in job.catalog.models else None
            named = {"tissue": job.tissue, "model": model, "checkpoint": checkpoint}
            tables.append(reliability_table(halves, known, panel, **named))
        return pa.concat_tables(tables)

    return [reliability] if catalog.experiment.cell_groups else []
