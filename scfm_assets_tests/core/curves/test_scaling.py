from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from scfm_assets.core.curves.checks import ceilings_inside, largest_predicted
from scfm_assets.core.curves.fit import FORMS, fit_curves
from scfm_assets.core.curves.scaling import KEY, left_out, scaling_table
from scfm_assets.tables.evaluation import SCALING_CURVES

N_CELLS = (25, 50, 100, 200, 400, 800)
TYPES = {
    "tissue": pa.string(),
    "n_cells": pa.int32(),
    "repeat": pa.int32(),
    "model": pa.string(),
    "checkpoint": pa.string(),
    "method": pa.string(),
    "layer": pa.int32(),
    "head": pa.int32(),
    "direction": pa.string(),
    "network": pa.string(),
    "universe": pa.string(),
    "metric": pa.string(),
    "value": pa.float64(),
    "lo": pa.float64(),
    "hi": pa.float64(),
    "interval": pa.string(),
    "resamples": pa.int32(),
    "parts": pa.list_(pa.float32()),
    "simulated": pa.bool_(),
}


def rises(n: int, repeat: int) -> float:
    return 0.55 + 0.3 * (1 - math.exp(-0.006 * n)) + 0.01 * math.cos(3 * n + 5 * repeat)


def rows(value=rises, n_cells=N_CELLS, repeats=(0, 1), kinds=("pairs", "tfs"), parts=lambda *_: None, **fixed):
    named = {
        "tissue": "lung",
        "model": "planted",
        "checkpoint": "abc",
        "method": "attention",
        "layer": 3,
        "head": None,
        "direction": "tf_queries",
        "network": "truth",
        "universe": "tf_grid",
        "metric": "auroc",
        "lo": None,
        "hi": None,
        "resamples": 10,
        "simulated": True,
        **fixed,
    }
    return [
        named | {"n_cells": n, "repeat": r, "value": value(n, r), "interval": kind, "parts": parts(n, r, kind)}
        for n, r, kind in itertools.product(n_cells, repeats, kinds)
    ]


def table(*parts) -> pa.Table:
    return pa.Table.from_pylist([row for part in parts for row in part], schema=pa.schema(list(TYPES.items())))


BASELINE = {"model": "baselines", "checkpoint": None, "method": "pearson", "layer": None, "direction": "symmetric"}


def series_of(curves: pa.Table) -> set[tuple]:
    return set(zip(*(curves[name].to_pylist() for name in KEY), strict=True))


def test_every_series_gets_one_row_per_form():
    curves = scaling_table(table(rows(), rows(**BASELINE)), layer_of_model={"planted": 3})
    assert curves.schema == SCALING_CURVES.schema
    assert series_of(curves) == {
        ("lung", "planted", "abc", "attention", 3, "tf_queries", "truth", "tf_grid", "auroc"),
        ("lung", "baselines", None, "pearson", None, "symmetric", "truth", "tf_grid", "auroc"),
    }
    assert curves.num_rows == 2 * len(FORMS)
    assert set(curves["form"].to_pylist()) == {form.name for form in FORMS}


def test_every_repeat_is_a_point_and_intervals_do_not_count_twice():
    curves = scaling_table(table(rows()), layer_of_model={"planted": 3}).to_pylist()
    n = np.repeat(N_CELLS, 2)
    expected = {fit.form.name: fit for fit in fit_curves(n, np.array([rises(k, r) for k in N_CELLS for r in (0, 1)]))}
    for row in curves:
        fit = expected[row["form"]]
        assert (row["r2"], row["aicc"], row["n_points"]) == pytest.approx((fit.r2, fit.aicc, 12), rel=1e-12)
        assert (row["verdict"], row["errors"]) == (fit.verdict, "independent")


def test_only_the_layer_fixed_in_the_catalog_is_fitted_and_never_the_best_one():
    better = rows(value=lambda n, r: rises(n, r) + 0.1, layer=4)
    metrics = table(rows(), better, rows(model="other"))
    curves = scaling_table(metrics, layer_of_model={"planted": 3, "other": None})
    assert {key[1:5:3] for key in series_of(curves)} == {("planted", 3)}
    (reason,) = left_out(metrics, layer_of_model={"planted": 3, "other": None})
    assert "fixes no layer for other" in reason


