from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import scfm_assets
from scfm_assets.tables.columns import SIMULATED, TISSUE, Table, count, number, text

PACKAGE = Path(scfm_assets.__file__).parent
THING = Table(
    "thing",
    "One row: a thing.",
    (TISSUE, text("name", "Its name."), count("n", "How many."), number("x", "Its x."), SIMULATED),
    key=("name",),
)


def test_rows_have_the_declared_types_and_null_for_nan() -> None:
    table = THING.rows([{"name": "a", "n": np.int64(1), "x": np.float64("nan")}, {"name": "b", "n": 2, "x": 0.5}])
    assert table.schema == THING.without("tissue", "simulated").schema
    assert table.to_pylist() == [{"name": "a", "n": 1, "x": None}, {"name": "b", "n": 2, "x": 0.5}]


def test_whole_columns_make_the_same_rows() -> None:
    columns = {"x": np.array([np.nan, 0.5]), "name": np.array(["a", "b"]), "n": pa.array([1, 2], pa.int64())}
    rows = [{"name": "a", "n": 1, "x": float("nan")}, {"name": "b", "n": 2, "x": 0.5}]
    assert THING.from_columns(columns) == THING.rows(rows)


def test_columns_that_the_platform_adds_may_be_there_in_the_declared_order() -> None:
    (row,) = THING.rows([{"simulated": True, "x": 1.0, "n": 0, "name": "a", "tissue": "lung"}]).to_pylist()
    assert list(row) == [column.name for column in THING.columns]


def test_no_rows_have_the_columns_that_are_not_stamped() -> None:
    assert THING.rows([]).schema == THING.without("tissue", "simulated").schema
    assert THING.rows([], stamped=()).schema == THING.schema


@pytest.mark.parametrize("row", [{"name": "a", "n": 1}, {"name": "a", "n": 1, "x": 1.0, "y": 2}])
def test_a_missing_and_an_undeclared_column_are_refused(row: dict) -> None:
    with pytest.raises(ValueError, match=r"a row of thing lacks or has too much: [xy]"):
        THING.rows([row])
    with pytest.raises(ValueError, match=r"a row of thing lacks or has too much: [xy]"):
        THING.from_columns({name: [value] for name, value in row.items()})


def test_a_table_without_columns_that_its_key_names_has_the_rest_of_the_key() -> None:
    assert Table("t", "One row: t.", THING.columns, ("name", "n")).without("n").key == ("name",)


UNTIL_THEY_ARE_MOVED = ("core/statistics", "studies")
"""Their tables are being moved to declarations; afterwards this list is empty."""


def test_schemas_are_written_nowhere_but_in_the_declarations() -> None:
    """A second schema of a table would have to be kept equal by hand."""
    schema = re.compile(r"\b(?:pa|pyarrow)\.(?:schema|field)\(")
    files = [file for file in PACKAGE.rglob("*.py") if schema.search(file.read_text())]
    written = {file.relative_to(PACKAGE).as_posix() for file in files}
    assert "tables/columns.py" in written
    assert {name for name in written if not name.startswith(("tables/", *UNTIL_THEY_ARE_MOVED))} == set()
