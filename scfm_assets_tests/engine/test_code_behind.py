"""What a digest of the code behind a function notices, and what it does not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scfm_assets.engine import code_behind
from scfm_assets.engine.code_behind import digest_of
from scfm_assets.engine.platform import Platform
from scfm_assets.tables.platform import TABLES
from scfm_assets_tests.platforms import TINY, open_home

ROOT = Path(code_behind.__file__).parents[2]
PANEL = ("- mean[chosen] ** 2", "- mean[chosen] ** 3")
SUMS = ("self.plain += other.plain", "self.plain += 2 * other.plain")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, read in its place."""
    shutil.copytree(ROOT / "scfm_assets", tmp_path / "scfm_assets", ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(code_behind, "ROOT", tmp_path)
    code_behind._file.cache_clear()
    yield tmp_path / "scfm_assets"
    code_behind._file.cache_clear()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def versions(tmp_path: Path) -> dict[str, str]:
    with open_home(tmp_path / "home", TINY) as home:
        platform: Platform = home.platform
    return {name: replace(node).code_version for name, node in platform.nodes.items()}  # nodes remember theirs


def test_a_constant_makes_stale_what_stands_on_it_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    before = versions(tmp_path)
    edit(checkout / "core" / "sampling" / "panel.py", *PANEL)
    after = versions(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"atlas/gene_panel"}


def test_comments_docstrings_and_moves_count_for_nothing(checkout: Path, tmp_path: Path) -> None:
    before = versions(tmp_path)
    panel = checkout / "core" / "sampling" / "panel.py"
    text = panel.read_text()
    panel.write_text('"""Other words."""\n# a comment\n\n\n' + text.partition('"""\n')[2])
    assert versions(tmp_path) == before
    # The module gets another name, and its room says so.
    panel.rename(panel.with_name("chosen.py"))
    door = checkout / "core" / "sampling" / "__init__.py"
    edit(door, "core.sampling.panel", "core.sampling.chosen")
    for file in (checkout / "core").rglob("*.py"):
        if "core.sampling.panel" in file.read_text():
            edit(file, "core.sampling.panel", "core.sampling.chosen")
    code_behind._file.cache_clear()
    assert versions(tmp_path) == before


def test_what_a_function_reaches_through_others_counts(checkout: Path) -> None:
    before = digest_of(["core.attention:attend"])
    edit(checkout / "core" / "attention" / "ranks.py", "def ", "def  ")
    assert digest_of(["core.attention:attend"]) == before
    edit(checkout / "core" / "attention" / "sums.py", *SUMS)
    assert digest_of(["core.attention:attend"]) != before


def test_columns_of_a_table_are_part_of_its_assets_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions(tmp_path)
    table = TABLES["gene_panel"]
    columns = (*table.columns[:-1], replace(table.columns[-1], doc="Other words."))
    monkeypatch.setitem(TABLES, "gene_panel", replace(table, columns=columns))
    assert versions(tmp_path) == before
    monkeypatch.setitem(TABLES, "gene_panel", replace(table, columns=table.columns[:-1]))
    after = versions(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"atlas/gene_panel"}