def test_a_score_without_a_layer_needs_none():
    metrics = table(rows(model="other", method="token_embedding", layer=None))
    assert scaling_table(metrics, layer_of_model={"other": None}).num_rows > 0
    assert left_out(metrics, layer_of_model={"other": None}) == ()


def test_directions_of_a_model_can_be_narrowed_to_one():
    metrics = table(rows(), rows(direction="tf_keys"), rows(**BASELINE))
    both = scaling_table(metrics, layer_of_model={"planted": 3})
    one = scaling_table(metrics, layer_of_model={"planted": 3}, direction_of_model={"planted": "tf_keys"})
    assert {key[5] for key in series_of(both)} == {"tf_queries", "tf_keys", "symmetric"}
    assert {key[5] for key in series_of(one)} == {"tf_keys", "symmetric"}


def test_other_metrics_single_heads_and_undefined_values_take_no_part():
    metrics = table(
        rows(),
        rows(metric="epr"),
        rows(head=2, value=lambda _n, _r: 0.9),
        rows(repeats=(2,), value=lambda _n, _r: math.nan),
    )
    curves = scaling_table(metrics, layer_of_model={"planted": 3})
    assert curves.equals(scaling_table(table(rows()), layer_of_model={"planted": 3}))


def test_dictionary_encoded_tables_give_the_same():
    metrics = table(rows(), rows(metric="epr"))
    encoded = pa.table(
        {
            name: c.dictionary_encode() if c.type == pa.string() else c
            for name, c in zip(metrics.column_names, metrics.columns, strict=True)
        }
    )
    assert scaling_table(encoded, layer_of_model={"planted": 3}).equals(
        scaling_table(metrics, layer_of_model={"planted": 3})
    )


