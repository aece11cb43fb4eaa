from __future__ import annotations

from scfm_assets.tables.columns import Table, number
from scfm_assets.tables.lineage import LATEST, LINEAGE_TABLES
from scfm_assets.tables.page import tables_page
from scfm_assets.tables.platform import TABLES


def test_every_table_and_column_stands_on_the_page_with_its_meaning() -> None:
    page = tables_page()
    for table in (*TABLES.values(), *LINEAGE_TABLES, LATEST):
        _, _, rest = page.partition(f"\n### {table.name}\n")
        section = rest.partition("\n#")[0]
        assert table.doc in section
        assert [f"`{name}`" for name in table.key if f"`{name}`" not in section] == []
        for column in table.columns:
            null = "yes" if column.nullable else ""
            assert f"| `{column.name}` | {column.type} | {null} | {column.doc} |" in section


def test_bars_of_a_condition_do_not_end_a_cell() -> None:
    table = Table("t", "One row: nothing.", (number("x", "A number.", check="x || y"),))
    row = next(line for line in tables_page({"Any": (table,)}).splitlines() if line.startswith("| `x`"))
    assert row.endswith(r"| `isfinite(x) and x \|\| y` |")
