"""What the site takes from the code, as hooks of MkDocs: whole pages, and fragments where a page has a marker.

A marker is a comment of its own line, ``<!-- name: argument -->``; see `FRAGMENTS`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

from scfm_assets import catalog as catalogs
from scfm_assets.defs.assemble import platform
from scfm_assets.home import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "docs" / "answers.json"
"""Query -> the lines of its answer in the demo; `docs/refresh.py` writes it."""
MARKER = re.compile(r"^<!-- (\w+)(?:: (.*?))? -->$", re.MULTILINE)


# Whole pages --------------------------------------------------------------------------------------------------------


@cache
def pages() -> dict[str, str]:
    """Page below docs/ -> its text."""
    return {**_api_pages(), **_table_page(), **_study_pages()}


def _api_pages() -> dict[str, str]:
    """A page for every room of core, with what the room offers."""
    rooms = {room: import_module(f"scfm_assets.core.{room}") for room in _rooms()}
    listed = "\n".join(f"- [`core.{name}`]({name}.md): {_first_line(room)}" for name, room in rooms.items())
    intro = (
        "# Python\n\nThe science, callable from a notebook: functions of arrays and tables that know nothing of "
        "Dagster.\nImport from the room, as in `from scfm_assets.core.attention import stream`.\n\n"
    )
    return {
        "reference/api/index.md": f"{intro}{listed}\n",
        **{
            f"reference/api/{name}.md": f"# core.{name}\n\n::: scfm_assets.core.{name}\n    options:\n"
            f"      members: {json.dumps(sorted(room.__all__))}\n"
            for name, room in rooms.items()
        },
    }


def _rooms() -> list[str]:
    return sorted(folder.parent.name for folder in (PACKAGE / "core").glob("*/__init__.py"))


def _first_line(documented: Any) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]


def _table_page() -> dict[str, str]:
    from scfm_assets.studies import discover
    from scfm_assets.tables.page import tables_page

    discover()  # registers the tables of the studies
    return {"reference/tables.md": tables_page()}


def _study_pages() -> dict[str, str]:
    from scfm_assets.studies import discover
    from scfm_assets.studies.docs_page import study_page

    return {f"studies/{name}.md": study_page(study) for name, study in discover().items()}


# Fragments ----------------------------------------------------------------------------------------------------------


def _question(query: str) -> str:
    """A query of the package in a fold, and its answer in the demo."""
    file = PACKAGE / "sql" / f"{query}.sql"
    sql = "\n".join(f"    {line}".rstrip() for line in file.read_text(encoding="utf-8").splitlines())
    answer = "\n".join(json.loads(ANSWERS.read_text(encoding="utf-8"))[query])
    return f'??? note "scfm_assets/sql/{file.name}"\n\n    ```sql\n{sql}\n    ```\n\n```text\n{answer}\n```\n'


def _file(path: str) -> str:
    """A file of the repository, as a block of code."""
    file = ROOT / path
    language = {".py": "python", ".yaml": "yaml"}[file.suffix]
    return f"```{language}\n{file.read_text(encoding='utf-8')}```\n"


def _studies(_: str | None) -> str:
    """All studies with their questions."""
    from scfm_assets.studies import discover

    listed = (f"- [{study.title}]({name}.md): {study.question}" for name, study in discover().items())
    return "\n".join(listed) + "\n"


def _assets(catalog: str) -> str:
    """The graph of a catalog's assets, without those that are made on request."""
    return f'<div class="assets">{draw(asset_graph(catalog))}</div>\n'


FRAGMENTS = {"assets": _assets, "file": _file, "question": _question, "studies": _studies}
"""Name of a marker -> what takes its place."""


def filled(markdown: str) -> str:
    """A page with its markers replaced; comments that are no markers stay."""
    return MARKER.sub(lambda m: FRAGMENTS[m[1]](m[2]) if m[1] in FRAGMENTS else m[0], markdown)


# The graph of assets ------------------------------------------------------------------------------------------------


