"""The commands as a newcomer types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scfm_assets.cli.commands import main
from scfm_assets_tests.platforms import Home

PUBLISHED = """cells,auroc
25,0.5359
50,0.5419
100,0.5445
150,0.5557
200,0.5924
300,0.5936
500,0.6072
750,0.6106
1000,0.5960
"""
"""The nine points of the published scaling curve."""


def scfm(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_says_what_it_does(command: str) -> None:
    result = scfm(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def test_the_published_curve_is_fitted_as_published(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text(PUBLISHED)
    result = scfm("fit", str(table), "--x", "cells", "--y", "auroc")
    assert result.exit_code == 0
    lines = {form: "".join(x for x in result.output.splitlines() if x.startswith(form)) for form in FORMS}
    # R2 of the points as published, with four decimals; of the unrounded ones it is 0.8998, 0.8313 and 0.5910.
    assert all(number in lines["exponential_saturation"] for number in ("0.0888", "0.00554", "0.5185", "0.8997"))
    assert "0.8311" in lines["logarithmic"]
    assert "0.5906" in lines["linear"]
    assert "degenerate" in lines["power"]
    for form, aicc in FORMS.items():
        assert f"{aicc:.2f}" in lines[form], (form, lines[form])
    places = [result.output.index(form) for form in FORMS]
    assert places == sorted(places)


FORMS = {
    "logarithmic": -69.24,
    "exponential_saturation": -66.73,
    "michaelis_menten": -64.29,
    "power": -62.05,
    "linear": -61.27,
    "constant": -58.03,
}
"""AICc of each form on the published points."""


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text(PUBLISHED)
    result = scfm("fit", str(table), "--x", "n", "--y", "auroc")
    assert result.exit_code == 1
    assert "cells, auroc" in result.output
    assert "Traceback" not in result.output


def test_sql_answers_in_three_formats(finished: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from scfm_assets_tests.published import publish

    publish(finished.folder)
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    query = "select distinct tissue from metrics order by 1"
    assert scfm("sql", query, "--format", "csv").output.split() == ["tissue", "sim_one", "sim_two"]
    assert json.loads(scfm("sql", query, "--format", "json").output) == [{"tissue": "sim_one"}, {"tissue": "sim_two"}]
    assert "sim_two" in scfm("sql", query).output


def test_sql_before_the_first_run_says_what_to_do() -> None:
    result = scfm("sql", "select 1")
    assert result.exit_code == 1
    assert "scfm run" in result.output


def test_wrong_sql_is_told_in_the_databases_own_words(finished: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from scfm_assets_tests.published import publish

    publish(finished.folder)
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    result = scfm("sql", "select nothing from metrics")
    assert result.exit_code == 1
    assert '"nothing"' in result.output


def test_an_unknown_catalog_names_the_known_ones() -> None:
    result = scfm("report", "--catalog", "nonsense")
    assert result.exit_code == 1
    assert "demo" in result.output


def test_the_report_is_named_after_a_run_and_missed_before(finished: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scfm("report").exit_code == 1
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    result = scfm("report", "--catalog", str(finished.folder / "catalog.yaml"))
    assert Path(result.output.strip()).read_text().startswith("<!doctype html>")


def test_a_run_that_fails_exits_with_one_and_keeps_what_was_made(home: Home) -> None:
    catalog = home.folder / "catalog.yaml"
    catalog.write_text(
        catalog.read_text().replace("n_cells: 110", "n_cells: 110\n  seed: 5").replace("  seed: 3\n", "")
    )
    broken = catalog.read_text().replace(
        "sim_two:\n    simulated: true", f"sim_two:\n    file: {home.folder}/none.h5ad"
    )
    catalog.write_text(broken)
    environment = {**os.environ, "SCFM_HOME": str(home.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [
        sys.executable,
        "-m",
        "scfm_assets.cli",
        "run",
        "--catalog",
        str(catalog),
        "--select",
        'key:"atlas/*"',
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none.h5ad: there is no such file" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert home.store.root.joinpath("tables/cell_sets/tissue=sim_one/n_cells=40/data.parquet").exists()


QUESTIONS = """.tables
select count(*) as "two tissues"
from (select distinct tissue from metrics_latest);
select nothing from metrics;
.columns metrics
.format csv
select 1 as one;
.run nonsense
.queries
select 2 as last"""


def test_sql_without_a_query_answers_what_it_is_asked(finished: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from scfm_assets_tests.published import publish

    publish(finished.folder)
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    result = CliRunner().invoke(main, ["sql"], input=QUESTIONS)
    assert result.exit_code == 1  # one question was wrong; the others were answered all the same
    assert '"nothing"' in result.stderr
    assert "there is no query 'nonsense'" in result.stderr
    said = result.stdout
    assert "metrics_latest" in said
    assert "n_pos / (n_pos + n_neg)" in said
    assert "best_layer" in said
    assert said.split("two tissues")[1].split()[1] == "2"
    assert said.endswith("last\n2\n")
    assert CliRunner().invoke(main, ["sql"], input="from metrics limit 1;\n.quit\nselect nothing;").exit_code == 0


def test_the_prompt_edits_lines_and_leaves_at_the_end_of_input(finished: Home) -> None:
    """In a terminal of its own, as a user sees it."""
    import pty

    from scfm_assets_tests.published import publish

    publish(finished.folder)
    here, there = pty.openpty()
    environment = os.environ | {"SCFM_HOME": str(finished.folder), "TERM": "dumb"}
    command = [sys.executable, "-m", "scfm_assets.cli", "sql"]
    with subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environment) as process:
        os.close(there)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        said = _until(here, rb"scfm> ")
        os.write(here, b"select count(*) * 0 + 41\n + 1 as answer from metrics;\n")
        said += _until(here, rb"(?s)42.*scfm> ")
        os.write(here, b"\x04")
        assert process.wait() == 0
        watchdog.cancel()
    os.close(here)
    assert b"  ... " in said


def _until(terminal: int, wanted: bytes) -> bytes:
    """Read what a terminal shows until it matches a pattern."""
    said = b""
    while not re.search(wanted, said):
        said += os.read(terminal, 4096)
    return said
