"""Universes through the platform: made once for a tissue, the same for every method, model and number of cells."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from scfm_assets.defs.formats import UNIVERSES
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import TINY, Home, open_home

pytestmark = pytest.mark.slow

PLACE = Place("sim_one")
ALL = ["all_pairs", "tf_grid", "observed", "expression_matched"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    experiment = {**TINY["experiment"], "n_cells": [10, 15], "repeats": 1, "universes": ALL}
    catalog = {
        **TINY,
        "atlases": {"sim_one": {"simulated": True}},
        "models": {"random": {"control": "random", "layer": 3}},
        "experiment": experiment,
    }
    with open_home(tmp_path_factory.mktemp("universes"), catalog) as opened:
        assert opened.run(select='+key:"evaluation/metrics"').failed == []
        yield opened


def rows(home: Home, table: str) -> list[dict]:
    files = sorted((home.folder / "store" / "tables" / table).glob("**/*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_every_ranking_of_a_universe_is_over_the_pairs_that_the_universe_has(home: Home) -> None:
    known = {row["universe"]: (row["n_pos"], row["n_neg"]) for row in rows(home, "universes")}
    assert list(known) == ["all_pairs", "tf_grid", "expression_matched"]
    metrics = rows(home, "metrics")
    assert {row["universe"] for row in metrics} == set(ALL)
    for row in metrics:
        if row["universe"] != "observed":
            assert (row["n_pos"], row["n_neg"]) == known[row["universe"]]
    of = {
        name: {(row["model"], row["method"], row["n_cells"]) for row in metrics if row["universe"] == name}
        for name in ALL
    }
    assert len(of["tf_grid"]) > 10
    assert of["tf_grid"] == of["expression_matched"]


def test_what_is_stored_is_what_was_published_and_shown(home: Home) -> None:
    manifest = home.store.manifest("evaluation/universes", PLACE)
    assert manifest is not None
    words = {name: words for name, _, words in manifest.checks}
    assert set(words) == {"matched_universes_are_balanced", "nulls_know_nothing_where_matched"}
    assert "largest standardised differences: truth: " in words["matched_universes_are_balanced"]
    assert set(home.store.shown("evaluation/universes", PLACE)) == {"balance"}
    (own,) = home.store.read(manifest, UNIVERSES).networks
    assert [int(u.positive.sum()) for u in own.fixed()] == [row["n_pos"] for row in rows(home, "universes")]
    ceilings = rows(home, "ceilings")
    assert {(row["universe"], row["network"]) for row in ceilings} == {("all_pairs", "truth"), ("tf_grid", "truth")}


def test_universes_that_nobody_asks_for_are_not_made_and_numbers_of_cells_do_not_matter(home: Home) -> None:
    catalog = home.catalog
    node = home.platform.nodes["evaluation/universes"]
    fresh = home.platform.plan(node, PLACE, home.store).kept
    assert fresh is not None
    assert "n_cells" not in json.dumps(node.config(catalog, PLACE))
    fewer = catalog.model_copy(
        update={"experiment": catalog.experiment.model_copy(update={"universes": ("tf_grid", "degree_matched")})}
    )
    assert node.config(fewer, PLACE) != node.config(catalog, PLACE)


def test_every_null_has_its_rows_and_in_the_matched_universe_no_interval_excludes_chance(home: Home) -> None:
    """The tiny network has few edges: whether matching helps is seen in larger worlds, that it does no harm here."""
    nulls = rows(home, "universe_nulls")
    for universe in ("tf_grid", "expression_matched"):
        assert len({row["reference"] for row in nulls if row["universe"] == universe}) == 21
    manifest = home.store.manifest("evaluation/universes", PLACE)
    assert manifest is not None
    passed = {name: passed for name, passed, _ in manifest.checks}
    assert passed["nulls_know_nothing_where_matched"]
