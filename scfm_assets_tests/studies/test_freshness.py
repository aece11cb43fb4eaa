"""What makes the outputs of a study stale: its code, its defaults, simulators and tables; and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scfm_assets import catalog as catalogs
from scfm_assets.defs import assemble
from scfm_assets.engine.platform import Platform
from scfm_assets.resources.store import Store
from scfm_assets.studies import discover, freshness
from scfm_assets_tests.studies.fixture_studies import loaded, make, scaffolded, stale, with_study

STEPS = ("made_up/scores", "made_up/hypotheses", "made_up/verdict", "made_up/page")


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    file = tmp_path / "mine.yaml"
    file.write_text("atlases: {sim: {simulated: true}}\nsimulation: {}\nexperiment: {n_cells: [10]}\n")
    return assemble.platform(catalogs.load(file))


@pytest.fixture
def made(tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Store]:
    """A study whose outputs are all stored, and another one that it must not be mixed up with."""
    core = tmp_path / "core"
    for room in ("simulate", "statistics", "metrics"):
        shutil.copytree(freshness.CORE / room, core / room)
    monkeypatch.setattr(freshness, "CORE", core)
    folder, store = scaffolded(tmp_path), Store(tmp_path / "home")
    edit(
        folder / "scores.py",
        "import numpy as np\n",
        "import numpy as np\nfrom scfm_assets.core.simulate import LINEAR\n",
    )
    edit(folder / "scores.py", "SEED = 0", "SEED = 0\nSIMULATOR = LINEAR")
    with loaded(folder) as study:
        whole = with_study(platform, study)
        for asset in STEPS:
            make(whole, store, asset)
        assert stale(whole, store) == set()
    return folder, store


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1, (file, before)
    file.write_text(text.replace(before, after))


def stale_after(platform: Platform, folder: Path, store: Store) -> set[str]:
    with loaded(folder) as study:
        return stale(with_study(platform, study), store)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("scores.py", "SEED = 0", "SEED = 1"),
        ("verdict.py", "SMALLEST = 0.5", "SMALLEST = 0.6"),
        ("settings.py", "ge=2)] = 40", "ge=2)] = 50"),
        ("tables.py", "nullable=False", "nullable=True"),
    ],
)
def test_a_changed_constant_default_or_table_makes_all_outputs_stale(
    made: tuple[Path, Store], platform: Platform, file: str, before: str, after: str
) -> None:
    folder, store = made
    others = {name: freshness.code_of_tables(study) for name, study in discover().items()}
    edit(folder / file, before, after)
    found = stale_after(platform, folder, store)
    # A default decides the steps; what is made of their rows waits for other rows.
    assert found >= ({STEPS[0]} if file == "settings.py" else set(STEPS[:3]))
    assert found <= set(STEPS)
    assert {name: freshness.code_of_tables(study) for name, study in discover().items()} == others


def test_a_changed_default_is_told_as_settings_and_changed_code_as_code(
    made: tuple[Path, Store], platform: Platform
) -> None:
    folder, store = made
    from scfm_assets.engine.housekeeping import status

    edit(folder / "scores.py", "SEED = 0", "SEED = 1")
    with loaded(folder) as study:
        (scores,) = [one for one in status(with_study(platform, study), store) if one.asset == STEPS[0]]
    assert scores.standings[0].why.startswith("code: ")


def test_a_changed_simulator_makes_outputs_stale_and_a_room_that_is_not_imported_does_not(
    made: tuple[Path, Store], platform: Platform
) -> None:
    folder, store = made
    metrics = freshness.CORE / "metrics" / "__init__.py"
    metrics.write_text(metrics.read_text() + "\nFURTHER = 1\n")
    assert stale_after(platform, folder, store) == set()
    linear = freshness.CORE / "simulate" / "linear.py"
    linear.write_text(linear.read_text() + "\nFURTHER = 1\n")
    assert stale_after(platform, folder, store) == set(STEPS[:3])


def test_changed_comments_docstrings_and_words_of_the_page_change_nothing(
    made: tuple[Path, Store], platform: Platform
) -> None:
    folder, store = made
    edit(folder / "scores.py", "SEED = 0", "SEED = 0  # decides the samples")
    edit(folder / "verdict.py", '"""Smallest effect of interest."""', '"""The smallest effect that matters."""')
    (folder / "page.md").write_text("Other words.")
    assert stale_after(platform, folder, store) == set()


def test_a_changed_figure_makes_the_page_anew_and_no_number(made: tuple[Path, Store], platform: Platform) -> None:
    folder, store = made
    edit(folder / "figures.py", "What is measured", "What was measured")
    assert stale_after(platform, folder, store) == {"made_up/page"}