def asset_graph(catalog: str) -> dict[str, set[str]]:
    """Asset -> assets and sources that it is made of; models and networks are one each.

    What follows from other arrows is left out.
    """
    import networkx as nx

    declared = platform(catalogs.load(catalog))
    graph = nx.DiGraph()
    for node in declared.nodes.values():
        if not node.on_request:
            graph.add_node(_anyone(node.asset))
            above = (*(read.asset for read in node.reads.values()), *node.watches)
            asked = (asset for asset in above if asset not in declared.nodes or not declared.nodes[asset].on_request)
            graph.add_edges_from((_anyone(asset), _anyone(node.asset)) for asset in asked)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    reduced = nx.transitive_reduction(graph)
    return {asset: set(reduced.predecessors(asset)) for asset in nx.lexicographical_topological_sort(graph)}


def _anyone(asset: str) -> str:
    """Any model's or network's name for that of each."""
    return re.sub(r"^networks/[^/]+?(_source)?$", r"networks/…\1", re.sub(r"^models/[^/]+", "models/…", asset))


WIDTH, HEIGHT, GAP_X, GAP_Y = 238, 30, 12, 34
STYLE = (
    "font:12px monospace;max-width:100%;height:auto;fill:none;stroke:currentColor",
    "fill:currentColor;stroke:none;text-anchor:middle",
)


def draw(parents: Mapping[str, Iterable[str]]) -> str:
    """Draw assets in rows, top to bottom, each as near below what it is made of as its row allows: an SVG."""
    level: dict[str, int] = {}
    for asset, above in parents.items():
        level[asset] = 1 + max((level[parent] for parent in above), default=-1)
    rows = [[asset for asset in parents if level[asset] == depth] for depth in range(1 + max(level.values()))]
    widest = max(map(len, rows)) * (WIDTH + GAP_X)
    center: dict[str, float] = {}
    for row in rows:
        row.sort(key=lambda asset: _mean([center[parent] for parent in parents[asset]], widest / 2))
        left = (widest - len(row) * (WIDTH + GAP_X)) / 2
        center.update({asset: left + (i + 0.5) * (WIDTH + GAP_X) for i, asset in enumerate(row)})
    top = {asset: 2 + level[asset] * (HEIGHT + GAP_Y) for asset in parents}
    lines = "".join(
        _arrow((center[parent], top[parent] + HEIGHT), (center[asset], top[asset]))
        for asset, above in parents.items()
        for parent in sorted(above)
    )
    boxes = "".join(_box(asset, center[asset], top[asset], source=not above) for asset, above in parents.items())
    size = f"0 0 {widest:.0f} {len(rows) * (HEIGHT + GAP_Y):.0f}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" style="{STYLE[0]}">{lines}{boxes}</svg>'


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    bend = (y1 - y0) / 2
    path = f"M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
    return f'<path d="{path}" opacity=".45"/><circle cx="{x1:.0f}" cy="{y1:.0f}" r="2.5" fill="currentColor"/>'


def _box(asset: str, center: float, top: float, *, source: bool) -> str:
    corner = HEIGHT / 2 if source else 3
    place = f'x="{center - WIDTH / 2:.0f}" y="{top:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="{corner:.0f}"'
    label = f'<text x="{center:.0f}" y="{top + HEIGHT / 2 + 4:.0f}" style="{STYLE[1]}">{asset}</text>'
    return f'<rect {place} style="fill:var(--md-default-bg-color,white)"/>{label}'


# Hooks --------------------------------------------------------------------------------------------------------------


def on_config(config: MkDocsConfig) -> None:
    """Add the generated pages to the navigation, below the heading whose index they follow."""
    generated = sorted(pages())
    _extend(config.nav or [], generated)


def _extend(entries: list[Any], generated: list[str]) -> None:
    for entry in list(entries):
        if isinstance(entry, dict):
            for below in entry.values():
                if isinstance(below, list):
                    _extend(below, generated)
        elif entry.endswith("/index.md"):
            folder = entry.removesuffix("index.md")
            entries.extend(page for page in generated if page.startswith(folder) and page != entry)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages to the site."""
    for page, text in pages().items():
        files.append(File.generated(config, page, content=text))


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill the markers of a page."""
    return filled(markdown)
