"""Tables of edge scores: what each method gives each edge, and how well that repeats itself."""

from __future__ import annotations

from scfm_assets.tables.columns import (
    COUNTED,
    N_CELLS,
    NETWORK,
    REPEAT,
    SCORED_BY,
    SIMULATED,
    TISSUE,
    UNIVERSE,
    Column,
    Table,
    count,
    number,
    text,
)

EDGE_SCORES = Table(
    "edge_scores",
    "One row: the score that one method gives to one edge, from a TF of a network to a gene of the panel.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *SCORED_BY,
        text("tf", "Symbol of the TF."),
        text("target", "Symbol of the target."),
        Column("score", "FLOAT", "Score; 0 where no cell holds both genes.", check='isfinite("score")'),
        count("n_cells_seen", "Cells that hold both genes."),
        SIMULATED,
    ),
    files_by=("model", "checkpoint"),
)


def _agreement(name: str, of: str) -> tuple[Column, Column, Column]:
    """Declare how far two halves of the cells agree in one respect."""
    return (
        number(name, f"{of}: all cells, Spearman-Brown of the halves.", check=f'"{name}" <= 1'),
        number(f"{name}_half", f"{of}: two halves, mean over the splits.", check=f'abs("{name}_half") <= 1'),
        number(
            f"{name}_spread",
            "Standard deviation of the corrected agreement of single splits, which share cells: no standard error.",
            check=f'"{name}_spread" >= 0',
        ),
    )


RELIABILITY = Table(
    "reliability",
    "One row: how alike the scores of one method are in two halves of a slice's cells, on one network's TF grid.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *SCORED_BY,
        *NETWORK,
        UNIVERSE,
        *_agreement("pearson", "Pearson correlation of the scores over the pairs"),
        *_agreement("spearman", "Spearman correlation of the scores over the pairs"),
        *_agreement("auroc_of_tfs", "Pearson correlation, over the TFs, of the AUROC of each TF's own pairs"),
        number("auroc_half", "AUROC of half the cells, mean over both halves of the splits.", nullable=False),
        number(
            "auroc_error",
            "Standard error of the AUROC over cells: half of the root mean square difference of the halves.",
            check='"auroc_error" >= 0',
            nullable=False,
        ),
        count("cell_groups", "Groups of cells that were divided into halves.", least=2),
        count("splits", "Divisions into halves, the same for all methods of a repeat.", least=1),
        *COUNTED,
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "method", "layer", "head", "direction"),
        *("network", "network_version", "universe"),
    ),
    files_by=("model", "checkpoint"),
)
