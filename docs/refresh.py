"""Bring the README up to date with the last run of the demo: its queries, their answers, its table and its picture."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from scfm_assets.figures import plots
from scfm_assets.home import home
from scfm_assets.tables.platform import METRICS
from scfm_assets.warehouse.publish import query
from scfm_assets.warehouse.query import NAME

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
QUESTION = re.compile(r"(\((data/sql/\w+\.sql)\).*?\n```sql\n).*?(```\n\n</details>\n\n```text\n).*?(```\n)", re.DOTALL)
COLUMNS = re.compile(r"(<!-- metrics: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def answered(found: re.Match[str]) -> str:
    """Write a query and its answer into their blocks."""
    before, path, between, end = found.groups()
    sql = (ROOT / path).read_text(encoding="utf-8")
    return f"{before}{sql}{between}{query(home(), sql)}\n{end}"


def columns() -> str:
    """Write the columns of the table `metrics` with their meaning."""
    rows = [f"| `{column.name}` | {column.doc} |" for column in METRICS.columns]
    return "\n".join(["", "| column | meaning |", "|---|---|", *rows, "", ""])


def picture(path: Path, tissue: str = "sim_lung") -> None:
    """Draw the scaling curve of the published method and of the baselines."""
    with duckdb.connect(str(home() / NAME), read_only=True) as con:
        metrics = con.sql("from metrics_latest where method <> 'attention_lift'").to_arrow_table()
        curves = con.sql("from scaling_curves_latest where method <> 'attention_lift'").to_arrow_table()
    path.write_bytes(plots.to_png(plots.scaling_curve(metrics, curves, tissue), 200_000))


def main() -> None:
    """Rewrite the README and the picture."""
    text = QUESTION.sub(answered, README.read_text(encoding="utf-8"))
    text = COLUMNS.sub(lambda found: f"{found[1]}{columns()}{found[2]}", text)
    README.write_text(text, encoding="utf-8")
    picture(ROOT / "docs" / "scaling_curve.png")


if __name__ == "__main__":
    main()
