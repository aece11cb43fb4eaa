"""Renew what the docs quote of a run of the demo: answers.json, the answer in the README, the picture.

Run it after `scfm run`: it reads the tables below ``SCFM_HOME``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb

from scfm_assets.figures import plots
from scfm_assets.figures.files import to_png
from scfm_assets.home import PACKAGE, home
from scfm_assets.warehouse.publish import query
from scfm_assets.warehouse.query import NAME

ROOT = Path(__file__).resolve().parent.parent
QUOTED = re.compile(r"(<!-- answer: (\w+) -->\n\n```text\n).*?(```\n)", re.DOTALL)


def answers() -> dict[str, list[str]]:
    """Query -> the lines of its answer."""
    files = sorted((PACKAGE / "sql").glob("*.sql"))
    return {file.stem: query(home(), file.read_text(encoding="utf-8")).splitlines() for file in files}


def picture(path: Path, tissue: str = "sim_lung") -> None:
    """Draw the scaling curve of the published method and of the baselines."""
    with duckdb.connect(str(home() / NAME), read_only=True) as con:
        metrics = con.sql("from metrics_latest where method <> 'attention_lift'").to_arrow_table()
        curves = con.sql("from scaling_curves_latest where method <> 'attention_lift'").to_arrow_table()
    path.write_bytes(to_png(plots.scaling_curve(metrics, curves, tissue), 200_000))


def main() -> None:
    """Rewrite the answers, the README's one and the picture."""
    lines = answers()
    (ROOT / "docs" / "answers.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    text = QUOTED.sub(
        lambda m: "\n".join([m[1] + lines[m[2]][0], *lines[m[2]][1:], m[3]]), readme.read_text(encoding="utf-8")
    )
    readme.write_text(text, encoding="utf-8")
    picture(ROOT / "docs" / "scaling_curve.png")


if __name__ == "__main__":
    main()
