"""Tables that say how far the numbers of `metrics` can be trusted."""

from __future__ import annotations

from scfm_assets.tables.columns import (
    COUNTED,
    MEASURED,
    N_CELLS,
    REPEAT,
    SCORED_BY,
    SIMULATED,
    TISSUE,
    Column,
    Table,
    count,
    number,
    share,
    text,
)
from scfm_assets.tables.methods import METHOD_TABLES


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
        *MEASURED[:3],
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


def _differ(end: str, level: str) -> Column:
    """Declare how far positives lie above negatives in one level of one end."""
    name = "mean log expression" if level == "mean" else "share of cells that hold it"
    doc = f"Positives minus negatives in the {end.replace('tf', 'TF')}'s {name}, in standard deviations."
    return number(f"{end}_{level}_difference", doc)


UNIVERSES = Table(
    "universes",
    "One row: the pairs of one network and universe, how many are edges, and how their expression differs.",
    (
        TISSUE,
        *MEASURED[:2],
        text("universe", "all_pairs, tf_grid, expression_matched, degree_matched; observed depends on the cells."),
        count("n_tfs", "TFs of the network in the panel."),
        *COUNTED,
        share("base_rate", "n_pos / (n_pos + n_neg)."),
        count("left_out", "Edges of the network that are not in it, for want of a match."),
        *(_differ(end, level) for end in ("tf", "target") for level in ("mean", "detection")),
        SIMULATED,
    ),
    key=("tissue", "network", "network_version", "universe"),
)

CEILINGS = Table(
    "ceilings",
    "One row: the best that a method could show if a network held this share of the true edges, hidden at random.",
    (
        TISSUE,
        *MEASURED[:2],
        text("universe", "all_pairs or tf_grid."),
        share("completeness", "Share of the true edges that the network holds; none where all pairs would be edges."),
        share("hidden_share", "Share of the negatives that are edges then."),
        share("best_auroc", "AUROC that a perfect method is expected to show."),
        share("best_auprc", "Average precision of a perfect method that puts the edges in some order."),
        share("uninformed_auprc", "Average precision that a random order is expected to show."),
        SIMULATED,
    ),
    key=("tissue", "network", "network_version", "universe", "completeness"),
)

TRUST_TABLES: tuple[Table, ...] = (RELIABILITY, UNIVERSES, CEILINGS, *METHOD_TABLES)
