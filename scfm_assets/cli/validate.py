"""`scfm validate`: what is in an atlas's file, what would be put right, what would be refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scfm_assets.cli.options import catalog_option, choose
from scfm_assets.errors import ScfmError
from scfm_assets.warehouse.text_table import text_table

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.intake import AtlasFacts, Finding

    Genes = tuple[dict[str, Vocabulary], dict[str, str]]


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@catalog_option
@click.option("--tissue", help="Read the files as this atlas of the catalog is declared.  [default: a guess]")
@click.option("--organism", metavar="NAME", help="Read them as of this organism.  [default: a guess]")
def validate(files: tuple[Path, ...], catalog: str | None, tissue: str | None, organism: str | None) -> None:
    """Inspect atlases: FILE.h5ad, .zarr, 10x .h5, a folder with matrix.mtx, .loom.

    Says what is in each: matrices, scale, integers, library sizes, columns, gene ids, coverage of each model of the
    catalog, cell types, donors; what would be put right and what would be refused; and the entry for a catalog.

    Ends with 0 if every file can be used as it is declared or guessed, with 1 if something would be refused or no
    model knows a gene, and with 2 if a file cannot be read at all.
    """
    chosen = choose(catalog)
    genes = _vocabularies(chosen)
    rows: list[tuple[str, Finding, AtlasFacts | None]] = []
    for file in files:
        finding, facts = _inspected(chosen, file, tissue, organism, genes)
        rows.append((file.name, finding, facts))
    if len(rows) > 1:
        click.echo("\n".join(_table(rows)))
    sys.exit(max(finding.code for _, finding, _ in rows))


def _inspected(
    catalog: Catalog, file: Path, tissue: str | None, organism: str | None, genes: Genes
) -> tuple[Finding, AtlasFacts | None]:
    """Inspect one file and print what was found."""
    from scfm_assets.core.intake import inspect_file, unreadable
    from scfm_assets.inputs import sources

    if tissue is not None and tissue not in catalog.atlases:
        sources.inspection_spec(catalog, file, tissue)  # which raises: this is about the option and not the file
    try:
        spec = sources.inspection_spec(catalog, file, tissue, organism)
        inspection = inspect_file(file, spec, genes[0], absent=genes[1], guessed=tissue is None)
    except ScfmError as error:
        click.secho(str(error), fg="red", err=True)
        return unreadable(error), None
    click.echo(inspection.text())
    return inspection.finding, inspection.facts


def _vocabularies(catalog: Catalog) -> Genes:
    """Genes of the catalog's models; controls are left out, whose genes are those of another model."""
    from scfm_assets.inputs import checkpoints

    models = {name: model for name, model in catalog.models.items() if model.control is None}
    vocabularies, missing = checkpoints.vocabularies(catalog.model_copy(update={"models": models}))
    absent = {model: f"{error.place}: {error.problem}" for model, error in missing.items()}
    controls = [name for name in catalog.models if name not in models]
    return dict(vocabularies), absent | dict.fromkeys(controls, "a control, whose genes are those of what it controls")


def _table(rows: list[tuple[str, Finding, AtlasFacts | None]]) -> list[str]:
    """Set the findings beside each other, and below them why something is refused."""
    head = ("file", "verdict", "organism", "cells", "genes", "per cell", "types", "donors", "known")
    cells = [(name, finding.kind, *_numbers(facts)) for name, finding, facts in rows]
    lines = text_table(head, cells, right=range(3, len(head)), ruled=True)
    lines.append("per cell: genes of the median cell. known: share of the counts that models of the catalog know.")
    return lines + [f"{name}: {finding.words}" for name, finding, _ in rows if finding.code]


def _numbers(facts: AtlasFacts | None) -> tuple[str, ...]:
    if facts is None:
        return ("",) * 7
    known = [coverage.counts for coverage in facts.coverages if coverage.of_other is None]
    return (
        facts.looks_like or facts.organism,
        f"{facts.n_cells:,}",
        f"{facts.n_genes:,}",
        "-" if facts.genes_in_cell is None else f"{facts.genes_in_cell:,.0f}",
        *("-" if n is None else f"{n:,}" for n in (facts.cell_types, facts.donors)),
        "-".join(dict.fromkeys(f"{share:.0%}" for share in (min(known), max(known)))) if known else "-",
    )
