"""Studies: made on request, kept up to date from then on, each ending in tests, a verdict and a part of the report."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import duckdb
import pytest
from statsmodels.stats.multitest import fdrcorrection

from scfm_assets.engine.declare import STUDY
from scfm_assets.engine.housekeeping import State, status
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place
from scfm_assets.studies import discover
from scfm_assets.warehouse.query import NAME
from scfm_assets_tests.platforms import SMALLEST, Home, atlas_file, open_home

FAST: dict[str, Any] = {
    **SMALLEST,
    "atlases": {"sim_one": {"simulated": True}},
    "experiment": {**SMALLEST["experiment"], "n_cells": [10, 20, 40]},
    "studies": {name: study.settings.tiny().model_dump(mode="json") for name, study in discover().items()},
}
FAST["studies"]["synthetic_truth"]["simulators"] = ["linear", "copula"]  # which reads an atlas


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The platform and its studies, run one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("studied")
        patch.setenv("SCFM_HOME", str(folder))
        with open_home(folder, deepcopy(FAST)) as home:
            assert home.run().success
            unasked = {status.asset for status in status(home.platform, home.store) if status.count(State.MISSING)}
            assert unasked == {name for name, node in home.platform.nodes.items() if node.on_request}
            outcome = home.run(select=f"tag:{STUDY}")
            assert outcome.success, outcome.failed
            yield home


def asked(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.folder / NAME), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_every_study_ends_in_a_verdict_that_is_a_check(studied: Home) -> None:
    """The check's words are the row's, and it fails only where the answer is a bad one."""
    rows = asked(studied, "select study, question, answer, sentence, holds from verdicts_latest order by study")
    assert [row[0] for row in rows] == sorted(discover())
    for study, question, answer, sentence, holds in rows:
        manifest = studied.store.manifest(f"{study}/verdict", Place())
        assert manifest is not None
        (check,) = manifest.checks
        assert check == ("verdict_holds", holds is not False, f"{answer}: {sentence}")
        assert studied.platform.nodes[f"{study}/verdict"].checks[0].doc == question


def test_tests_of_all_studies_are_adjusted_together(studied: Home) -> None:
    """Each hypothesis is one row; q_family by statsmodels, family by family, q_global by statsmodels over all."""
    named = "study, family, hypothesis, statistic, p"
    rows = asked(studied, f"select {named}, q_family, q_global from tests_latest order by all")
    assert [row[:5] for row in rows] == asked(studied, f"select {named} from hypotheses_latest order by all")
    tested = [row for row in rows if row[4] is not None]
    assert [row[6] for row in tested] == pytest.approx(fdrcorrection([row[4] for row in tested])[1])
    for family in {row[:2] for row in tested}:
        own = [row for row in tested if row[:2] == family]
        assert [row[5] for row in own] == pytest.approx(fdrcorrection([row[4] for row in own])[1])


def test_tables_are_stored_as_the_studies_declare_them(studied: Home) -> None:
    """With the columns that the platform adds, and simulated as all tissues here are."""
    for study in discover().values():
        for table in study.tables.values():
            with duckdb.connect(str(studied.folder / NAME), read_only=True) as con:
                stored = con.sql(f"select * from {table.name}_latest").to_arrow_table()
            declared = [column.name for column in table.columns]
            assert [column for column in stored.column_names if column in declared] == declared, table.name
            assert stored.num_rows
            assert set(stored["simulated"].to_pylist()) == {True}


def test_a_verdict_reads_the_tests_that_it_is_shown_beside(studied: Home) -> None:
    """The page's tests are the rows of `tests`, and the verdict is made of the same hypotheses."""
    for name in discover():
        verdict, page = (studied.platform.nodes[f"{name}/{what}"] for what in ("verdict", "page"))
        assert f"{name}/hypotheses" in {read.asset for read in verdict.reads.values()}
        assert {f"{name}/hypotheses", f"{name}/verdict"} <= {read.asset for read in page.reads.values()}
        part = (studied.folder / "report" / "index.html").read_text().split(f'id="study-{name}"')[1].split("<h2")[0]
        for hypothesis, word in asked(studied, f"select hypothesis, verdict from tests_latest where study = '{name}'"):
            row = next(row for row in part.split("<tr>") if hypothesis in row)
            assert f">{word}</span>" in row


