"""What a table of the warehouse is, and the kinds of columns that tables are declared with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import pyarrow as pa

ARROW_TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "bool",
    "TINYINT": "int8",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "TIMESTAMP": "timestamp[us]",
    "JSON": "string",
}
"""DuckDB type -> Arrow type."""

STAMPED = ("tissue", "n_cells", "simulated")
"""Columns that the platform adds to rows that it stores: where in the grid they belong, and whether they are real."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, type
        Its name and DuckDB type: a key of `ARROW_TYPES`, or ``FLOAT[]`` for a list.
    doc
        One sentence.
    nullable
        Whether it may be NULL.
    check
        SQL condition on a row that must not be false; None for no condition.
    """

    name: str
    type: str
    doc: str
    nullable: bool = False
    check: str | None = None


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns, and the columns that tell one row from every other.

    An empty key is not checked (a table of tens of millions of rows that are distinct by construction). Rows that
    differ in a column of `files_by` lie in files of their own: those of every model, checkpoint and network stay side
    by side.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    files_by: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema. Text of a table without a key is dictionary-encoded: it is long and its words are few."""
        import pyarrow as pa

        text = pa.string() if self.key else pa.dictionary(pa.int32(), pa.string())
        types = {c.name: text if c.type == "VARCHAR" else _arrow_type(c.type) for c in self.columns}
        return pa.schema([pa.field(c.name, types[c.name], nullable=c.nullable) for c in self.columns])

    def without(self, *names: str) -> Table:
        """Leave columns out, for rows whose other columns are added later."""
        return replace(
            self,
            columns=tuple(column for column in self.columns if column.name not in names),
            key=tuple(name for name in self.key if name not in names),
        )

    def rows(self, rows: Iterable[Mapping[str, Any]], *, stamped: Iterable[str] = STAMPED) -> pa.Table:
        """Make rows of the table; NaN becomes NULL.

        Parameters
        ----------
        rows
            Column -> value, each with all columns of the table but those that are stamped.
        stamped
            Columns that the platform adds when it stores the rows, where the rows do not have them.

        Raises
        ------
        ValueError
            A row lacks a column, or has one that is not declared.
        """
        import pyarrow as pa

        listed = list(rows)
        schema = self._schema_of({name for row in listed for name in row}, stamped)
        for row in listed:
            self._check(row.keys(), schema)
        plain = [{name: _null_for_nan(value) for name, value in row.items()} for row in listed]
        return pa.Table.from_pylist(plain, schema=schema)

    def from_columns(self, columns: Mapping[str, Any], *, stamped: Iterable[str] = STAMPED) -> pa.Table:
        """Make rows of the table of whole columns, arrays or lists; otherwise as `rows`."""
        import pyarrow as pa

        schema = self._schema_of(columns.keys(), stamped)
        self._check(columns.keys(), schema)
        return pa.table({field.name: _array(columns[field.name], field.type) for field in schema}, schema=schema)

    def _schema_of(self, present: Collection[str], stamped: Iterable[str]) -> pa.Schema:
        import pyarrow as pa

        absent = set(stamped).difference(present)
        return pa.schema([field for field in self.schema if field.name not in absent])

    def _check(self, names: Iterable[str], schema: pa.Schema) -> None:
        if wrong := set(names) ^ set(schema.names):
            message = f"a row of {self.name} lacks or has too much: {', '.join(sorted(wrong))}"
            raise ValueError(message)


def _arrow_type(kind: str) -> pa.DataType:
    """Arrow type of a DuckDB type; ``FLOAT[]`` is a list of ``FLOAT``."""
    import pyarrow as pa

    if kind.endswith("[]"):
        return pa.list_(_arrow_type(kind.removesuffix("[]")))
    return pa.type_for_alias(ARROW_TYPES[kind])


