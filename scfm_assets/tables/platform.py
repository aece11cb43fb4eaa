"""The tables of the warehouse, declared once: what a row is, and each column's type, meaning and limits."""

from __future__ import annotations

from scfm_assets.tables.columns import (
    COUNTED,
    MEASURED,
    N_CELLS,
    RANKED_IN,
    REPEAT,
    SCORED_BY,
    SIMULATED,
    TISSUE,
    Column,
    Table,
    count,
    number,
    one_of,
    share,
    text,
)
from scfm_assets.tables.studies import STUDY_TABLES
from scfm_assets.tables.trust import TRUST_TABLES

METRICS = Table(
    "metrics",
    "One row: how well one method ranks one network's edges in one slice, with its interval and its universe.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *SCORED_BY,
        *MEASURED,
        number("value", "Value of the metric; NULL where it has no positives or no negatives.", check='"value" >= 0'),
        number("lo", "Lower end of the interval; NULL with one unit or if nothing varies.", check='"lo" <= "hi"'),
        number("hi", "Upper end of the interval."),
        one_of(
            "interval",
            "What the interval is over: pairs, drawn with replacement; tfs or groups of cells, each left out in turn.",
            "pairs",
            "tfs",
            "cells",
        ),
        count(
            "resamples", "Units behind the interval: edges (pairs), TFs with an edge (tfs), groups of cells (cells)."
        ),
        *COUNTED,
        Column(
            "base_rate",
            "DOUBLE",
            "n_pos / (n_pos + n_neg): the precision of a random ranking.",
            nullable=True,
            check='abs("base_rate" * ("n_pos" + "n_neg") - "n_pos") <= 1e-6 * ("n_pos" + "n_neg")',
        ),
        share("pair_coverage", "Share of candidate pairs seen together in at least one cell.", nullable=True),
        share("positive_coverage", "Share of positives seen together in at least one cell.", nullable=True),
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "method", "layer", "head", "direction"),
        *("network", "network_version", "universe", "metric", "interval"),
    ),
    files_by=("model", "checkpoint"),
)

CHECKPOINT_COMPARISON = Table(
    "checkpoint_comparison",
    "One row: how one metric of one slice changed from one checkpoint of a model to the next, over the same cells.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        text("model", "Model of the catalog."),
        text("checkpoint", "First 12 hex digits of the digest of the new checkpoint's files."),
        text("checkpoint_before", "The same of the checkpoint that the model had before."),
        *(column for column in SCORED_BY if column.name not in {"model", "checkpoint"}),
        *MEASURED,
        number("value", "Value of the metric with the new checkpoint.", check='"value" >= 0', nullable=False),
        number("value_before", "With the one before.", check='"value_before" >= 0', nullable=False),
        number("difference", "value - value_before.", nullable=False),
        number("lo", "Lower end of the difference's interval.", check='"lo" <= "hi"'),
        number("hi", "Upper end of the difference's interval."),
        one_of(
            "interval",
            "What is left out of both in turn (jackknife): tfs with all their pairs, or groups of cells.",
            "tfs",
            "cells",
        ),
        count("resamples", "Units behind the interval: TFs with an edge (tfs), groups of cells (cells)."),
        *COUNTED,
        one_of(
            "verdict",
            "better or worse where the interval excludes 0, else indistinguishable; each row is judged by itself.",
            "better",
            "worse",
            "indistinguishable",
        ),
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "checkpoint_before", "method", "layer", "head"),
        *("direction", "network", "network_version", "universe", "metric", "interval"),
    ),
    files_by=("model", "checkpoint"),
)

