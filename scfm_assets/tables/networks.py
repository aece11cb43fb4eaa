"""Tables of reference networks, and of the pairs that are ranked with them."""

from __future__ import annotations

from scfm_assets.tables.columns import COUNTED, NETWORK, SIMULATED, TISSUE, Column, Table, count, number, share, text

NETWORKS = Table(
    "networks",
    "One row: an edge of a reference network.",
    (
        text("network", "Network of the catalog."),
        text("version", "Version that the catalog or the source gives, or a digest of the edges."),
        text("tf", "The transcription factor, as the network names it."),
        text("target", "Its target, as the network names it."),
        Column(
            "sign", "TINYINT", "1 activates, -1 represses, 0 unknown or contradictory.", check='"sign" between -1 and 1'
        ),
        text("confidence", "Level of confidence, where the source grades its edges.", nullable=True),
        text("tissue", "Tissue in which the edge holds; NULL for everywhere.", nullable=True),
        text("tf_id", "Gene id that the network's gene table gives the TF; NULL without one answer.", nullable=True),
        text("target_id", "Gene id that the network's gene table gives the target.", nullable=True),
    ),
    key=("network", "version", "tf", "target", "tissue"),
    files_by=("network",),
)


LEVELS = {
    "mean": "mean log expression",
    "detection": "share of cells that hold it",
    "variance": "variance of log expression",
    "dispersion": "variance over mean of expression",
    "cell_size": "mean number of genes in the cells that hold it",
}
"""What is known of a gene over all cells of the processed atlas."""


def _differ(end: str, level: str) -> Column:
    """Declare how far positives lie above negatives in one level of one end."""
    doc = f"Positives minus negatives in the {end.replace('tf', 'TF')}'s {LEVELS[level]}, in standard deviations."
    return number(f"{end}_{level}_difference", doc)


UNIVERSES = Table(
    "universes",
    "One row: the pairs of one network and universe, how many are edges, and how their expression differs.",
    (
        TISSUE,
        *NETWORK,
        text("universe", "all_pairs, tf_grid, expression_matched; observed depends on the cells."),
        count("n_tfs", "TFs of the network in the panel."),
        *COUNTED,
        share("base_rate", "n_pos / (n_pos + n_neg)."),
        count("left_out", "Edges of the network that are not in it, for want of a match."),
        share(
            "share_of_grid",
            "Its pairs over those of tf_grid: at 1 a matched universe is the whole grid, and says what the grid says.",
        ),
        *(_differ(end, level) for end in ("tf", "target") for level in LEVELS),
        SIMULATED,
    ),
    key=("tissue", "network", "network_version", "universe"),
)

UNIVERSE_NULLS = Table(
    "universe_nulls",
    "One row: how well what single genes are like, over all cells of a tissue, ranks a network's edges in a universe.",
    (
        TISSUE,
        *NETWORK,
        text("universe", "tf_grid, expression_matched."),
        text("reference", "The null: one statistic of genes, as it is; expression_alone; or target_popularity."),
        share("auroc", "Its AUROC; 0.5 in expression_matched where matching worked."),
        share("lo", "Lower end of its 95 % interval over TFs and targets.", nullable=True),
        share("hi", "Upper end.", nullable=True),
        share("lo_of_all", "Lower end of the interval that holds the truth of all nulls at once.", nullable=True),
        share("hi_of_all", "Upper end.", nullable=True),
        SIMULATED,
    ),
    key=("tissue", "network", "network_version", "universe", "reference"),
)

CEILINGS = Table(
    "ceilings",
    "One row: the best that a method could show if a network held this share of the true edges, hidden at random.",
    (
        TISSUE,
        *NETWORK,
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
