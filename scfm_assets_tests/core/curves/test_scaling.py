from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pytest

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
    "simulated": pa.bool_(),
}


def rises(n: int, repeat: int) -> float:
    return 0.55 + 0.3 * (1 - math.exp(-0.006 * n)) + 0.01 * math.cos(3 * n + 5 * repeat)


def rows(value=rises, n_cells=N_CELLS, repeats=(0, 1), kinds=("pairs", "tfs"), width=lambda _n, _kind: 0.02, **fixed):
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
        "simulated": True,
        **fixed,
    }
    return [
        named
        | {"n_cells": n, "repeat": r, "value": (v := value(n, r)), "interval": kind}
        | {"lo": v - width(n, kind) / 2, "hi": v + width(n, kind) / 2}
        for n, r, kind in itertools.product(n_cells, repeats, kinds)
    ]


def table(*parts) -> pa.Table:
    return pa.Table.from_pylist([row for part in parts for row in part], schema=pa.schema(list(TYPES.items())))


BASELINE = {"model": "baselines", "checkpoint": None, "method": "pearson", "layer": None, "direction": "symmetric"}


def series_of(curves: pa.Table) -> set[tuple]:
    return set(zip(*(curves[name].to_pylist() for name in KEY), strict=True))


def test_every_series_gets_one_row_per_form_and_weighting():
    curves = scaling_table(table(rows(), rows(**BASELINE)), layer_of_model={"planted": 3})
    assert curves.schema == SCALING_CURVES.schema
    assert series_of(curves) == {
        ("lung", "planted", "abc", "attention", 3, "tf_queries", "truth", "tf_grid", "auroc"),
        ("lung", "baselines", None, "pearson", None, "symmetric", "truth", "tf_grid", "auroc"),
    }
    assert curves.num_rows == 2 * 2 * len(FORMS)
    assert set(curves["form"].to_pylist()) == {form.name for form in FORMS}


def test_points_are_the_means_over_repeats_and_intervals_do_not_count_twice():
    curves = scaling_table(table(rows()), layer_of_model={"planted": 3}).to_pylist()
    means = np.array([(rises(n, 0) + rises(n, 1)) / 2 for n in N_CELLS])
    expected = {fit.form.name: fit for fit in fit_curves(np.array(N_CELLS), means)}
    for row in curves:
        if row["weighting"] == "none":
            fit = expected[row["form"]]
            assert (row["r2"], row["aicc"], row["n_points"]) == pytest.approx((fit.r2, fit.aicc, 6), rel=1e-12)
            assert row["verdict"] == fit.verdict


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


def weighted(curves: pa.Table, form: str = "linear") -> dict:
    (row,) = (row for row in curves.to_pylist() if row["weighting"] == "variance" and row["form"] == form)
    return row


def test_weights_come_from_the_intervals_over_tfs_where_every_point_has_them():
    def width(n, kind):
        return 0.3 / math.sqrt(n) if kind == "tfs" else 0.001 * n

    def expected(kind):
        means = np.array([(rises(n, 0) + rises(n, 1)) / 2 for n in N_CELLS])
        return fit_curves(np.array(N_CELLS), means, np.array([width(n, kind) for n in N_CELLS]))[0]

    both = scaling_table(table(rows(width=width)), layer_of_model={"planted": 3})
    assert weighted(both)["r2"] == pytest.approx(expected("tfs").r2, rel=1e-9)
    some = table(rows(width=width, kinds=("pairs",)), rows(width=width, kinds=("tfs",), n_cells=N_CELLS[:3]))
    curves = scaling_table(some, layer_of_model={"planted": 3})
    assert weighted(curves)["r2"] == pytest.approx(expected("pairs").r2, rel=1e-9)


def test_without_intervals_the_weights_are_the_shrunken_spread_of_the_repeats():
    values = {(n, r): rises(n, 0) + (0.02 if n < 150 else 0.001) * r for n in N_CELLS for r in (0, 1, 2)}
    plain = rows(value=lambda n, r: values[n, r], repeats=(0, 1, 2), kinds=(None,))
    metrics = table([row | {"lo": None, "hi": None} for row in plain])
    own = np.array([np.var([values[n, r] for r in (0, 1, 2)], ddof=1) for n in N_CELLS])
    shrunk = (4 * own.mean() + 2 * own) / 6
    means = np.array([np.mean([values[n, r] for r in (0, 1, 2)]) for n in N_CELLS])
    expected = fit_curves(np.array(N_CELLS), means, np.sqrt(shrunk))[0]
    assert weighted(scaling_table(metrics, layer_of_model={"planted": 3}))["r2"] == pytest.approx(expected.r2, rel=1e-9)


def test_one_repeat_without_intervals_is_fitted_with_equal_weights_only():
    metrics = table([row | {"lo": None, "hi": None} for row in rows(repeats=(0,), kinds=(None,))])
    curves = scaling_table(metrics, layer_of_model={"planted": 3})
    assert set(curves["weighting"].to_pylist()) == {"none"}


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
    row = weighted(curves, "exponential_saturation")
    assert row["asymptote_lo"] < 0.85 < row["asymptote_hi"]
    assert json.loads(row["parameters"])["b"]["value"] == pytest.approx(1 / row["characteristic_n"])
