"""From raw counts to nested cell sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.defs import networks
from scfm_assets.defs.rows import are_named
from scfm_assets.engine.declare import Check, Facts, Job, Node, Source, asset, same
from scfm_assets.inputs import sources
from scfm_assets.partitions import Place, Space
from scfm_assets.resources.store import ANNDATA
from scfm_assets.tables.atlas import ATLAS_QC, CELL_SETS

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog


def raw(catalog: Catalog) -> Source:
    """Declare the atlases of the catalog as they are given."""
    return Source(
        asset="atlas/raw",
        space=Space.TISSUE,
        version=lambda place: sources.atlas_version(catalog, str(place.tissue)),
        files=lambda place: sources.atlas_files(catalog, str(place.tissue)),
        doc="One atlas as its authors give it (a file, a download, bundled or simulated data), by content digest.",
        kinds=frozenset({"anndata"}),
        facts={tissue: sources.origin(entry) for tissue, entry in catalog.atlases.items()},
    )


def _as_declared(catalog: Catalog, place: Place) -> dict[str, Any]:
    """What the catalog says on how to read the atlas. Where the file lies does not change what is in it."""
    entry = catalog.atlases[str(place.tissue)].model_dump(mode="json", exclude={"file", "url", "sha256", "gene_table"})
    return {**entry, "gene_table": sources.gene_table_version(catalog, str(place.tissue))}


def _counts_are_integers(_: Job, atlas: AnnData) -> tuple[bool, str]:
    counts: Any = atlas.X
    data = counts.data
    passed = bool(np.issubdtype(data.dtype, np.integer) and (data > 0).all())
    return passed, f"{data.size:,} stored counts, all positive integers" if passed else "not all are positive integers"


def _quality(job: Job, atlas: AnnData) -> Facts:
    from scfm_assets.figures import files as plot_files
    from scfm_assets.figures import plots

    counts: Any = atlas.X
    obs: Any = atlas.obs
    n_cells, n_genes = atlas.shape
    repairs = json.loads(atlas.uns["scfm"]["repairs"])
    facts = {
        "cells": n_cells,
        "genes": n_genes,
        "median_counts": float(np.median(obs["n_counts"])),
        "median_genes": float(np.median(obs["n_genes"])),
        "cell_types": int(obs["cell_type"].nunique()),
        "donors": int(obs["donor"].nunique()),
        "zeros": round(1 - counts.nnz / (n_cells * n_genes), 4),
        "counts_from": str(atlas.uns["scfm"]["counts_from"]),
        "repairs": "; ".join(f"{r['n']:,} {r['what'].replace('_', ' ')} ({r['example']})" for r in repairs) or "none",
    }
    figure = plots.atlas_qc(
        obs["n_counts"].to_numpy(), obs["n_genes"].to_numpy(), obs["cell_type"].to_numpy(), job.tissue
    )
    return Facts(facts, {"quality": plot_files.thumbnail_markdown(figure)})


def _quality_table(_: Job, atlas: AnnData) -> pa.Table:
    obs: Any = atlas.obs
    groups = obs.groupby(["cell_type", "donor"], observed=True)
    summary = groups.agg(
        cells=("n_counts", "size"), median_counts=("n_counts", "median"), median_genes=("n_genes", "median")
    ).reset_index()
    return ATLAS_QC.from_columns({name: summary[name].tolist() for name in summary})


@asset(
    "atlas/processed",
    space=Space.TISSUE,
    watches=["atlas/raw"],
    config=lambda catalog, place: [_as_declared(catalog, place)],
    format=ANNDATA,
    publishes={"atlas_qc": _quality_table},
    facts=_quality,
    checks=[Check("counts_are_integers", "Every stored count is a positive integer.", _counts_are_integers)],
    kinds=["anndata"],
)
def processed(job: Job) -> AnnData:
    """Raw integer counts of one tissue, cells x genes, with cell types, donors and batches, and canonical gene ids."""
    from scfm_assets.core.intake import process

    spec = sources.atlas_spec(job.catalog, job.tissue)
    return process(sources.read_atlas(job.catalog, job.tissue), spec)


@asset(
    "atlas/gene_panel",
    space=Space.TISSUE,
    reads={"atlas": same("atlas/processed")},
    config=lambda catalog, _: catalog.experiment.panel,
    table="gene_panel",
    checks=[
        Check("genes_are_distinct", "No gene stands twice in the panel.", "core.evaluation:genes_are_distinct"),
        Check(
            "panel_is_complete",
            "The panel has the size that the catalog asks for, of genes that some cell expresses.",
            "core.evaluation:panel_is_complete",
            blocking=False,
            more=lambda job: [job.catalog.experiment.panel],
        ),
    ],
    kinds=["parquet"],
)
def gene_panel(job: Job, atlas: AnnData) -> pa.Table:
    """One row: a gene of the panel, whose pairs are scored in this tissue."""
    from scfm_assets.core.sampling import gene_panel as choose

    symbols = atlas.var["symbol"].astype(str).tolist()
    counts: Any = atlas.X
    return choose(counts, atlas.var_names.tolist(), symbols, size=job.catalog.experiment.panel)


@asset(
    "atlas/cell_sets",
    space=Space.SLICE,
    reads={"atlas": same("atlas/processed")},
    config=lambda catalog, _: catalog.experiment.model_dump(
        mode="json", include={"n_cells", "repeats", "seed", "cell_groups"}
    ),
    table="cell_sets",
    checks=[
        Check(
            "repeats_hold_their_cells",
            "Each repeat holds exactly the slice's number of distinct cells.",
            "core.evaluation:repeats_hold_their_cells",
            more=lambda job: [job.n_cells, job.catalog.experiment.repeats],
        )
    ],
    kinds=["parquet"],
)
def cell_sets(job: Job, atlas: AnnData) -> pa.Table:
    """One row: a cell that a repeat holds at this number of cells (or will hold from a larger one on)."""
    from scfm_assets.core.sampling import cell_orders, cell_set_table, shared
    from scfm_assets.core.statistics import ENOUGH

    experiment, types = job.catalog.experiment, atlas.obs["cell_type"].to_numpy()
    how = {"repeats": experiment.repeats, "length": max(experiment.n_cells), "seed": experiment.seed}
    orders = cell_orders(types, atlas.obs_names.to_numpy(), **how)
    n_groups = max(experiment.cell_groups, 1)
    donors = atlas.obs["donor"].astype(str).to_numpy()
    table = cell_set_table(
        orders,
        job.n_cells,
        experiment.n_cells,
        n_groups=n_groups,
        seed=experiment.seed,
        donors=donors if are_named(donors) else None,
        whole_from=ENOUGH,
    )
    job.say(shared_cells=shared(table, job.n_cells))
    cells = table.column("cell").to_numpy()
    return CELL_SETS.from_columns(
        {
            **{name: table.column(name) for name in table.column_names},
            "barcode": np.asarray(atlas.obs_names, dtype=str)[cells].tolist(),
            "cell_type": np.asarray(types, dtype=str)[cells].tolist(),
            "donor": donors[cells].tolist(),
        }
    )


def regulators(catalog: Catalog) -> Node:
    """Declare the TFs of the panels, which stand in the networks of the catalog."""

    @asset(
        "atlas/regulators",
        space=Space.TISSUE,
        reads={"panel": same("atlas/gene_panel"), **networks.reads(catalog)},
        config=networks.taken_as,
        table="regulators",
        checks=[
            Check(
                "panel_holds_tfs",
                "Some gene of the panel is a TF of a network.",
                "core.evaluation:panel_holds_tfs",
                blocking=False,
            )
        ],
        facts=lambda _, table: Facts({"rows": table.num_rows}),
        kinds=["parquet"],
    )
    def regulators(job: Job, panel: pa.Table, **inputs: pa.Table) -> pa.Table:
        """One row: a gene of the panel that is a TF of some network; its pairs have intervals over cells."""
        from scfm_assets.core.sampling import regulators as choose

        return choose(panel, sources.tfs_of_networks(job.catalog, job.tissue, panel, networks.read(inputs)))

    return regulators


def nodes(catalog: Catalog) -> list[Node]:
    """All assets of the atlas group."""
    return [processed, gene_panel, regulators(catalog), cell_sets]
