from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.tables.schema import TABLES, arrow_schema, check_table, ddl, table_named

METRIC_ROW = {
    "tissue": "lung", "n_cells": 25, "repeat": 0, "model": "planted", "checkpoint": "0123456789ab",
    "method": "attention", "layer": 2, "head": None, "direction": "tf_queries", "network": "truth",
    "network_version": "1", "universe": "tf_grid", "metric": "auroc", "value": 0.9, "lo": 0.85, "hi": 0.95,
    "interval": "pairs", "resamples": 100, "donors": None, "n_pos": 10, "n_neg": 90, "base_rate": 0.1,
    "pair_coverage": 0.5, "positive_coverage": 1.0, "parts": None, "simulated": True,
}  # fmt: skip


def metrics(*changes: dict) -> pa.Table:
    """Rows like METRIC_ROW with changes; repeats make the keys distinct."""
    rows = [METRIC_ROW | {"repeat": i} | change for i, change in enumerate(changes or [{}])]
    return pa.table({name: [row[name] for row in rows] for name in METRIC_ROW})


def refused(rows: pa.Table, name: str = "metrics") -> ScfmError:
    with pytest.raises(ScfmError) as caught:
        check_table(name, rows)
    return caught.value


def edges(n: int, *, encoded: bool) -> pa.Table:
    def words(*some: str) -> pa.Array:
        drawn = pa.DictionaryArray.from_arrays(pa.array(np.arange(n) % len(some), pa.int16()), pa.array(some))
        return drawn if encoded else drawn.cast(pa.string())

    return pa.table(
        {
            "score": np.linspace(0, 1, n, dtype=np.float32),
            "tissue": words("lung"),
            "n_cells": np.full(n, 25),
            "repeat": np.zeros(n, np.int8),
            "model": words("planted"),
            "checkpoint": words("0123456789ab"),
            "method": words("attention", "attention_lift"),
            "layer": np.ones(n, np.int32),
            "head": pa.nulls(n),
            "direction": words("tf_queries", "tf_keys"),
            "tf": words(*map("T{}".format, range(100))),
            "target": words(*map("G{}".format, range(1000))),
            "n_cells_seen": np.arange(n),
            "simulated": np.ones(n, bool),
        }
    )


def test_every_declared_table_is_valid_ddl_with_a_sentence_for_all():
    with duckdb.connect() as con:
        for name, table in TABLES.items():
            con.execute(ddl(table))
            described = con.execute(f'describe "{name}"').fetchall()
            assert [(c.name, c.type, "YES" if c.nullable else "NO") for c in table.columns] == [
                row[:3] for row in described
            ]
            assert set(table.key) <= {column.name for column in table.columns}
            assert table.doc.startswith("One row: ")
            assert all(column.doc.endswith(".") for column in table.columns)


def test_the_columns_that_the_readme_promises_are_there():
    assert [column.name for column in TABLES["metrics"].columns] == list(METRIC_ROW)
    promised = (
        "tissue model checkpoint method layer direction network universe metric form parameters r2 aicc weight loo_rmse"
    )
    more = (
        "asymptote asymptote_lo asymptote_hi characteristic_n characteristic_n_lo characteristic_n_hi verdict chance "
        "errors formula n_points ceiling simulated curve_asymptote curve_asymptote_lo curve_asymptote_hi curve_n "
        "curve_n_lo curve_n_hi networks_asymptote_lo networks_asymptote_hi change change_lo change_hi change_p is_flat "
        "conclusion largest_n largest_n_value held_out held_out_lo held_out_hi held_out_inside"
    )
    assert {column.name for column in TABLES["scaling_curves"].columns} == set(promised.split()) | set(more.split())


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_gets_the_declared_types(name):
    checked = check_table(name, pa.table({column.name: pa.nulls(0) for column in TABLES[name].columns}))
    assert checked.schema == arrow_schema(name)


@pytest.mark.parametrize("name", TABLES)
def test_the_arrow_schema_is_what_duckdb_makes_of_the_ddl(name):
    with duckdb.connect() as con:
        con.execute(ddl(TABLES[name]))
        arrow = con.sql(f'from "{name}"').to_arrow_table().schema
    for field, made in zip(arrow_schema(name), arrow, strict=True):
        wanted = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        assert (field.name, wanted) == (made.name, made.type)


def test_good_rows_come_back_in_the_declared_order_and_types():
    rows = metrics({}, {"layer": None, "checkpoint": None, "model": "baselines"})
    shuffled = rows.select(sorted(rows.column_names))
    checked = check_table("metrics", shuffled)
    assert checked.schema == arrow_schema("metrics")
    assert checked.to_pylist() == rows.to_pylist()
    assert check_table("metrics", checked) == checked


