"""What expression alone says about the same edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets import checkpoints
from scfm_assets.defs import model_checks, networks
from scfm_assets.defs.declare import Facts, Job, Node, asset, same
from scfm_assets.defs.formats import EDGES
from scfm_assets.partitions import Space

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.edges import EdgeScores

MODEL = "baselines"
"""What stands as the model of methods that have none."""


def has_groups(catalog: Catalog) -> bool:
    """Whether intervals over cells are asked for: then scores without each group of cells are needed."""
    return catalog.experiment.cell_groups > 0 and "cells" in catalog.experiment.intervals.kinds


def _edge_rows(job: Job, scores: EdgeScores) -> pa.Table:
    known = networks.read(job.inputs).values()
    return checkpoints.edge_rows(job.catalog, job.place, scores, known, MODEL)


def nodes(catalog: Catalog) -> list[Node]:
    """All baselines."""
    by_groups = has_groups(catalog)

    @asset(
        "baselines/edge_scores",
        space=Space.SLICE,
        reads={
            "atlas": same("atlas/processed"),
            "panel": same("atlas/gene_panel"),
            "cell_sets": same("atlas/cell_sets"),
            **({"regulators": same("atlas/regulators")} if by_groups else {}),
            **networks.reads(catalog),
        },
        code="2",
        format=EDGES,
        publishes={"edge_scores": _edge_rows},
        checks=[model_checks.SCORES_ARE_FINITE],
        facts=lambda _, scores: Facts({"score_matrices": len(scores.keys), "genes": len(scores.gene_ids)}),
        kinds=["parquet", "scipy"],
    )
    def edge_scores(
        job: Job,
        atlas: AnnData,
        panel: pa.Table,
        cell_sets: pa.Table,
        regulators: pa.Table | None = None,
        **_: pa.Table,
    ) -> EdgeScores:
        """One row: how strongly expression links a TF to a target, by correlation or by a null of single genes."""
        from scfm_assets.core.baselines import score
        from scfm_assets.core.cells import groups, members

        counts: Any = atlas.X
        of_groups: dict[str, Any] = {}
        if regulators is not None:
            of_groups["group_of_repeat"] = groups(cell_sets, job.n_cells)
            of_groups["tfs"] = regulators.column("panel_index").to_numpy().astype("int64")
        names, cells = atlas.var_names.tolist(), members(cell_sets, job.n_cells)
        return score(counts, names, panel, cells_of_repeat=cells, **of_groups)

    return [edge_scores]
