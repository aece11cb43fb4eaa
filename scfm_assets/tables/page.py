"""The reference page of all tables, written from their declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.tables.columns import MATERIALIZATION
from scfm_assets.tables.lineage import LATEST, LINEAGE_TABLES
from scfm_assets.tables.platform import SUBJECTS, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scfm_assets.tables.columns import Column, Table

BEFORE = f"""# Tables

Every table of `scfm.duckdb`: what a row is, its columns, and the key that tells one row from every other. The same
sentences stand in the database, as comments that any DuckDB client shows. Tables of results have a twin,
`<name>_latest`, with the rows that hold now, and one more column, `{MATERIALIZATION.name}`: {MATERIALIZATION.doc}
"""
HEADER = ("| column | type | NULL | meaning | allowed |", "|---|---|---|---|---|")


def tables_page(subjects: Mapping[str, Sequence[Table]] | None = None) -> str:
    """Write the page as Markdown.

    Parameters
    ----------
    subjects
        Heading -> its tables; all tables of the warehouse if None, with those of the studies that are registered.
    """
    if subjects is None:
        shared = {table.name for tables in SUBJECTS.values() for table in tables}
        of_studies = tuple(table for name, table in TABLES.items() if name not in shared)
        subjects = {**SUBJECTS, "Of one study": of_studies, "Lineage": (*LINEAGE_TABLES, LATEST)}
    return "\n".join([BEFORE, *(line for item in subjects.items() for line in _subject(*item))])


def _subject(heading: str, tables: Sequence[Table]) -> Iterator[str]:
    yield from (f"## {heading}", "")
    for table in tables:
        yield from (f"### {table.name}", "", table.doc)
        if table.key:
            yield f"Key: {', '.join(f'`{name}`' for name in table.key)}."
        yield from ("", *HEADER, *map(_row, table.columns), "")


def _row(column: Column) -> str:
    allowed = f"`{column.check.replace(chr(34), '')}`" if column.check else ""
    cells = (f"`{column.name}`", column.type, "yes" if column.nullable else "", column.doc, allowed)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
