"""Tables of an atlas: its quality, and the cells and genes that are chosen of it."""

from __future__ import annotations

from scfm_assets.tables.columns import N_CELLS, REPEAT, SIMULATED, TISSUE, Table, count, number, share, text

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

GENE = (
    count("panel_index", "Place of the gene in the panel, from 0."),
    text("gene_id", "Ensembl id, or the symbol where no id is known."),
    text("symbol", "Gene symbol."),
)

GENE_PANEL = Table(
    "gene_panel",
    "One row: a gene whose pairs are scored in a tissue.",
    (
        TISSUE,
        *GENE,
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
        *GENE,
        text("networks", "Networks of which it is a TF, separated by commas."),
        SIMULATED,
    ),
    key=("tissue", "gene_id"),
)
