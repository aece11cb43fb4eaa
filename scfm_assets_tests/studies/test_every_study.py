"""What every study must do, whichever it is: those of this package, and what other packages offer."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from anndata import AnnData
from matplotlib import pyplot as plt

from scfm_assets.core.statistics import POWER, hypothesis_tests
from scfm_assets.figures.files import to_svg
from scfm_assets.studies import discover, inputs
from scfm_assets.studies.docs_page import study_page
from scfm_assets.studies.kept import Kept
from scfm_assets.studies.study import Study, StudyVerdict
from scfm_assets.tables.columns import Table
from scfm_assets.tables.schema import check_table

STUDIES = discover()
MAY_IMPORT = ("core", "tables", "figures", "errors")
HEAVY = ("numpy", "scipy", "pandas", "pyarrow", "torch", "matplotlib", "anndata", "duckdb", "dagster")

every_study = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)


@cache
def small_atlas() -> AnnData:
    """Simulated cells, as an atlas of the platform holds them."""
    from scfm_assets_tests.core.simulate.small_simulations import world_donor

    donor = world_donor(300)
    obs = pd.DataFrame({"cell_type": donor.cell_type}, index=[f"cell{i}" for i in range(len(donor.cell_type))])
    return AnnData(donor.counts, obs=obs, var=pd.DataFrame(index=donor.genes))


SMALL_INPUTS: dict[inputs.Input, Any] = {
    inputs.ATLAS: lambda: {"sim_one": small_atlas()},
    inputs.WORKERS: lambda: 1,
}
"""What stands in for the platform: steps that read anything else are met in runs of the platform."""


def can_be_made(study: Study, table: str) -> bool:
    step = next(step for step in study.steps if step.table.name == table)
    return step.per == "whole" and all(
        can_be_made(study, read.name) if isinstance(read, Table) else read in SMALL_INPUTS for read in step.reads
    )


@cache
def made(name: str, time: int) -> dict[str, pa.Table]:
    """Tables of a study on tiny settings; `time` tells one making from another."""
    study, tables = STUDIES[name], {}
    for step in study.steps:
        if can_be_made(study, step.table.name):
            read = [tables[r.name] if isinstance(r, Table) else SMALL_INPUTS[r]() for r in step.reads]
            tables[step.table.name] = study.resolve(step.function)(study.settings.tiny(), *read)
    return tables


def adjusted(study: Study, tables: dict[str, pa.Table]) -> pa.Table:
    return hypothesis_tests.tests_table(study.resolve(study.tests)(tables)).drop_columns("q_global")


def controlled(study: Study, control: str) -> tuple[dict[str, pa.Table], pa.Table, StudyVerdict]:
    tables = study.resolve(control)()
    tests = adjusted(study, tables)
    return tables, tests, study.resolve(study.verdict)(tables, tests)


@every_study
def test_every_name_of_a_function_leads_to_one(study: Study) -> None:
    named = [study.tests, study.verdict, study.figures, study.controls.positive, study.controls.negative]
    for function in (*named, *(step.function for step in study.steps)):
        assert callable(study.resolve(function)), function
    assert study.title
    assert study.question.endswith("?")


@every_study
def test_defaults_are_within_their_bounds_and_every_setting_is_described(study: Study) -> None:
    default = study.settings()
    assert study.settings.model_validate(default.model_dump()) == default
    assert study.settings.model_validate(study.settings.tiny().model_dump()) == study.settings.tiny()
    for name, setting in study.settings.model_fields.items():
        assert not setting.is_required(), name
        assert setting.description, name


@every_study
def test_steps_give_rows_of_their_tables_twice_the_same(study: Study) -> None:
    first, again = made(study.name, 1), made(study.name, 2)
    for name, rows in first.items():
        assert rows.equals(again[name]), name
        assert rows.num_rows, name
        stored = rows.append_column("simulated", pa.array([True] * rows.num_rows))
        assert check_table(study.tables[name].name, stored).num_rows == rows.num_rows


@every_study
def test_families_that_are_tested_are_those_that_are_declared(study: Study) -> None:
    tables, tests, _ = controlled(study, study.controls.positive)
    assert set(tests["family"].to_pylist()) == set(study.families)
    assert set(tests["study"].to_pylist()) == {study.name}
    if made(study.name, 1).keys() == study.tables.keys():
        assert set(adjusted(study, made(study.name, 1))["family"].to_pylist()) == set(study.families)
    assert set(tables) == set(study.tables)


@every_study
def test_a_planted_effect_is_found_and_its_absence_is_not_taken_for_one(study: Study) -> None:
    assert controlled(study, study.controls.positive)[2].answer == "yes"
    assert controlled(study, study.controls.negative)[2].answer != "yes"


@every_study
def test_a_null_result_has_power_or_says_that_it_has_none(study: Study) -> None:
    for control in (study.controls.positive, study.controls.negative):
        rows = controlled(study, control)[1].to_pylist()
        assert rows
        for row in rows:
            assert row["verdict"] != "not supported" or row["power"] >= POWER, row
            assert row["effect"] is None or row["effect_of"], row  # effects of two kinds are not comparable
            assert row["verdict"] == "underpowered" or row["p"] is not None, row


@every_study
def test_at_least_two_figures_are_drawn(study: Study) -> None:
    figures = study.resolve(study.figures)(controlled(study, study.controls.positive)[0])
    assert len(figures) >= 2
    for name, figure in figures.items():
        assert to_svg(figure, name).startswith("<svg"), name
        plt.close(figure)


def imported(study: Study) -> set[str]:
    names = set()
    for file in study.folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
    return names


@every_study
def test_a_study_knows_no_other_and_nothing_of_the_platform(study: Study) -> None:
    for name in imported(study):
        if name.startswith(study.package) or not name.startswith("scfm_assets"):
            continue
        package, room, *below = name.split(".")
        assert package == "scfm_assets", name
        assert room in MAY_IMPORT or (room == "studies" and below[0] not in STUDIES), name
        assert room != "core" or len(below) == 2, f"{name}: what a room of core offers stands in its __init__"


@every_study
def test_its_record_is_light_to_load(study: Study) -> None:
    heavy = f"[m for m in {HEAVY} if m in sys.modules]"
    code = f"import sys, {study.package}; print({heavy})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@every_study
def test_its_page_of_the_docs_says_what_it_asks_and_what_may_be_set(study: Study) -> None:
    page = study_page(study)
    assert page.startswith(f"# {study.title}\n")
    assert study.question in page
    for words in (*study.settings.model_fields, *study.families, *(table.name for table in study.tables.values())):
        assert f"`{words}`" in page, words
    assert len((study.folder / "page.md").read_text().split()) > 20


def test_names_and_order_are_those_of_the_folders() -> None:
    own = [name for name, study in STUDIES.items() if study.package.startswith("scfm_assets.studies.")]
    assert own == sorted(own)
    assert own
    assert all(study.folder.name == name for name, study in STUDIES.items())


def test_finished_parts_are_taken_and_not_made_again(tmp_path) -> None:
    made_parts = []

    def make(part: int) -> list[dict[str, float]]:
        made_parts.append(part)
        return [{"value": 0.1 + part}]

    for kept in (Kept(tmp_path), Kept(tmp_path)):
        assert [kept.rows([part], lambda part=part: make(part)) for part in (1, 2)] == [
            [{"value": 1.1}], [{"value": 2.1}],
        ]  # fmt: skip
    assert made_parts == [1, 2]
    assert Kept().rows([1], lambda: make(3)) == [{"value": 3.1}]
    assert made_parts == [1, 2, 3]
