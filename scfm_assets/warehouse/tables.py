"""The tables of the warehouse, declared once: what a row is, and each column's type, meaning and limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, type
        Its name and DuckDB type (a key of `schema.ARROW_TYPES`).
    doc
        One sentence.
    nullable
        Whether it may be NULL.
    check
        SQL condition on a row that must not be false; None for no condition.
    """

    name: str
    type: str
    doc: str
    nullable: bool = False
    check: str | None = None


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns, and the columns that tell one row from every other.

    An empty key is not checked (a table of tens of millions of rows that are distinct by construction). Rows that
    differ in a column of `files_by` lie in files of their own: those of every model, checkpoint and network stay side
    by side.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    files_by: tuple[str, ...] = ()


def _text(name: str, doc: str, *, nullable: bool = False) -> Column:
    return Column(name, "VARCHAR", doc, nullable, f"\"{name}\" <> ''")


def _one_of(name: str, doc: str, *values: str) -> Column:
    return Column(name, "VARCHAR", doc, check=f'"{name}" in ({", ".join(map(repr, values))})')


def _count(name: str, doc: str, *, least: int = 0, nullable: bool = False, kind: str = "INTEGER") -> Column:
    return Column(name, kind, doc, nullable, f'"{name}" >= {least}')


def _share(name: str, doc: str, *, nullable: bool = False) -> Column:
    return Column(name, "DOUBLE", doc, nullable, f'"{name}" between 0 and 1')


def _number(name: str, doc: str, *, check: str | None = None, nullable: bool = True) -> Column:
    finite = f'isfinite("{name}")'
    return Column(name, "DOUBLE", doc, nullable, f"{finite} and {check}" if check else finite)


TISSUE = _text("tissue", "Tissue of the catalog.")
N_CELLS = _count("n_cells", "Cells of each repeat of the slice.", least=1)
REPEAT = _count("repeat", "Number of the independent draw of cells, from 0.")
SIMULATED = Column("simulated", "BOOLEAN", "Whether anything that it was made of is simulated.")
SCORED_BY = (
    _text("model", "Model of the catalog, or 'baselines'."),
    _text("checkpoint", "First 12 hex digits of the digest of the model's files; NULL for baselines.", nullable=True),
    _text("method", "What scores the edges: attention, attention_lift, pearson, ..."),
    _count("layer", "Block of the model, from 1 (0: embeddings); NULL where it does not apply.", nullable=True),
    _count("head", "Head of the layer; NULL for their mean or where it does not apply.", nullable=True),
    _one_of(
        "direction",
        "Which end of an edge is the TF: tf_queries (the attending gene), tf_keys (the attended one), symmetric.",
        "tf_queries",
        "tf_keys",
        "symmetric",
    ),
)
RANKED_IN = (
    _text("network", "Reference network that holds the positives."),
    _text("universe", "Candidate pairs that are ranked: all_pairs, tf_grid, observed."),
)

MEASURED = (
    RANKED_IN[0],
    _text("network_version", "Version that the catalog or the source gives, or a digest of the edges."),
    RANKED_IN[1],
    _text("metric", "auroc, auprc (average precision), auprc_ratio (over base rate), epr (early precision ratio)."),
)
COUNTED = (
    _count("n_pos", "Candidate pairs that are edges of the network.", kind="BIGINT"),
    _count("n_neg", "Candidate pairs that are not.", kind="BIGINT"),
)

MATERIALIZATION = _text("materialization", "Id of the materialization that made the row, as in `lineage`.")
"""Stands in every row of every stored table, behind the declared columns; the store writes it."""

