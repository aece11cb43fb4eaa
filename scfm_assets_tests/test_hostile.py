"""What strangers write into catalogs, folders, atlases and the store reaches neither paths nor SQL."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import anndata
import pytest
from click.testing import CliRunner

from scfm_assets import catalog as catalogs
from scfm_assets.cli.commands import main
from scfm_assets.engine import housekeeping
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place
from scfm_assets.resources.store import ARRAYS
from scfm_assets.warehouse.query import query
from scfm_assets_tests.platforms import SMALLEST, TINY, Home, atlas_file
from scfm_assets_tests.published import publish

NAMES = (
    "../../etc",
    "/etc/passwd",
    "a/b",
    "..",
    "a|b",
    "n_cells=5",
    "x'; drop table lineage; --",
    'x" as from metrics; --',
    "a\nb",
    "a\0b",
    "",
    "-rf",
    "${HOME}",
    "*",
)
SECRET = "root:x:0:0"
PASSWD = {"tokens": "/etc/passwd", "medians": "/etc/passwd"}


@pytest.mark.parametrize("block", ["atlases", "models", "networks"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_name_is_refused_before_anything_is_written(home: Home, block: str, name: str) -> None:
    catalog = deepcopy(TINY)
    catalog[block][name] = next(iter(catalog[block].values()))
    home.write(catalog)
    with pytest.raises(ScfmError) as refused:
        catalogs.load(home.folder / "catalog.yaml")
    assert "cannot be a name" in str(refused.value) or "catalog.yaml" in refused.value.place
    assert not (home.folder / "store").exists()


@pytest.mark.parametrize(
    ("block", "entry"),
    [
        ("atlases", {"file": "/etc/passwd"}),
        pytest.param("networks", {"file": "/etc/passwd"}, marks=pytest.mark.long),
        ("networks", {"file": "/etc/passwd", "format": "trrust"}),
        pytest.param("models", {"checkpoint": "/etc", "options": {"generation": "v1"}}, marks=pytest.mark.long),
        ("models", {"checkpoint": ".", "options": {"generation": "v1", **PASSWD}}),
    ],
)  # fmt: skip
def test_a_catalog_that_points_at_other_files_fails_without_quoting_them(
    home: Home, monkeypatch: pytest.MonkeyPatch, block: str, entry: dict[str, object]
) -> None:
    catalog = deepcopy(SMALLEST)
    catalog["atlases"].pop("sim_two")
    catalog[block] = {"stranger": entry}
    if block == "models":
        (home.folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
        (home.folder / "model.safetensors").write_bytes(b"\0" * 64)
    if block == "atlases":
        catalog["simulation"] = catalog["models"] = catalog["networks"] = None
        catalog = {key: value for key, value in catalog.items() if value is not None}
    home.write(catalog)
    monkeypatch.setenv("SCFM_HOME", str(home.folder))
    result = CliRunner().invoke(main, ["run", "--jobs", "1", "--catalog", str(home.folder / "catalog.yaml")])
    assert result.exit_code == 1
    assert "/etc" in result.output
    assert "Traceback" not in result.output
    assert SECRET not in result.output
    for file in home.folder.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_words_inside_an_atlas_stay_words(home: Home) -> None:
    """Cell types, donors and barcodes may say anything: they are values in rows."""
    words = ["'; drop table metrics; --", '../../x"]']
    path = atlas_file(home.folder / "odd.h5ad")
    atlas = anndata.read_h5ad(path)
    atlas.obs["cell_type"] = [words[i % 2] for i in range(atlas.n_obs)]
    atlas.obs["donor"] = [words[(i + 1) % 2] for i in range(atlas.n_obs)]
    atlas.obs_names = [f"{words[0]}{i}" for i in range(atlas.n_obs)]
    atlas.write_h5ad(path)
    catalog = deepcopy(TINY)
    catalog["atlases"]["odd"] = {"file": str(path), "organism": "simulated", "donor": "donor"}
    catalog["experiment"]["n_cells"] = [10]
    home.write(catalog)
    assert home.run(select='key:"atlas/processed" or key:"atlas/cell_sets"').success
    publish(home.folder)
    asked = "select distinct cell_type from cell_sets where tissue = 'odd' order by 1"
    assert [row["cell_type"] for row in json.loads(query(home.folder, asked, "json"))] == sorted(words)


def test_a_link_out_of_the_store_is_neither_written_through_nor_read(rerun: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place, name = Place("sim_one", 10), "models/planted/tokenized_cells"
    manifest = rerun.store.manifest(name, place)
    assert manifest is not None
    folder = (rerun.store.root / manifest.value[0]).parent
    for file in folder.iterdir():
        file.rename(outside / file.name)
    folder.rmdir()
    folder.symlink_to(outside)
    with pytest.raises(ScfmError, match="leads out of the store"):
        rerun.store.manifest(name, place)
    before = {file.name: file.stat().st_mtime_ns for file in outside.iterdir()}
    with pytest.raises(ScfmError, match="leads out of the store"):
        rerun.run(select=f'key:"{name}"')
    assert {file.name: file.stat().st_mtime_ns for file in outside.iterdir()} == before
    folder.unlink()
    assert rerun.run(select=f'key:"{name}"').success


def test_a_link_among_the_tables_is_not_published(rerun: Home, tmp_path: Path) -> None:
    private = tmp_path / "private.parquet"
    table = next((rerun.store.root / "tables" / "metrics").rglob("data.parquet"))
    table.rename(private)
    table.symlink_to(private)
    with pytest.raises(ScfmError, match="is a link"):
        publish(rerun.folder)


@pytest.mark.parametrize("escape", ["../../victim", "assets/../../../victim"])
def test_a_manifest_that_names_other_files_is_refused(rerun: Home, escape: str) -> None:
    (victim := rerun.folder.parent / "victim").write_text("not ours")
    place, name = Place("sim_one", 10), "models/planted/tokenized_cells"
    file = rerun.store.root / rerun.store._manifest_file(name, place)
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"value": [escape]}))
    with pytest.raises(ScfmError, match="leads out of the store"):
        rerun.store.manifest(name, place)
    old = file.with_name("revision-000000000000.json")
    old.write_text(json.dumps(said | {"value": [escape], "materialization": "0" * 16}))
    file.write_text(json.dumps(said))
    with pytest.raises(ScfmError, match="leads out of the store"):
        housekeeping.leftovers(rerun.platform, rerun.store)
    assert victim.read_text() == "not ours"
    with pytest.raises(ScfmError, match="leads out of the store"):
        rerun.store.read(rerun.store._read_manifest(str(old.relative_to(rerun.store.root)), whole=False), ARRAYS)


@pytest.mark.parametrize("words", ["x'; drop table lineage; --", "../../etc/passwd", '"', "%"])
def test_words_on_the_command_line_reach_no_sql(finished: Home, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    publish(finished.folder)
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    for command in (["lineage", words], ["lineage", "metrics", "--tissue", words], ["lineage", "diff", words, words]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code in {1, 2}
        assert "Traceback" not in result.output
    assert "metrics" in CliRunner().invoke(main, ["sql", "select view_name from duckdb_views()"]).output
    asked = CliRunner().invoke(main, ["sql"], input=f".columns {words}\nselect count(*) from metrics;")
    assert asked.exit_code == 0, asked.output