def test_the_ui_shows_the_figures_of_the_page(studied: Home) -> None:
    for name in discover():
        shown = studied.store.shown(f"{name}/page", Place())
        assert len(shown) >= 2
        assert all(markdown.startswith("![figure](data:image/png;base64,") for markdown in shown.values())


def test_the_report_has_a_part_for_every_study(studied: Home) -> None:
    """Question, answer, at least two figures and the tests, as they stand in SQL."""
    page = (studied.folder / "report" / "index.html").read_text()
    for study, answer in asked(studied, "select study, answer from verdicts_latest"):
        _, part = page.split(f'id="study-{study}"')
        part = part.split("<h2")[0]
        assert part.count("<svg") >= 2
        assert f">{answer.capitalize()}.</span>" in part
        (rows,) = asked(studied, f"select count(*) from tests_latest where study = '{study}'")
        assert f"{rows[0]} tests" in part


def test_a_study_is_kept_until_its_part_of_the_catalog_changes(studied: Home) -> None:
    """Nothing is computed twice; a changed setting makes its own study anew, and what is made of it."""
    again = studied.run(select=f"tag:{STUDY}")
    assert not again.computed
    changed = deepcopy(FAST)
    changed["studies"]["reference_saturation"]["n_seeds"] = 4
    studied.write(changed)
    computed = {done.asset for done in studied.run(select=f"tag:{STUDY}").computed}
    own = {"scores", "slopes", "observed", "hypotheses", "verdict", "page"}
    assert (
        {f"reference_saturation/{name}" for name in own}
        <= computed
        <= {
            *(f"reference_saturation/{name}" for name in own),
            *("tests", "report"),
        }
    )


def test_without_cells_to_copy_the_study_says_what_to_run(home: Home) -> None:
    """On a fresh home the copula simulator has no donor: nothing is made up, and the words say what to do."""
    home.write(deepcopy(FAST))
    outcome = home.run(select="synthetic_truth/scores")
    (failed,) = outcome.failed
    assert "atlas/processed" in failed.error
    assert "'+tag:study'" in failed.error


def test_a_verdict_on_simulated_cells_says_so_whatever_the_atlases_are(home: Home) -> None:
    """An atlas of one's own makes no simulated tissue of a study real; what is read of it is as real as it is."""
    atlas = {"file": str(atlas_file(home.folder / "own.h5ad")), "organism": "human"}
    home.write({"name": "own", "atlases": {"own": atlas}, "experiment": {"n_cells": [10]}})
    simulated = {
        name: node.simulated(home.catalog, home.platform.grid.places(node.space)[0])
        for name, node in home.platform.nodes.items()
        if node.on_request and node.table not in {None, "hypotheses"}
    }
    assert simulated["reference_saturation/observed"] is False
    assert all(said for name, said in simulated.items() if name != "reference_saturation/observed")
    assert {"reference_saturation/verdict", "synthetic_truth/verdict", "synthetic_truth/scores"} <= simulated.keys()


def test_a_study_that_is_null_is_not_declared(home: Home) -> None:
    """No assets, no part of the report; a donor that is no atlas is refused with the atlases' names."""
    home.write({**deepcopy(FAST), "studies": {"synthetic_truth": None}})
    assert not [name for name in home.platform.nodes if name.startswith("synthetic_truth/")]
    home.write({**deepcopy(FAST), "studies": {"synthetic_truth": {"donor": "moon"}}})
    with pytest.raises(ScfmError, match=r"studies\.synthetic_truth\.donor.*moon[\s\S]*sim_one"):
        _ = home.catalog
