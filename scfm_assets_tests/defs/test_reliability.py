"""The methods that a catalog asks for, and reliability, through the platform."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from scfm_assets.engine.declare import Progress
from scfm_assets.engine.worker import Event
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import SMALLEST, Home

NULLS = {"mean_product", "detection_product", "variance_product", "uniform_attention"}
ASKED = {"pearson", "spearman", "partial_correlation", "mutual_information"}
BASELINES = 'key:"atlas/*" or key:"networks/*" or key:"baselines/*"'


def rows_of(home: Home, asset: str, place: Place) -> list[dict[str, Any]]:
    node = home.platform.nodes[asset]
    manifest = home.store.manifest(asset, place)
    assert manifest is not None
    return home.store.read(manifest, node.format).to_pylist()


def test_every_edge_method_of_a_finished_run_has_a_reliability_in_each_slice(finished: Home) -> None:
    for n_cells in (10, 40):
        rows = rows_of(finished, "evaluation/reliability", Place("sim_one", n_cells))
        assert {(row["model"], row["method"], row["layer"], row["repeat"]) for row in rows} == {
            (model, method, layer, repeat)
            for repeat in (0, 1)
            for model, methods, layer in (
                ("baselines", NULLS | ASKED, None),
                ("planted", {"attention", "attention_lift"}, 3),
                ("random", {"attention", "attention_lift"}, 3),
            )
            for method in methods
        }
        groups = {row["cell_groups"] for row in rows}  # those that hold a cell: groups lie within donors
        assert min(groups) >= 5
        assert max(groups) <= 10
        assert {row["universe"] for row in rows} == {"tf_grid"}
        assert all((row["checkpoint"] is None) == (row["model"] == "baselines") for row in rows)
    assert max(row["auroc_half"] for row in rows if row["model"] == "planted") > 0.8


def test_metrics_and_reliability_rest_on_the_same_pairs(finished: Home) -> None:
    place = Place("sim_two", 30)
    counted = {
        asset: {
            (row["network"], row["n_pos"], row["n_neg"])
            for row in rows_of(finished, asset, place)
            if row["universe"] == "tf_grid"
        }
        for asset in ("evaluation/metrics", "evaluation/reliability")
    }
    assert counted["evaluation/metrics"] == counted["evaluation/reliability"]


def test_without_groups_of_cells_there_is_no_reliability(home: Home) -> None:
    made = deepcopy(SMALLEST)
    made["experiment"] |= {"cell_groups": 0, "intervals": {"kinds": ["pairs"], "resamples": 20}}
    home.write(made)
    assert "evaluation/reliability" not in home.platform.nodes
    assert "baselines/edge_scores" in home.platform.nodes


@pytest.mark.long
def test_boosting_runs_where_it_is_asked_for_tells_how_far_it_is_and_has_no_scores_without_groups(home: Home) -> None:
    made = deepcopy(SMALLEST)
    made["experiment"]["intervals"] = {"kinds": ["cells"], "resamples": 20}
    home.write(made)
    assert home.run(select=BASELINES).success
    made["experiment"]["methods"] = ["grnboost", "pearson"]
    home.write(made)
    told: list[Event] = []
    outcome = home.run(select=BASELINES, show=told.append)
    assert outcome.success
    assert {done.asset for done in outcome.computed} == {"baselines/edge_scores"}
    progress = [event for event in told if isinstance(event, Progress)]
    assert {event.unit for event in progress} == {"targets"}
    first = [event for event in progress if event.place.tissue == "sim_one"]
    assert [(event.done, event.total) for event in first] == [(done, 50) for done in range(1, 51)]
    place = Place("sim_one", 10)
    manifest = home.store.manifest("baselines/edge_scores", place)
    assert manifest is not None
    scores = home.store.read(manifest, home.platform.nodes["baselines/edge_scores"].format)
    assert {key.method for key in scores.keys} == {"pearson", "grnboost"} | NULLS
    without = {key.method for key in scores.keys if scores.left_out.scores(key) is None}
    assert without == {"grnboost"}


def test_the_order_in_which_methods_are_named_changes_nothing(home: Home) -> None:
    digests = set()
    for methods in (["pearson", "spearman"], ["spearman", "pearson"]):
        made = deepcopy(SMALLEST)
        made["experiment"]["methods"] = methods
        home.write(made)
        node, place = home.platform.nodes["baselines/edge_scores"], Place("sim_one", 10)
        digests.add(home.platform.config_digest(node, place))
    assert len(digests) == 1
