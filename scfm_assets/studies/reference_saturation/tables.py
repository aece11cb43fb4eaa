"""Tables of the study."""

from __future__ import annotations

from scfm_assets.tables.columns import SCORED_BY, TISSUE, Column, Table, count, number, share, text

CURVE = (
    share("density", "Edges asked for, as a share of all ordered pairs of genes."),
    number(
        "noise_growth",
        "Growth of the standard deviation of the noise on the scores with every cell; 0 without a planted fault.",
        nullable=False,
    ),
    text("method", "What scores the edges; it does not know the number of cells."),
    text(
        "hiding", "How edges lose their labels: random, degree (well studied genes keep theirs), circular (a control)."
    ),
)
"""What tells the curves of a metric over cells apart."""
CURVE_KEY = tuple(column.name for column in CURVE)
ESTIMATE_KEY = ("metric", "term", "completeness")


def _columns(table: Table, names: str) -> tuple[Column, ...]:
    """Columns of another table, in its order."""
    return tuple(column for column in table.columns if column.name in names.split())


SCORES = Table(
    "scores",
    "One row: how well one score from n cells ranks the edges that are labelled, where all edges are known.",
    (
        *CURVE,
        share("completeness", "Share of the edges that are labelled."),
        count("n_cells", "Cells that the scores are made of.", kind="BIGINT"),
        count(
            "seed", "Number of the independent simulated tissue, which also decides noise and labels.", kind="BIGINT"
        ),
        share("auroc", "AUROC of the labelled edges, mean over draws of labels.", nullable=True),
        share("auprc", "Their average precision, mean over draws.", nullable=True),
        share(
            "predicted_auroc",
            "AUROC that hidden edges among the negatives lead to, from the ranking of all edges.",
            nullable=True,
        ),
        share("predicted_auprc", "The same of average precision.", nullable=True),
        count("n_edges", "True edges among the pairs.", kind="BIGINT"),
        count("n_pos", "Labelled edges.", kind="BIGINT"),
        count("n_neg", "All other pairs, hidden edges among them.", kind="BIGINT"),
    ),
    key=(*CURVE_KEY, "completeness", "n_cells", "seed"),
)

SLOPES = Table(
    "slopes",
    "One row: how fast a metric grows with the cells at one completeness of labels, or how that depends on it.",
    (
        *CURVE,
        text("metric", "auroc, auprc_ratio (over base rate) or log_auprc_ratio."),
        text(
            "term",
            "slope (per doubling of cells) or interaction (by how much it grows with completeness, from 0 to 1).",
        ),
        share("completeness", "Share of the edges that are labelled.", nullable=True),
        number("value", "The slope or the interaction."),
        number("lo", "Lower end of its interval."),
        number("hi", "Upper end."),
        number("error", "Its standard error."),
        share("p", "Chance of a value as far from 0, two-sided.", nullable=True),
        number("predicted", "What labels hidden at random are expected to lead to."),
        number("excess", "value - predicted."),
        number("excess_lo", "Lower end of its interval; NULL over TFs."),
        number("excess_hi", "Upper end."),
        share("excess_p", "Chance of an excess as far from 0, two-sided.", nullable=True),
        text("unit", "What intervals are over: seeds (independent tissues) or tfs."),
        count("units", "How many there are.", kind="BIGINT"),
    ),
    key=(*CURVE_KEY, *ESTIMATE_KEY),
)

OBSERVED = Table(
    "observed",
    "One row: how one method's metric grows with the cells of a tissue when labels of a reference network are hidden.",
    (
        TISSUE,
        *(column for column in SCORED_BY if column.name != "head"),
        text("role", "What the model is: planted, random, model, baseline."),
        text("network", "Reference network whose edges lose their labels."),
        text("network_version", "Version that the catalog or the source gives, or a digest of the edges."),
        count("n_cells_least", "Smallest number of cells of the curve.", least=1),
        count("n_cells_most", "Largest number of cells.", least=1),
        count("n_repeats", "Independent draws of cells whose estimates are merged.", least=1),
        *_columns(SLOPES, "hiding metric term completeness value lo hi error p unit units"),
        text("answer", "Do missing labels explain it: no failure, no, yes or underpowered, by AUROC at this hiding."),
    ),
    key=("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "hiding", *ESTIMATE_KEY),
    files_by=("model", "checkpoint"),
)
