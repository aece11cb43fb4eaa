"""What a user declares about an atlas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

AUTO = ("X", "layers/counts", "raw.X")
"""Where ``counts="auto"`` looks, in this order."""
UNDECLARED = {"cell_type": "unlabelled", "donor": "unknown", "batch": "unknown"}
"""What stands in a column of obs for which the atlas declares none."""


@dataclass(frozen=True)
class AtlasSpec:
    """What a user declares about one atlas.

    Attributes
    ----------
    tissue
        Name of the atlas in the catalog.
    path
        Its file or folder, of one of `atlas_files.FORMATS`; None if it comes from elsewhere.
    counts
        Where the raw counts are: ``X``, ``layers/<name>``, ``raw.X``, or ``auto`` for the first of `AUTO` that is
        integer.
    cell_type, donor, batch
        Columns of obs, None for none. Without cell types all cells are ``unlabelled``.
    assay
        Column of obs, None for none; only if it is declared, processed cells have it.
    gene_id, symbol
        Columns of var, None for its index.
    organism
        Name of the organism.
    gene_table
        Offline table of gene names, see `genes.read_gene_table`.
    symbol_case
        ``organism`` writes symbols as those of the organism are written (``GAPDH`` of human, ``Gapdh`` of mouse).
    duplicates
        Whether genes that the file names twice are refused or summed.
    drop_empty
        Leave cells without counts out instead of refusing them.
    drop_unlabelled
        Leave cells without a cell type out instead of refusing them.
    where
        Columns of obs, and the values that a cell must have there to be taken.
    min_genes, min_cells
        Leave out cells with fewer genes, then genes in fewer cells.
    recover
        How the counts were scaled, if they are to be recovered from scaled values.
    max_n_cells
        Largest number of cells that will be drawn; the atlas must have as many.
    """

    tissue: str
    path: Path | None = None
    counts: str = "auto"
    cell_type: str | None = "cell_type"
    donor: str | None = None
    batch: str | None = None
    assay: str | None = None
    gene_id: str | None = None
    symbol: str | None = None
    organism: str = "human"
    gene_table: Path | None = None
    symbol_case: Literal["given", "organism"] = "given"
    duplicates: Literal["refuse", "sum"] = "refuse"
    drop_empty: bool = False
    drop_unlabelled: bool = False
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    min_genes: int = 0
    min_cells: int = 0
    recover: Literal["log1p_cp10k"] | None = None
    max_n_cells: int | None = None

    @property
    def place(self) -> str:
        """Where errors point to."""
        return str(self.path) if self.path is not None else f"atlas {self.tissue!r}"

    @property
    def entry(self) -> str:
        """The catalog's entry, for remedies."""
        return f"atlas {self.tissue!r} in the catalog"
