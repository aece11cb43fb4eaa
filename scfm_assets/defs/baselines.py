"""What expression alone says about the same edges."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scfm_assets.defs import model_checks, networks
from scfm_assets.defs.formats import EDGES
from scfm_assets.defs.rows import edge_rows
from scfm_assets.engine import code_ledger
from scfm_assets.engine.declare import Facts, Job, Node, asset, same
from scfm_assets.partitions import Space

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.scores import BaselineMethod, EdgeScores

MODEL = "baselines"
"""What stands as the model of methods that have none."""


def has_groups(catalog: Catalog) -> bool:
    """Whether intervals over cells are asked for: then scores without each group of cells are needed."""
    return catalog.experiment.cell_groups > 0 and bool({"cells", "donors"} & set(catalog.experiment.intervals.kinds))


def tfs_of(regulators: pa.Table) -> np.ndarray:
    """Panel indices of the TFs, ascending."""
    return regulators.column("panel_index").to_numpy().astype("int64")


def _methods_of(job: Job, tfs: np.ndarray, repeats: int) -> tuple[BaselineMethod, ...]:
    """The methods that the catalog asks for; boosting, if among them, reports its progress."""
    from scfm_assets.core.scores import chosen_methods

    progress = partial(job.progress, unit="targets")
    names, workers = job.catalog.experiment.methods, job.compute.workers
    return chosen_methods(names, tfs, workers=workers, progress=progress, times=repeats)


def _edge_rows(job: Job, scores: EdgeScores) -> pa.Table:
    known = networks.read(job.inputs).values()
    return edge_rows(job.catalog, job.place, scores, known, MODEL)


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
            "regulators": same("atlas/regulators"),
            **networks.reads(catalog),
        },
        code=code_ledger.version("baselines/edge_scores"),
        config=lambda catalog, _: [sorted(catalog.experiment.methods), by_groups],
        format=EDGES,
        publishes={"edge_scores": _edge_rows},
        checks=[model_checks.SCORES_ARE_FINITE],
        facts=lambda _, scores: Facts({"score_matrices": len(scores.keys), "genes": len(scores.gene_ids)}),
        kinds=["parquet", "scipy"],
    )
    def edge_scores(
        job: Job, atlas: AnnData, panel: pa.Table, cell_sets: pa.Table, regulators: pa.Table, **_: pa.Table
    ) -> EdgeScores:
        """One row: how strongly expression links a TF to a target, by a method of its own or by a null of single genes.

        GRNBoost2-style boosting, where the catalog asks for it, has no intervals over cells: it is too dear to be
        repeated without each group of them.
        """
        from scfm_assets.core.sampling import groups, members
        from scfm_assets.core.scores import score

        counts: Any = atlas.X
        cells, tfs = members(cell_sets, job.n_cells), tfs_of(regulators)
        group_of_repeat = groups(cell_sets, job.n_cells) if by_groups else None
        grouped = {"group_of_repeat": group_of_repeat, "n_groups": job.catalog.experiment.cell_groups, "tfs": tfs}
        methods = _methods_of(job, tfs, len(cells))
        return score(counts, atlas.var_names.tolist(), panel, cells_of_repeat=cells, methods=methods, **grouped)

    return [edge_scores]
