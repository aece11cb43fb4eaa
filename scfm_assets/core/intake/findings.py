"""One line on an atlas, by stated thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets.core.genes import ORGANISMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.intake.coverage import ModelCoverage
    from scfm_assets.errors import ScfmError

FEW_GENES = 1000
"""An atlas of fewer genes fills no gene panel of the default size."""
FEW_IN_CELL = 100
"""A median cell of fewer genes is less than a twentieth of what a model of 2,048 tokens is made for."""
DEFAULT_ORGANISM = "human"
"""What an atlas of the catalog is of if it does not say."""


@dataclass(frozen=True)
class AtlasFacts:
    """The numbers that a finding rests on.

    Attributes
    ----------
    n_cells, n_genes
        Of what would be taken, or of the file if nothing would be.
    genes_in_cell
        Genes of the median cell, None if it has no counts.
    cell_types, donors
        Different labels, None if none are declared.
    organism
        Declared or guessed.
    coverages
        What each model knows.
    looks_like
        The organism that genes and labels tell of, None if nothing tells.
    """

    n_cells: int
    n_genes: int
    genes_in_cell: float | None
    cell_types: int | None
    donors: int | None
    organism: str
    coverages: tuple[ModelCoverage, ...] = ()
    looks_like: str | None = None

    @property
    def few_genes(self) -> bool:
        """Whether there are too few genes for a model."""
        return self.n_genes < FEW_GENES or (self.genes_in_cell is not None and self.genes_in_cell < FEW_IN_CELL)

    @property
    def known_to_none(self) -> bool:
        """Whether there are models, and none knows a gene."""
        return bool(self.coverages) and not any(coverage.n_known for coverage in self.coverages)


@dataclass(frozen=True)
class Finding:
    """What is to be thought of an atlas.

    Attributes
    ----------
    kind
        ``usable``, or what is to be known before, joined by commas: ``refused``, the name of an organism other than
        the catalog's default, ``few genes``, ``unlabelled``, ``unknown to all models``; ``not readable``.
    words
        One line.
    code
        Exit code: 0 usable as declared or guessed, 1 something would be refused, 2 not readable at all.
    """

    kind: str
    words: str
    code: int


def finding_on(facts: AtlasFacts, refusals: Sequence[ScfmError], *, guessed: bool = False) -> Finding:
    """Judge an atlas by its facts and by what would be refused."""
    kinds, words = [], []
    for first in refusals[:1]:
        kinds.append("refused")
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        words.append(f"refused: {first.problem}{more}")
    expected, organism = DEFAULT_ORGANISM if guessed else facts.organism, facts.looks_like or facts.organism
    if organism != expected and expected in ORGANISMS:
        kinds.append(organism)
        words.append(f"{organism}, not {expected}: it needs models and networks of {organism}")
    if facts.few_genes:
        kinds.append("few genes")
        in_cell = "" if facts.genes_in_cell is None else f", {facts.genes_in_cell:,.0f} in the median cell"
        words.append(f"few genes for a model: {facts.n_genes:,}{in_cell} (from {FEW_GENES:,} and {FEW_IN_CELL} on)")
    if facts.cell_types is None:
        kinds.append("unlabelled")
        words.append("unlabelled: cells are drawn without regard to their types")
    if facts.known_to_none:
        kinds.append("unknown to all models")
        words.append("no model of the catalog knows any of its genes")
    if not refusals:
        types = "" if facts.cell_types is None else f", {facts.cell_types:,} cell types"
        how = "as guessed" if guessed else "as declared"
        words.append(f"the atlas can be used {how}: {facts.n_cells:,} cells x {facts.n_genes:,} genes{types}")
    return Finding(", ".join(kinds) or "usable", "; ".join(words), int(bool(refusals) or facts.known_to_none))


def unreadable(error: ScfmError) -> Finding:
    """Judge a file that cannot be read at all."""
    return Finding("not readable", f"not readable: {error.problem}", 2)