def _array(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(kind)
    return pa.array(values, kind, from_pandas=True)  # NaN becomes NULL


def _null_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def text(name: str, doc: str, *, nullable: bool = False) -> Column:
    """Declare a text, never empty."""
    return Column(name, "VARCHAR", doc, nullable, f"\"{name}\" <> ''")


def one_of(name: str, doc: str, *values: str) -> Column:
    """Declare one of a few words."""
    return Column(name, "VARCHAR", doc, check=f'"{name}" in ({", ".join(map(repr, values))})')


def count(name: str, doc: str, *, least: int = 0, nullable: bool = False, kind: str = "INTEGER") -> Column:
    """Declare a whole number."""
    return Column(name, kind, doc, nullable, f'"{name}" >= {least}')


def share(name: str, doc: str, *, nullable: bool = False) -> Column:
    """Declare a number between 0 and 1."""
    return Column(name, "DOUBLE", doc, nullable, f'"{name}" between 0 and 1')


def number(name: str, doc: str, *, check: str | None = None, nullable: bool = True) -> Column:
    """Declare a finite number."""
    finite = f'isfinite("{name}")'
    return Column(name, "DOUBLE", doc, nullable, f"{finite} and {check}" if check else finite)


def pick(columns: Iterable[Column], *names: str) -> tuple[Column, ...]:
    """Take some of the columns that another table or block declares."""
    return tuple(column for column in columns if column.name in names)


TISSUE = text("tissue", "Tissue of the catalog.")
N_CELLS = count("n_cells", "Cells of each repeat of the slice.", least=1)
REPEAT = count("repeat", "Number of the independent draw of cells, from 0.")
DONORS = count(
    "donors",
    "Donors whose cells these are; NULL where the atlas names none. With fewer than 5, intervals over cells speak of "
    "these donors alone.",
    nullable=True,
)
SIMULATED = Column("simulated", "BOOLEAN", "Whether anything that it was made of is simulated.")
SCORED_BY = (
    text("model", "Model of the catalog, or 'baselines'."),
    text("checkpoint", "First 12 hex digits of the digest of the model's files; NULL for baselines.", nullable=True),
    text("method", "What scores the edges: attention, attention_lift, pearson, ..."),
    count("layer", "Block of the model, from 1 (0: embeddings); NULL where it does not apply.", nullable=True),
    count("head", "Head of the layer; NULL for their mean or where it does not apply.", nullable=True),
    one_of(
        "direction",
        "Which end of an edge is the TF: tf_queries (the attending gene), tf_keys (the attended one), "
        "symmetric (no gene attends).",
        "tf_queries",
        "tf_keys",
        "symmetric",
    ),
)
"""A matrix of scores, and how it is read."""
METHOD = pick(SCORED_BY, "model", "checkpoint", "method", "layer", "direction")
"""A method at a layer of a model, its heads merged."""
NETWORK = (
    text("network", "Reference network that holds the positives."),
    text("network_version", "Version that the catalog or the source gives, or a digest of the edges."),
)
UNIVERSE = text(
    "universe",
    "Candidate pairs that are ranked: all_pairs, tf_grid, observed, expression_matched, common (to all methods).",
)
MEASURED = (
    *NETWORK,
    UNIVERSE,
    text("metric", "auroc, auprc (average precision), auprc_ratio (over base rate), epr (early precision ratio)."),
)
COUNTED = (
    count("n_pos", "Candidate pairs that are edges of the network.", kind="BIGINT"),
    count("n_neg", "Candidate pairs that are not.", kind="BIGINT"),
)
DIFFERENCE = (
    number("lo", "Lower end of the difference's interval.", check='"lo" <= "hi"'),
    number("hi", "Upper end of the difference's interval."),
)
DIFFERS = one_of(
    "verdict",
    "better or worse where the interval excludes 0, else indistinguishable; each row is judged by itself.",
    "better",
    "worse",
    "indistinguishable",
)

MATERIALIZATION = text("materialization", "Id of the materialization that made the row, as in `lineage`.")
"""Stands in every row of every stored table, behind the declared columns; the store writes it."""
