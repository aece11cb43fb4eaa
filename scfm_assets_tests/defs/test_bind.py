"""What Dagster is told of assets and sources, so that its UI explains them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import dagster as dg
import pytest
import yaml

from scfm_assets import catalog as catalogs
from scfm_assets.catalog import Network
from scfm_assets.defs.assemble import assemble
from scfm_assets.inputs.sources import origin
from scfm_assets.tables.columns import MATERIALIZATION
from scfm_assets.tables.platform import TABLES
from scfm_assets_tests.platforms import TINY, Home


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, dg.AssetSpec]:
    """All assets and sources of the tiny catalog, with a model of a file whose name is no word."""
    declared = deepcopy(TINY)
    declared["models"]["my-model"] = {"checkpoint": str(tmp_path / "weights"), "options": {"generation": "v1"}}
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(declared))
    _, definitions = assemble(catalogs.load(tmp_path / "catalog.yaml"), tmp_path)
    return {"/".join(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}


def test_a_model_is_a_group_that_says_so(specs: dict[str, dg.AssetSpec]) -> None:
    assert {spec.group_name for name, spec in specs.items() if name.startswith("models/my-model/")} == {
        "model_my_model"
    }


def test_every_asset_and_source_says_what_it_is_and_of_which_kind(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.kinds, name


def test_sources_say_what_the_catalog_says_of_them(specs: dict[str, dg.AssetSpec], tmp_path: Path) -> None:
    assert specs["models/my-model/checkpoint"].metadata["weights"] == str(tmp_path / "weights")
    assert specs["models/random/checkpoint"].metadata["weights"] == "random control, built here"
    assert specs["atlas/raw"].metadata["sim_two"] == "simulated here"
    assert specs["networks/truth_source"].metadata["from"] == "simulated here"


@pytest.mark.parametrize(
    ("asset", "table"),
    [("evaluation/metrics", "metrics"), ("models/random/edge_scores", "edge_scores"), ("networks/truth", "networks")],
)
def test_an_asset_whose_rows_sql_has_shows_their_columns(
    asset: str, table: str, specs: dict[str, dg.AssetSpec]
) -> None:
    shown = specs[asset].metadata["dagster/column_schema"]
    assert [(c.name, c.description) for c in shown.columns] == [
        (c.name, c.doc) for c in (*TABLES[table].columns, MATERIALIZATION)
    ]
    assert [(c.type, c.constraints.nullable, c.constraints.other) for c in shown.columns] == [
        (c.type, c.nullable, [c.check] if c.check else []) for c in (*TABLES[table].columns, MATERIALIZATION)
    ]
    key = ", ".join(TABLES[table].key)
    assert shown.constraints.other == ([f"unique ({key})"] if key else [])
    assert f"`{table}_latest`" in str(specs[asset].description)
    assert "duckdb" in specs[asset].kinds


def test_an_asset_that_is_no_table_shows_no_columns_and_names_the_table_beside_it(
    specs: dict[str, dg.AssetSpec],
) -> None:
    assert "dagster/column_schema" not in specs["atlas/processed"].metadata
    assert "`atlas_qc`" in str(specs["atlas/processed"].description)


def test_where_a_network_comes_from_is_told_without_secrets() -> None:
    asked = {"url": "https://me:secret@example.org:8443/net.tsv?token=secret", "sha256": "0" * 64, "format": "trrust"}
    assert origin(Network.model_validate(asked)) == "https://example.org/net.tsv"
    assert origin(Network.model_validate({"simulated": True})) == "simulated here"


@pytest.mark.parametrize(("asset", "place"), [("evaluation/metrics", "40|sim_one"), ("atlas/processed", "sim_one")])
def test_an_event_says_where_all_files_of_the_output_are_and_how_much_memory_it_took(
    asset: str, place: str, finished: Home
) -> None:
    key = dg.AssetKey(asset.split("/"))
    records = finished.instance.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=[place]), limit=1)
    materialization = records.records[0].asset_materialization
    assert materialization is not None
    said = {name: entry.value for name, entry in materialization.metadata.items()}
    where = Path(str(said["dagster/uri"]))
    manifest = finished.store.manifest(asset, finished.platform.grid.parse(place))
    assert manifest is not None
    files = [Path(finished.store.files.uri(name)) for name in manifest.value]
    assert where == files[0] if len(files) == 1 else where.is_dir()
    assert all(file.is_relative_to(where) for file in files)
    assert said["peak_memory_MB"] == round(manifest.facts["peak_memory_bytes"] / 1e6) > 10