METRICS = Table(
    "metrics",
    "One row: how well one method ranks one network's edges in one slice, with its interval and its universe.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *SCORED_BY,
        *MEASURED,
        _number("value", "Value of the metric; NULL where it has no positives or no negatives.", check='"value" >= 0'),
        _number("lo", "Lower end of the interval.", check='"lo" <= "hi"'),
        _number("hi", "Upper end of the interval."),
        _one_of(
            "interval",
            "What the interval is over: pairs or tfs, drawn with replacement; cells, left out in groups (jackknife).",
            "pairs",
            "tfs",
            "cells",
        ),
        _count("resamples", "Draws behind the interval; over cells the groups of cells."),
        *COUNTED,
        Column(
            "base_rate",
            "DOUBLE",
            "n_pos / (n_pos + n_neg): the precision of a random ranking.",
            nullable=True,
            check='abs("base_rate" * ("n_pos" + "n_neg") - "n_pos") <= 1e-6 * ("n_pos" + "n_neg")',
        ),
        _share("pair_coverage", "Share of candidate pairs seen together in at least one cell.", nullable=True),
        _share("positive_coverage", "Share of positives seen together in at least one cell.", nullable=True),
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
        _text("model", "Model of the catalog."),
        _text("checkpoint", "First 12 hex digits of the digest of the new checkpoint's files."),
        _text("checkpoint_before", "The same of the checkpoint that the model had before."),
        *(column for column in SCORED_BY if column.name not in {"model", "checkpoint"}),
        *MEASURED,
        _number("value", "Value of the metric with the new checkpoint.", check='"value" >= 0', nullable=False),
        _number("value_before", "With the one before.", check='"value_before" >= 0', nullable=False),
        _number("difference", "value - value_before.", nullable=False),
        _number("lo", "Lower end of the difference's interval.", check='"lo" <= "hi"'),
        _number("hi", "Upper end of the difference's interval."),
        _one_of(
            "interval",
            "What is shared by both and resampled: tfs, drawn with replacement; cells, left out in groups (jackknife).",
            "tfs",
            "cells",
        ),
        _count("resamples", "Draws behind the interval; over cells the groups of cells."),
        *COUNTED,
        _one_of(
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
        _text("metric", "Metric on the vertical axis."),
        _one_of(
            "weighting", "Weights of the points: none, or variance (the inverse of each point's).", "none", "variance"
        ),
        _text("form", "Name of the curve's form."),
        _text("formula", "The form as people write it."),
        Column(
            "parameters",
            "VARCHAR",
            "JSON: parameter -> value, lo, hi (95 %).",
            check="case when json_valid(parameters) then json_type(parameters) = 'OBJECT' else false end",
        ),
        _count("n_points", "Points fitted: repeats times cell counts."),
        _number("r2", "Coefficient of determination.", check='"r2" <= 1'),
        _number("aicc", "Akaike's criterion for small samples; comparable within one curve and weighting."),
        _share("weight", "Akaike weight among the forms of this curve.", nullable=True),
        _number("loo_rmse", "Root mean square error of leaving one cell count out.", check='"loo_rmse" >= 0'),
        _number("asymptote", "Value at infinitely many cells; NULL where the form has none."),
        _number("asymptote_lo", "Lower end of its 95 % interval."),
        _number("asymptote_hi", "Upper end of its 95 % interval."),
        _number("characteristic_n", "Cells at which the form has made a stated share of its rise."),
        _text("verdict", "What the points say about the form: best, indistinguishable, degenerate, ..."),
        _number("ceiling", "Best value that a planted control can reach; NULL where no truth is known."),
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
        _text("tf", "Symbol of the TF."),
        _text("target", "Symbol of the target."),
        Column("score", "FLOAT", "Score; 0 where no cell holds both genes.", check='isfinite("score")'),
        _count("n_cells_seen", "Cells that hold both genes."),
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
        _count("position", "Place of the cell in the repeat's order, from 0; a set of n cells is the first n."),
        _count("from_n_cells", "Smallest cell count, from this one on, at which the repeat holds the cell.", least=1),
        _count("cell", "Row of the cell in the processed atlas, from 0."),
        _count("cell_group", "Group of cells that intervals over cells leave out together, from 0."),
        _text("barcode", "Name of the cell."),
        _text("cell_type", "Its cell type."),
        _text("donor", "Its donor; NULL where the atlas does not say.", nullable=True),
        SIMULATED,
    ),
    key=("tissue", "n_cells", "repeat", "position"),
)

GENE_PANEL = Table(
    "gene_panel",
    "One row: a gene whose pairs are scored in a tissue.",
    (
        TISSUE,
        _count("panel_index", "Place of the gene in the panel, from 0."),
        _text("gene_id", "Ensembl id, or the symbol where no id is known."),
        _text("symbol", "Gene symbol."),
        _share("detection", "Share of the tissue's cells with a count."),
        _number("mean", "Mean raw count over the tissue's cells.", check='"mean" >= 0', nullable=False),
        _number(
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
        _count("panel_index", "Place of the gene in the panel, from 0."),
        _text("gene_id", "Ensembl id, or the symbol where no id is known."),
        _text("symbol", "Gene symbol."),
        _text("networks", "Networks of which it is a TF, separated by commas."),
        SIMULATED,
    ),
    key=("tissue", "gene_id"),
)

NETWORKS = Table(
    "networks",
    "One row: an edge of a reference network.",
    (
        _text("network", "Network of the catalog."),
        _text("version", "Version that the catalog or the source gives, or a digest of the edges."),
        _text("tf", "The transcription factor, as the network names it."),
        _text("target", "Its target, as the network names it."),
        Column(
            "sign", "TINYINT", "1 activates, -1 represses, 0 unknown or contradictory.", check='"sign" between -1 and 1'
        ),
        _text("confidence", "Level of confidence, where the source grades its edges.", nullable=True),
        _text("tissue", "Tissue in which the edge holds; NULL for everywhere.", nullable=True),
        _text("tf_id", "Gene id that the network's gene table gives the TF; NULL without one answer.", nullable=True),
        _text("target_id", "Gene id that the network's gene table gives the target.", nullable=True),
    ),
    key=("network", "version", "tf", "target", "tissue"),
    files_by=("network",),
)

ATLAS_QC = Table(
    "atlas_qc",
    "One row: the cells of one cell type and donor of a processed atlas, and how deeply they were sequenced.",
    (
        TISSUE,
        _text("cell_type", "Cell type."),
        _text("donor", "Donor; NULL where the atlas does not say.", nullable=True),
        _count("cells", "Cells.", least=1),
        _number("median_counts", "Median of the counts of a cell.", check='"median_counts" > 0', nullable=False),
        _number("median_genes", "Median of the detected genes of a cell.", check='"median_genes" > 0', nullable=False),
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
    )
}
