"""The report: what a person looks at first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.defs import networks
from scfm_assets.defs.formats import HTML
from scfm_assets.defs.inputs import all_of, checkpoints_of, control_of_model, layer_of_model
from scfm_assets.defs.studies import page_of, studies
from scfm_assets.engine.declare import STUDY, Check, Facts, Job, Node, asset, everything
from scfm_assets.engine.environment import environment
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Space
from scfm_assets.tables.schema import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.make import StoredValues
    from scfm_assets.report.studies import StudyPage


@asset(
    "report",
    space=Space.WHOLE,
    reads={
        "metrics": everything("evaluation/metrics"),
        "curves": everything("scaling/curves"),
        "atlases": everything("atlas/processed"),
        "comparisons": everything("evaluation/method_comparison"),
    },
    config=lambda catalog, _: [catalog.name, catalog.title, list(catalog.atlases), catalog.experiment.direction],
    format=HTML,
    facts=lambda job, _: Facts({"report": str(job.store.home / "report" / "index.html")}),
    checks=[
        Check(
            "page_is_self_contained",
            "The page fetches nothing: it reads the same offline and in ten years.",
            "report.self_contained:page_is_self_contained",
            blocking=False,
        )
    ],
    kinds=["html"],
    tags=[STUDY],
)
def report(
    job: Job,
    metrics: StoredValues,
    curves: StoredValues,
    atlases: StoredValues,
    comparisons: StoredValues,
    **others: StoredValues,
) -> str:
    """One page: curves, layers, coverage and quality by tissue, with intervals, controls, verdicts and provenance."""
    from scfm_assets.report.report import render, write
    from scfm_assets.warehouse.publish import publish

    tables = {"metrics": all_of("metrics", metrics), "scaling_curves": all_of("scaling_curves", curves)}
    tables["method_verdicts"] = _judged(job, comparisons)
    page = render(tables, _context(job, metrics, curves, atlases, others) | {"studies": _pages(job.catalog, others)})
    write(job.store.home / "report", page)
    publish(job.store.home, job.store.files)  # so that SQL is there after a run from the UI, too
    return page


def _pages(catalog: Catalog, others: Mapping[str, StoredValues]) -> list[StudyPage]:
    """The pages of the studies that have one."""
    from scfm_assets.report.studies import StudyPage

    pages = [(study, others[page_of(study)]) for study in studies(catalog).values()]
    return [StudyPage(study.name, study.title, stored[place]) for study, stored in pages for place in stored]


def _judged(job: Job, comparisons: StoredValues) -> pa.Table:
    """Judge the methods of each tissue at its largest number of cells."""
    from scfm_assets.core.evaluation import verdicts

    largest = {place.tissue: place for place in sorted(comparisons, key=lambda place: place.n_cells or 0)}
    rows = [comparisons[place] for place in largest.values()]
    stored = pa.concat_tables([arrow_schema("method_comparison").empty_table(), *rows])
    return verdicts(stored, level=job.catalog.experiment.intervals.level)


def _context(
    job: Job, metrics: StoredValues, curves: StoredValues, atlases: StoredValues, others: Mapping[str, StoredValues]
) -> dict[str, Any]:
    """Gather what the tables do not say."""
    catalog = job.catalog
    reasons = {
        f"{place.tissue}: {sentence.removeprefix(f'{place.tissue}: ')}"
        for piece in (metrics, curves)
        for place, manifest in piece.manifests.items()
        for sentence in str(manifest.facts.get("reasons") or "").split("; ")
        if sentence
    }
    versions = {f"atlas/processed {place}": manifest.version for place, manifest in atlases.manifests.items()}
    for model in catalog.models:
        versions[f"models/{model}/checkpoint"] = checkpoints.checkpoint_version(catalog, model)
    for other in others.values():
        versions |= {manifest.asset: manifest.version for manifest in other.manifests.values()}
    return {
        "title": catalog.title or catalog.name,
        "catalog": catalog.name,
        "tissues": list(catalog.atlases),
        "direction": catalog.experiment.direction,
        "layer_of_model": layer_of_model(catalog),
        "controls": control_of_model(catalog),
        "reasons": sorted(reasons),
        "cells": {str(place.tissue): _cells(atlases[place]) for place in atlases},
        "versions": environment()["packages"],
        "data_versions": versions,
    }


def _cells(atlas: AnnData) -> tuple[np.ndarray, np.ndarray, list[str]]:
    obs = atlas.obs
    return obs["n_counts"].to_numpy(), obs["n_genes"].to_numpy(), obs["cell_type"].astype(str).tolist()


def nodes(catalog: Catalog) -> list[Node]:
    """List the report."""
    pages = {page_of(study): everything(page_of(study)) for study in studies(catalog).values()}
    known = {networks.PREFIX + name: everything(f"networks/{name}") for name in catalog.networks}
    return [replace(report, watches=checkpoints_of(catalog), reads={**report.reads, **known, **pages})]