SCALING_CURVES = Table(
    "scaling_curves",
    "One row: one form fitted to one scaling curve, a metric against the number of cells.",
    (
        TISSUE,
        *(column for column in SCORED_BY if column.name != "head"),
        *RANKED_IN,
        text("metric", "Metric on the vertical axis."),
        one_of(
            "weighting", "Weights of the points: none, or variance (the inverse of each point's).", "none", "variance"
        ),
        text("form", "Name of the curve's form."),
        text("formula", "The form as people write it."),
        Column(
            "parameters",
            "VARCHAR",
            "JSON: parameter -> value, lo, hi (95 %).",
            check="case when json_valid(parameters) then json_type(parameters) = 'OBJECT' else false end",
        ),
        count("n_points", "Points fitted: repeats times cell counts."),
        number("r2", "Coefficient of determination.", check='"r2" <= 1'),
        number("aicc", "Akaike's criterion for small samples; comparable within one curve and weighting."),
        share("weight", "Akaike weight among the forms of this curve.", nullable=True),
        number("loo_rmse", "Root mean square error of leaving one cell count out.", check='"loo_rmse" >= 0'),
        number("asymptote", "Value at infinitely many cells; NULL where the form has none."),
        number("asymptote_lo", "Lower end of its 95 % interval."),
        number("asymptote_hi", "Upper end of its 95 % interval."),
        number("characteristic_n", "Cells at which the form has made a stated share of its rise."),
        text("verdict", "What the points say about the form: best, indistinguishable, degenerate, ..."),
        number("ceiling", "Best value that a planted control can reach; NULL where no truth is known."),
        SIMULATED,
    ),
    key=(
        *("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric"),
        *("weighting", "form"),
    ),
    files_by=("model", "checkpoint"),
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

CELL_SETS = Table(
    "cell_sets",
    "One row: a cell that one repeat holds at this n_cells, or comes to hold further up while another holds it here.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        count("position", "Place of the cell in the repeat's order, from 0; a set of n cells is the first n."),
        count("from_n_cells", "Smallest cell count, from this one on, at which the repeat holds the cell.", least=1),
        count("cell", "Row of the cell in the processed atlas, from 0."),
        count("cell_group", "Group of cells that intervals over cells leave out together, from 0."),
        text("barcode", "Name of the cell."),
        text("cell_type", "Its cell type."),
        text("donor", "Its donor; NULL where the atlas does not say.", nullable=True),
        SIMULATED,
    ),
    key=("tissue", "n_cells", "repeat", "position"),
)

GENE_PANEL = Table(
    "gene_panel",
    "One row: a gene whose pairs are scored in a tissue.",
    (
        TISSUE,
        count("panel_index", "Place of the gene in the panel, from 0."),
        text("gene_id", "Ensembl id, or the symbol where no id is known."),
        text("symbol", "Gene symbol."),
        share("detection", "Share of the tissue's cells with a count."),
        number("mean", "Mean raw count over the tissue's cells.", check='"mean" >= 0', nullable=False),
        number(
            "variance", "Variance of the raw count over the tissue's cells.", check='"variance" >= 0', nullable=False
        ),
        SIMULATED,
    ),
    key=("tissue", "gene_id"),
)

REGULATORS = Table(
    "regulators",
    "One row: a gene of the panel that is a TF of some reference network.",
    (
        TISSUE,
        count("panel_index", "Place of the gene in the panel, from 0."),
        text("gene_id", "Ensembl id, or the symbol where no id is known."),
        text("symbol", "Gene symbol."),
        text("networks", "Networks of which it is a TF, separated by commas."),
        SIMULATED,
    ),
    key=("tissue", "gene_id"),
)

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

ATLAS_QC = Table(
    "atlas_qc",
    "One row: the cells of one cell type and donor of a processed atlas, and how deeply they were sequenced.",
    (
        TISSUE,
        text("cell_type", "Cell type."),
        text("donor", "Donor; NULL where the atlas does not say.", nullable=True),
        count("cells", "Cells.", least=1),
        number("median_counts", "Median of the counts of a cell.", check='"median_counts" > 0', nullable=False),
        number("median_genes", "Median of the detected genes of a cell.", check='"median_genes" > 0', nullable=False),
        SIMULATED,
    ),
    key=("tissue", "cell_type", "donor"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        METRICS,
        SCALING_CURVES,
        CHECKPOINT_COMPARISON,
        EDGE_SCORES,
        CELL_SETS,
        GENE_PANEL,
        REGULATORS,
        NETWORKS,
        ATLAS_QC,
        *TRUST_TABLES,
        *STUDY_TABLES,
    )
}