def luck(n: int, repeat: int, kind: str) -> list[float] | None:
    """Parts of the error of a mean over the first n cells, by ten groups of cells, and by TFs."""
    if kind == "tfs":
        return [0.01, -0.02, 0.015, 0.005]
    if kind != "cells":
        return None
    cells = np.random.default_rng(repeat).normal(0, 0.1, (max(N_CELLS) // 5, 10))  # rows of ten, one of each group
    return (cells[: max(1, n // 10)].mean(0) / 10 - cells[: max(1, n // 10)].mean() / 10).tolist()


def test_points_with_parts_over_cells_hang_together_and_others_are_independent():
    curves = scaling_table(table(rows(kinds=("pairs", "tfs", "cells"), parts=luck)), layer_of_model={"planted": 3})
    assert set(curves["errors"].to_pylist()) == {"nested"}
    some = table(rows(kinds=("pairs",)), rows(kinds=("cells",), parts=luck, n_cells=N_CELLS[:3]))
    assert set(scaling_table(some, layer_of_model={"planted": 3})["errors"].to_pylist()) == {"independent"}


def test_the_interval_for_other_networks_adds_what_tfs_add_to_that_of_other_cells():
    curves = scaling_table(
        table(rows(kinds=("tfs", "cells"), parts=luck, n_cells=(*N_CELLS, 1600))), layer_of_model={"planted": 3}
    )
    row = curves.to_pylist()[0]
    # the TFs move all points alike, so they move the asymptote as much: t of their effective number, squared and added
    parts = np.array(luck(25, 0, "tfs"))
    clusters = (parts @ parts) ** 2 / (parts**4).sum()
    half = stats.t.ppf(0.975, clusters - 1) * np.sqrt(parts @ parts)
    for end in ("lo", "hi"):
        here, there = row[f"curve_asymptote_{end}"], row[f"networks_asymptote_{end}"]
        assert abs(there - row["curve_asymptote"]) == pytest.approx(
            np.hypot(here - row["curve_asymptote"], half), rel=1e-4
        )


def test_repeats_that_share_cells_are_told_from_repeats_that_do_not():
    from scfm_assets.core.curves.series import CellSet, series_of

    (series,) = series_of(table(rows(kinds=("cells",), parts=luck)), {"planted": 3}, {}, ("auroc",))
    apart = {CellSet(n, r): np.arange(n) + 10_000 * r for n in N_CELLS for r in (0, 1)}
    same = {CellSet(n, r): np.arange(n) for n in N_CELLS for r in (0, 1)}
    assert series.points(apart).covariance == pytest.approx(series.points().covariance)
    shared = series.points(same).covariance
    assert shared[0, 1] == pytest.approx(shared[0, 0], rel=1e-4)


def test_fewer_than_four_counts_give_no_row_but_a_reason():
    metrics = table(rows(n_cells=(25, 50, 100)), rows(tissue="kidney"))
    curves = scaling_table(metrics, layer_of_model={"planted": 3})
    assert {key[0] for key in series_of(curves)} == {"kidney"}
    (reason,) = left_out(metrics, layer_of_model={"planted": 3})
    assert reason == "lung: planted has values at 3 n_cells only; a curve needs 4"


def test_a_network_that_leaves_every_value_undefined_gives_no_row_but_a_reason():
    metrics = table(rows(value=lambda _n, _r: math.nan))
    assert scaling_table(metrics, layer_of_model={"planted": 3}).num_rows == 0
    (reason,) = left_out(metrics, layer_of_model={"planted": 3})
    assert "no defined value at layer 3" in reason


def test_an_empty_table_gives_an_empty_table():
    curves = scaling_table(table(), layer_of_model={})
    assert curves.num_rows == 0
    assert curves.schema == SCALING_CURVES.schema
    assert left_out(table(), layer_of_model={}) == ()


def test_the_ceiling_stands_only_beside_what_it_is_a_ceiling_of():
    metrics = table(
        rows(),
        rows(universe="all_pairs"),
        rows(metric="auprc"),
        rows(direction="tf_keys"),
        rows(tissue="kidney"),
        rows(**BASELINE),
    )
    curves = scaling_table(metrics, layer_of_model={"planted": 3}, ceilings={("lung", "planted"): 0.91})
    told = {
        key
        for key, ceiling in zip(
            zip(*(curves[name].to_pylist() for name in KEY), strict=True), curves["ceiling"].to_pylist(), strict=True
        )
        if ceiling is not None
    }
    assert told == {("lung", "planted", "abc", "attention", 3, "tf_queries", "truth", "tf_grid", "auroc")}


def test_curves_pass_the_published_schema():
    from scfm_assets.tables.schema import check_table

    metrics = table(rows(), rows(**BASELINE), rows(value=lambda _n, _r: 0.5, metric="auprc"))
    curves = scaling_table(metrics, layer_of_model={"planted": 3}, ceilings={("lung", "planted"): 0.9})
    assert check_table("scaling_curves", curves).num_rows == curves.num_rows


def test_fitted_asymptote_of_a_planted_curve_brackets_its_known_limit():
    curves = scaling_table(table(rows()), layer_of_model={"planted": 3})
    (row,) = (row for row in curves.to_pylist() if row["form"] == "exponential_saturation")
    assert row["asymptote_lo"] < 0.85 < row["asymptote_hi"]
    assert row["characteristic_n_lo"] < row["characteristic_n"] < row["characteristic_n_hi"]
    assert json.loads(row["parameters"])["b"]["value"] == pytest.approx(1 / row["characteristic_n"])


def test_checks_hold_ceilings_against_bounded_asymptotes_and_count_missed_predictions():
    metrics, one = table(rows(n_cells=(*N_CELLS, 1600))), {"layer_of_model": {"planted": 3}}
    assert ceilings_inside(scaling_table(metrics, **one)) == (True, "no planted control has a curve")
    curves = scaling_table(metrics, **one, ceilings={("lung", "planted"): 0.852})
    assert curves.to_pylist()[0]["curve_asymptote_lo"] < 0.852 < curves.to_pylist()[0]["curve_asymptote_hi"]
    assert ceilings_inside(curves)[0]
    at = curves.schema.get_field_index("ceiling")
    assert not ceilings_inside(curves.set_column(at, "ceiling", pa.array([0.95] * curves.num_rows)))[0]
    assert largest_predicted(curves) == (True, "0 of 1 curves missed")
    at = curves.schema.get_field_index("held_out_inside")
    missed = curves.set_column(at, "held_out_inside", pa.array([False] * curves.num_rows))
    assert largest_predicted(missed)[0]  # one of one says little
    many = pa.concat_tables([missed.set_column(0, "tissue", pa.array([f"t{i}"] * missed.num_rows)) for i in range(3)])
    assert not largest_predicted(many)[0]
