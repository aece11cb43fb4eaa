"""What code the numbers of a study stand on: its folder, the rooms of core that it imports, and its tables."""

from __future__ import annotations

import ast
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import scfm_assets.core
from scfm_assets.core.base import digest_code, digest_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.studies.study import Study

CORE = Path(next(iter(scfm_assets.core.__path__)))
NO_NUMBERS = ("__init__.py", "figures.py", "controls.py")
"""Files of a study that decide no row: what of `__init__` does is digested as the record says it."""


def code_of_tables(study: Study) -> str:
    """Digest the code that the rows of a study stand on; comments, docstrings and the columns' sentences aside.

    Rooms of core are those that the folder's files import, each whole; what those rooms import themselves is left out:
    to follow it would make nearly all of core the code of every study.
    """
    files = [file for file in sorted(study.folder.rglob("*.py")) if file.name not in NO_NUMBERS]
    rooms = {room for file in files for room in _rooms(file, file.stat().st_mtime_ns)}
    tables = [
        [table.key, [{**asdict(column), "doc": ""} for column in table.columns]] for table in study.tables.values()
    ]
    steps = [[step.table.name, step.function, step.per] for step in study.steps]
    parts = [digest_code(files), digest_code(CORE / room for room in rooms), tables, steps, study.tests, study.verdict]
    return f"{study.version}.{digest_json(parts)}"


def code_of_page(study: Study, *more: Path) -> str:
    """Digest what the page of a study stands on: the whole folder, and further files or folders that draw it."""
    return f"{study.version}.{digest_json([digest_code([study.folder, *more]), study.title, study.question])}"


@cache
def _rooms(file: Path, _mtime_ns: int) -> frozenset[str]:
    """Name the rooms of core that a file imports, whenever that happens."""
    return frozenset(name.split(".")[2] for name in _imported(file) if name.startswith("scfm_assets.core."))


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
