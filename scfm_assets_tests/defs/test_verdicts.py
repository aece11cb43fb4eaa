"""Comparisons of methods and choices of layers on a real platform: they stand on the numbers of `metrics`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scfm_assets.catalog import Catalog
from scfm_assets.core.evaluation.method_verdicts import hypotheses
from scfm_assets.core.statistics import hypothesis_tests
from scfm_assets.defs.verdicts import controls_of
from scfm_assets.partitions import Place
from scfm_assets.warehouse.publish import query
from scfm_assets_tests.platforms import TINY, Home

PLACE = Place("sim_one", 40)


def asked(home: Home, sql: str) -> list[dict[str, Any]]:
    return json.loads(query(home.folder, sql, "json"))


def test_values_and_limits_are_the_means_of_metrics_over_repeats(finished: Home) -> None:
    rows = asked(
        finished,
        """
        with m as (
          select tissue, n_cells, model, method, direction, network, universe, metric, layer,
                 avg(value) as value, avg(lo) filter (interval = 'network') as network_lo,
                 avg(hi) filter (interval = 'network') as network_hi, avg(lo) filter (interval = 'cells') as cells_lo
          from metrics_latest where head is null group by all
        )
        select count(*) as rows, max(abs(v.value - m.value)) as apart, max(abs(v.network_lo - m.network_lo)) as lo,
               max(abs(v.network_hi - m.network_hi)) as hi, max(abs(v.cells_lo - m.cells_lo)) as cells
        from method_verdicts_latest v
        join m using (tissue, n_cells, model, method, direction, network, universe, metric)
        where v.layer is not distinct from m.layer
        """,
    )
    (found,) = rows
    stored = "select method from metrics_latest"  # nulls of single genes are ranked where methods are compared
    judged = asked(finished, f"select count(*) as n from method_verdicts_latest where method in ({stored})")[0]["n"]
    assert found["rows"] == judged > 0
    for name in ("apart", "lo", "hi", "cells"):
        assert found[name] < 1e-6, name  # metrics ranks float32 scores by bins, this by pairs


def test_weights_that_hold_the_network_beat_every_null_and_random_ones_do_not(finished: Home) -> None:
    rows = asked(
        finished,
        """
        select model, verdict, control, confounding, rests_on from method_verdicts_latest
        where method = 'attention' and metric = 'auroc' and universe = 'tf_grid' and n_cells = 40
        """,
    )
    of_model = {model: {row["verdict"] for row in rows if row["model"] == model} for model in ("planted", "random")}
    assert "beats the nulls" in of_model["planted"] <= {"beats the nulls", "underpowered"}  # few edges, many nulls
    assert "beats the nulls" not in of_model["random"]
    assert {row["control"] for row in rows} == {"random"}
    assert {row["rests_on"] for row in rows} == {"network, cells of these donors"}
    assert finished.store.shown("evaluation/method_comparison", PLACE)["methods"].startswith("![figure](data:image/png")
    facts = finished.store.manifest("evaluation/method_comparison", PLACE).facts
    assert "attention of planted, layer 3" in facts["verdicts_truth"]


def test_the_stored_verdicts_are_hypotheses_of_one_family_per_tissue(finished: Home) -> None:
    import duckdb

    from scfm_assets.warehouse.query import NAME

    with duckdb.connect(str(finished.folder / NAME), read_only=True) as published:
        verdicts = published.sql("from method_verdicts_latest").to_arrow_table()
    told = hypotheses(verdicts)
    families = {
        f"{family}_{tissue}" for family in ("beats_nulls", "beyond_degrees") for tissue in ("sim_one", "sim_two")
    }
    assert {test.family for test in told} == families
    assert hypothesis_tests.tests_table(told).num_rows == len(told)


def test_the_layer_that_all_units_choose_is_the_best_of_metrics(finished: Home) -> None:
    rows = asked(
        finished,
        """
        with best as (
          select tissue, n_cells, repeat, model, max(value) as value, arg_max(layer, value) as layer
          from metrics_latest
          where method = 'attention' and head is null and universe = 'tf_grid' and metric = 'auroc'
            and interval = 'network' and direction = 'tf_queries'
          group by all
        )
        select s.halves_of, count(*) as rows, max(abs(s.value_of_best - best.value)) as apart,
               count(*) filter (s.best_layer = best.layer) as same
        from selection_latest s join best using (tissue, n_cells, repeat, model)
        group by all order by all
        """,
    )
    assert [row["halves_of"] for row in rows] == ["cells", "tfs"]
    for row in rows:
        assert row["rows"] == row["same"] == 2 * 2 * 2  # tissues x repeats x models, at the largest count
        assert row["apart"] < 1e-6


def test_cell_counts_are_compared_with_the_largest(finished: Home) -> None:
    (counted,) = asked(
        finished,
        """
        select count(*) as rows, count(distinct n_cells) as counts, min(n_cells_largest) as largest,
               max(abs(c.difference - (c.value - c.value_largest))) as apart
        from cell_count_comparison_latest c where metric = 'auroc' and method = 'attention'
        """,
    )
    assert counted == {"rows": 2 * 3 * 2, "counts": 3, "largest": 40, "apart": 0.0}


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ({"a": {"control": "planted"}, "b": {"control": "random"}, "c": {"control": "random", "seed": 1}},
         {"a": ("b", "c"), "b": ("c",), "c": ("b",)}),
        ({"a": {"checkpoint": "m", "options": {"generation": "v1"}}, "b": {"control": "random"}}, {"a": (), "b": ()}),
    ],
)  # fmt: skip
def test_random_controls_are_those_of_the_same_family_and_options(models, expected) -> None:
    catalog = Catalog.model_validate({**TINY, "models": models})
    assert {model: controls_of(catalog, model) for model in models} == expected
