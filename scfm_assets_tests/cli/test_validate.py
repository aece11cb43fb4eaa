"""`scfm validate`: one inspection per file, a table of verdicts, and an exit code that says which."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from scfm_assets.cli.commands import main
from scfm_assets_tests.core.intake import atlas_writers
from scfm_assets_tests.core.intake.small_atlas import small_counts
from scfm_assets_tests.platforms import Home, atlas_file


def validate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A usable file, one that would be refused, one that cannot be read."""
    good = atlas_file(tmp_path / "good.h5ad")
    half = tmp_path / "half.h5ad"
    half.write_bytes(good.read_bytes()[:2000])
    counts = small_counts()
    counts[3] = 0
    return {"good": good, "empty_cell": atlas_writers.write_mtx(tmp_path / "empty_cell", counts), "half": half}


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("empty_cell", 1), ("half", 2)])
def test_the_exit_code_says_what_would_happen(files: dict[str, Path], name: str, code: int) -> None:
    result = validate(files[name])
    assert result.exit_code == code, result.output
    assert str(files[name]) in result.output
    assert "known:" not in result.output  # a table of one says nothing new
    if code == 1:
        assert "1 cells hold no counts" in result.output


def test_several_files_end_in_a_table_of_verdicts_and_the_worst_code(files: dict[str, Path]) -> None:
    result = validate(*files.values())
    assert result.exit_code == 2
    table = result.output[result.output.index("file  ") :]
    assert re.search(r"^good\.h5ad +few genes +", table, re.MULTILINE)
    assert re.search(r"^empty_cell +refused, few genes, unlabelled +human +40 +30 ", table, re.MULTILINE)
    assert re.search(r"^half\.h5ad +not readable$", table, re.MULTILINE)
    assert "half.h5ad: not readable: " in table
    assert validate(files["good"], files["empty_cell"]).exit_code == 1
    assert validate(files["good"], shutil.copy(files["good"], files["good"].with_name("again.h5ad"))).exit_code == 0


def test_a_file_is_read_as_an_atlas_of_the_catalog_is_declared(files: dict[str, Path], home: Home) -> None:
    catalog = yaml.safe_load((home.folder / "catalog.yaml").read_text())
    catalog["atlases"]["mine"] = {"file": str(files["good"]), "organism": "simulated", "donor": "absent"}
    home.write(catalog)
    path = home.folder / "catalog.yaml"
    result = validate(files["good"], "--catalog", path, "--tissue", "mine")
    assert result.exit_code == 1
    assert "obs has no column 'absent'" in result.output
    unknown = validate(files["good"], "--catalog", path, "--tissue", "nonsense")
    assert unknown.exit_code == 1
    assert "'nonsense' is no atlas of the catalog" in unknown.output
    assert "organism: mouse" in validate(files["good"], "--organism", "mouse").output


def test_a_model_that_is_not_there_is_a_line_and_no_error(files: dict[str, Path], home: Home) -> None:
    catalog = yaml.safe_load((home.folder / "catalog.yaml").read_text())
    options = {"generation": "v1", "tokens": "nowhere.json"}
    catalog["models"]["gone"] = {"family": "geneformer", "checkpoint": "nowhere", "options": options}
    home.write(catalog)
    result = validate(files["good"], "--catalog", home.folder / "catalog.yaml")
    assert result.exit_code == 0, result.output
    assert "gone: not asked (" in result.output
    assert "planted: not asked (a control" in " ".join(result.output.split())
    assert not (home.folder / "checkpoints").exists()  # no control is built for an inspection


def test_the_entry_that_it_prints_is_one_that_a_catalog_takes(files: dict[str, Path], home: Home) -> None:
    said = validate(files["good"]).output.splitlines()
    start = next(i for i, line in enumerate(said) if "Catalog entry" in line)
    end = next(i for i, line in enumerate(said) if line.startswith("  Verdict"))
    margin = said[start].index("good:")
    catalog = yaml.safe_load((home.folder / "catalog.yaml").read_text())
    catalog["atlases"] |= yaml.safe_load("\n".join(line[margin:] for line in said[start:end]))
    home.write(catalog)
    result = validate(files["good"], "--catalog", home.folder / "catalog.yaml", "--tissue", "good")
    assert result.exit_code == 0, result.output
    assert "can be used as declared" in " ".join(result.output.split())
