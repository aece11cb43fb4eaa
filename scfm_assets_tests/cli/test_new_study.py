"""A new study in a checkout: it edits no shared file, passes the contract suite, and runs through the platform."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from scfm_assets.cli.commands import main
from scfm_assets.studies import discover

ROOT = Path(__file__).parents[2]
NAME = "first_try"
TINY = {
    "name": "tiny",
    "simulation": {"n_genes": 60, "n_tfs": 4, "n_cells": 40},
    "atlases": {"sim": {"simulated": True}},
    "experiment": {"n_cells": [20], "panel": 20},
    "studies": {**dict.fromkeys(discover()), NAME: {"n_samples": 30}},
}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Loud", "cannot be the name of a study"),
        ("../up", "cannot be the name of a study"),
        ("a" * 41, "at most 40 characters"),
        (next(iter(discover())), "Choose another name"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["new-study", name, "--into", str(tmp_path)])
    assert result.exit_code == 1
    assert said in result.output
    assert not list(tmp_path.iterdir())


def test_without_a_checkout_a_package_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scfm_assets.home.project", lambda: None)
    result = CliRunner().invoke(main, ["new-study", NAME])
    assert result.exit_code == 1
    assert "--into" in result.output


@pytest.mark.slow
def test_a_scaffolded_study_runs_through_dagster_sql_report_and_docs(tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path)
    home, catalog = tmp_path / "home", tmp_path / "tiny.yaml"
    catalog.write_text(yaml.safe_dump(TINY))

    def python(*arguments: str) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": str(checkout),
            "SCFM_HOME": str(home),
            "SCFM_CATALOG": str(catalog),
        }
        done = subprocess.run(
            [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    scfm = ("-m", "scfm_assets.cli")
    python(*scfm, "new-study", NAME)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout
    assert sorted(status.split()) == sorted(
        ["??", f"scfm_assets/studies/{NAME}/", "??", f"scfm_assets_tests/studies/{NAME}/"]
    )
    suite = "scfm_assets_tests/studies"
    of_study = python("-m", "pytest", "-q", "-p", "no:cacheprovider", suite, "-k", NAME)
    assert " passed" in of_study
    python(*scfm, "run", "--select", f'key:"{NAME}/*" or key:"tests" or key:"report"')
    query = (
        f"select answer, (select count(*) from {NAME}_scores_latest), (select verdict from tests_latest) "
        f"from verdicts_latest where study = '{NAME}'"
    )
    assert python(*scfm, "sql", "--format", "csv", query).split()[-1] == "yes,30,supported"
    page = (home / "report" / "index.html").read_text()
    assert f'id="study-{NAME}"' in page
    docs = python(
        "-c", f"from scfm_assets.studies import discover, docs_page as d; print(d.study_page(discover()[{NAME!r}]))"
    )
    assert f"`{NAME}_scores`" in docs
    assert (
        subprocess.run(
            ["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True
        ).stdout
        == status
    )


def copied_checkout(folder: Path) -> Path:
    """What this checkout holds and git would, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    checkout = folder / "checkout"
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, checkout / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source.readlink()) if source.is_symlink() else target.write_bytes(source.read_bytes())
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=checkout, check=True, capture_output=True)
    return checkout