def test_whole_floats_fit_integers_and_dictionaries_fit_text():
    rows = metrics()
    rows = rows.set_column(rows.column_names.index("n_cells"), "n_cells", pa.array([25.0]))
    rows = rows.set_column(
        rows.column_names.index("tissue"), "tissue", pa.array(["lung"], pa.large_string()).dictionary_encode()
    )
    rows = rows.set_column(rows.column_names.index("value"), "value", pa.array([0.5], pa.float32()))
    checked = check_table("metrics", rows)
    assert (checked["n_cells"][0].as_py(), checked["tissue"][0].as_py(), checked["value"][0].as_py()) == (
        25,
        "lung",
        0.5,
    )


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("tissue", None, "table metrics, column tissue: 1 of 3 rows are NULL (first: row 1)"),
        ("tissue", "", "table metrics, column tissue: 1 of 3 rows are not allowed (first: '' in row 1)"),
        ("direction", "up", "table metrics, column direction: 1 of 3 rows are not allowed (first: 'up' in row 1)"),
        ("interval", "genes", "column interval: 1 of 3 rows are not allowed (first: 'genes' in row 1)"),
        ("n_cells", 0, "column n_cells: 1 of 3 rows are not allowed (first: 0 in row 1)"),
        ("n_cells", 2**31, "column n_cells: holds int64 that do not fit INTEGER"),
        ("value", float("nan"), "column value: 1 of 3 rows are not allowed (first: nan in row 1)"),
        ("value", float("inf"), "column value: 1 of 3 rows are not allowed (first: inf in row 1)"),
        ("value", -0.5, "column value: 1 of 3 rows are not allowed (first: -0.5 in row 1)"),
        ("lo", 0.99, "column lo: 1 of 3 rows are not allowed (first: 0.99 in row 1)"),
        ("base_rate", 0.2, "column base_rate: 1 of 3 rows are not allowed (first: 0.2 in row 1)"),
        ("pair_coverage", 1.5, "column pair_coverage: 1 of 3 rows are not allowed (first: 1.5 in row 1)"),
        ("layer", -1, "column layer: 1 of 3 rows are not allowed (first: -1 in row 1)"),
    ],
)
def test_a_bad_value_is_told_with_its_column_and_row(column, value, told):
    assert told in str(refused(metrics({}, {column: value}, {})))


def test_what_is_allowed_is_told():
    assert "Allowed: \"direction\" in ('tf_queries', 'tf_keys', 'symmetric')" in str(
        refused(metrics({"direction": "up"}))
    )


def test_values_of_another_kind_are_refused_and_not_converted():
    rows = metrics()
    for column, values, told in [
        ("n_cells", pa.array(["25"]), "holds string where INTEGER is declared"),
        ("n_cells", pa.array([25.5]), "holds double that do not fit INTEGER"),
        ("simulated", pa.array([1]), "holds int64 where BOOLEAN is declared"),
        ("tissue", pa.array([5]), "holds int64 where VARCHAR is declared"),
        ("value", pa.array([True]), "holds bool where DOUBLE is declared"),
    ]:
        error = refused(rows.set_column(rows.column_names.index(column), column, values))
        assert error.place == f"table metrics, column {column}"
        assert told in error.problem


def test_missing_unknown_and_repeated_columns_are_refused():
    rows = metrics()
    assert refused(rows.drop(["value", "lo"])).problem == "column value, lo is missing"
    assert refused(rows.append_column("extra", [[1]])).problem == "column extra is not declared"
    assert refused(rows.append_column("value", [[1.0]])).problem == "column value occurs twice"


def test_a_table_that_is_not_declared_is_refused():
    assert "Declared are: metrics, scaling_curves" in str(refused(metrics(), "metric"))
    with pytest.raises(ScfmError, match="table x: is not declared"):
        table_named("x")


def test_two_rows_of_one_key_are_refused_even_where_the_key_holds_null():
    error = refused(metrics({}, {}, {"repeat": 1, "value": 0.86}))
    assert "1 keys occur more than once" in error.problem
    assert "repeat=1" in error.problem
    assert "head=None" in error.problem
    assert "2 rows" in error.problem
    check_table("metrics", metrics({}, {"repeat": 0, "head": 3}, {"repeat": 0, "interval": "tfs"}))


def test_parameters_are_a_json_object():
    row = dict.fromkeys(column.name for column in TABLES["scaling_curves"].columns)
    row |= {"tissue": "a", "model": "m", "method": "x", "direction": "tf_keys", "network": "n", "universe": "u"}
    row |= {
        "metric": "auroc",
        "errors": "nested",
        "conclusion": "best: log",
        "is_flat": False,
        "largest_n": 100,
        "largest_n_value": 0.6,
        "form": "log",
        "formula": "c + a ln(n)",
        "n_points": 4,
        "verdict": "best",
    }
    row |= {"simulated": False, "parameters": '{"a": {"value": 1.0, "lo": null, "hi": null}}'}
    assert check_table("scaling_curves", pa.Table.from_pylist([row])).num_rows == 1
    for wrong in ("[1]", "{", "a"):
        error = refused(pa.Table.from_pylist([row | {"parameters": wrong}]), "scaling_curves")
        assert error.place == "table scaling_curves, column parameters"
        assert repr(wrong) in error.problem


@pytest.mark.parametrize("encoded", [True, False])
def test_long_tables_keep_their_words_dictionary_encoded(encoded):
    rows = edges(3000, encoded=encoded)
    checked = check_table("edge_scores", rows)
    assert checked.schema == arrow_schema("edge_scores")
    assert pa.types.is_dictionary(checked.schema.field("tf").type)
    for name in rows.column_names:
        assert checked[name].to_pylist() == rows[name].to_pylist()


def test_chunks_with_dictionaries_of_their_own_are_kept_apart():
    one, two = edges(10, encoded=True), edges(10, encoded=True).slice(5)
    two = two.set_column(two.column_names.index("tf"), "tf", pa.array(["Z", "Y", "Z", None, "X"]).dictionary_encode())
    both = pa.concat_tables([one.cast(one.schema), two.cast(one.schema)])
    assert "1 of 15 rows are NULL (first: row 13)" in str(refused(both, "edge_scores"))


def test_the_row_is_found_in_long_tables():
    rows = edges(300_000, encoded=True)
    score = rows["score"].to_numpy().copy()
    score[[250_123, 290_000]] = np.nan
    error = refused(rows.set_column(0, "score", [score]), "edge_scores")
    assert "2 of 300,000 rows are not allowed (first: nan in row 250123)" in error.problem
