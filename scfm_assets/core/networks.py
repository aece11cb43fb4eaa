"""Reference networks: read, tidied and counted, refused where a spreadsheet or a wrong column spoiled them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from scfm_assets.core.digest import digest_table
from scfm_assets.core.errors import ScfmError
from scfm_assets.core.genes import is_date, undate, unversioned
from scfm_assets.core.network_files import FIELDS, FORMATS, NetworkFormat, read_table, sign_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EDGES = pa.schema(
    [
        pa.field("tf", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("sign", pa.int8(), nullable=False),
        pa.field("confidence", pa.string()),
        pa.field("tissue", pa.string()),
    ]
)
"""One row: one edge. `sign` is 1, -1 or 0 (unknown or contradictory); a null `tissue` means everywhere."""

NAMES = pa.schema([pa.field("network", pa.string(), nullable=False), pa.field("version", pa.string(), nullable=False)])
ROWS = pa.schema([*NAMES, *EDGES])
"""The stored table `networks`."""


@dataclass(frozen=True)
class NetworkSpec:
    """A reference network as a user declares it.

    Parameters
    ----------
    name
        Its name in every table.
    path
        TSV, CSV (both may be gzipped) or Parquet; None for a network that is made, not read.
    format
        A name of `network_files.FORMATS`.
    columns
        Field (`tf`, `target`, `sign`, `confidence`, `tissue`) to column name, where the format's own do not fit.
    organism
        The organism whose genes it names.
    ids
        Whether its genes are symbols or Ensembl ids.
    confidence
        Levels that are kept, e.g. `("A", "B", "C")`; None keeps every edge.
    version, licence
        As the source states them. Without a version the digest of the edges is the version.
    """

    name: str
    path: Path | None = None
    format: str = "table"
    columns: Mapping[str, str] = field(default_factory=dict)
    organism: str = "human"
    ids: Literal["symbol", "ensembl"] = "symbol"
    confidence: tuple[str, ...] | None = None
    version: str | None = None
    licence: str | None = None

    @property
    def place(self) -> str:
        """Where a user finds it: its file, or its name in the catalog."""
        return str(self.path) if self.path else f"network '{self.name}'"


@dataclass(frozen=True)
class NetworkReport:
    """What tidying did: rows in, edges out, and what was dropped or softened on the way.

    Attributes
    ----------
    rows
        Rows of the file.
    filtered
        Rows of a confidence that was not asked for.
    duplicates
        Rows that repeat an edge.
    conflicts
        Edges named both activating and repressing: kept once, with sign 0.
    self_edges
        Edges of a gene to itself: kept in the table, never in a universe.
    edges, tfs, targets
        What is left: distinct edges, TFs and targets.
    """

    rows: int
    filtered: int
    duplicates: int
    conflicts: int
    self_edges: int
    edges: int
    tfs: int
    targets: int

    def as_dict(self) -> dict[str, int]:
        """Give the counts by name."""
        return asdict(self)


@dataclass(frozen=True)
class NetworkTable:
    """A tidied network: `table` has the columns of `EDGES`, one row per edge and tissue, sorted."""

    name: str
    version: str
    digest: str
    organism: str
    ids: Literal["symbol", "ensembl"]
    table: pa.Table
    report: NetworkReport

    def rows(self) -> pa.Table:
        """Give the rows of the stored table `networks`: name and version before the edges."""
        names = [pa.array([text] * self.table.num_rows, pa.string()) for text in (self.name, self.version)]
        return pa.Table.from_arrays([*names, *self.table.columns], schema=ROWS)


def read_network(spec: NetworkSpec) -> NetworkTable:
    """Read and tidy the file of a network.

    Raises
    ------
    ScfmError
        No such file, not a table, a column missing, no rows, an empty gene name, a sign that is none, a confidence
        level that does not occur, or gene symbols turned into dates.
    """
    if spec.path is None:
        raise ScfmError(spec.place, "has no file to read", "Declare `path`.")
    return tidy_network(read_table(spec.path, _format(spec)), spec)


def tidy_network(raw: pa.Table | pd.DataFrame, spec: NetworkSpec) -> NetworkTable:
    """Bring any table of edges into the one form: one row per edge and tissue, signs -1, 0, 1.

    Parameters
    ----------
    raw
        The table as it was read or made.
    spec
        Names its columns and what is kept of it.

    Raises
    ------
    ScfmError
        As `read_network`.
    """
    frame = raw.to_pandas() if isinstance(raw, pa.Table) else raw
    edges = _fields(frame, spec)
    if edges.empty:
        raise ScfmError(spec.place, "has no rows", "A network needs at least one edge.")
    _refuse_empty_names(edges, spec)
    _refuse_dates(edges, spec)
    kept = _of_confidence(edges, spec)
    tidy, conflicts = _one_row_per_edge(kept)
    table = pa.Table.from_pandas(tidy, schema=EDGES, preserve_index=False).replace_schema_metadata()
    report = NetworkReport(
        rows=len(frame),
        filtered=len(edges) - len(kept),
        duplicates=len(kept) - len(tidy),
        conflicts=conflicts,
        self_edges=int((tidy["tf"] == tidy["target"]).sum()),
        edges=len(tidy),
        tfs=len(set(tidy["tf"])),
        targets=len(set(tidy["target"])),
    )
    digest = digest_table(table)
    return NetworkTable(spec.name, spec.version or digest[:12], digest, spec.organism, spec.ids, table, report)


def network_of_rows(rows: pa.Table, spec: NetworkSpec) -> NetworkTable:
    """Give a network back from its rows of the stored table `networks`; they were filtered when they were stored."""
    frame = rows.to_pandas()
    own = frame[frame["network"] == spec.name]
    if own.empty:
        place, stored = f"network '{spec.name}'", ", ".join(sorted(frame["network"].astype(str).unique())) or "none"
        raise ScfmError(place, "has no stored rows", f"Stored: {stored}.")
    same = NetworkSpec(spec.name, organism=spec.organism, ids=spec.ids, version=str(own["version"].iloc[0]))
    return tidy_network(own, same)


def _format(spec: NetworkSpec) -> NetworkFormat:
    for known in FORMATS:
        if known.name == spec.format:
            return known
    place, allowed = f"network '{spec.name}'", ", ".join(known.name for known in FORMATS)
    raise ScfmError(place, f"format '{spec.format}' is unknown", f"Allowed: {allowed}.")


def _columns(present: list[str], spec: NetworkSpec) -> dict[str, str | None]:
    """Find the column of each field, None for a field that the file does not tell."""
    form = _format(spec)
    place, unknown = f"network '{spec.name}'", sorted(set(spec.columns) - set(FIELDS))
    if unknown:
        raise ScfmError(place, f"`columns` names the field '{unknown[0]}'", f"Allowed: {', '.join(FIELDS)}.")
    found = {}
    for name in FIELDS:
        wanted = (spec.columns[name],) if name in spec.columns else getattr(form, name)
        found[name] = next((column for column in wanted if column in present), None)
        if found[name] is None and (name in {"tf", "target"} or name in spec.columns):
            problem = f"column {' or '.join(map(repr, wanted))} (the {name}) is missing"
            remedy = f"Present: {', '.join(map(repr, present))}. Say under `columns` which one is the {name}."
            raise ScfmError(spec.place, problem, remedy)
    return found


def _fields(frame: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
    columns = _columns([str(name) for name in frame.columns], spec)
    absent = np.full(len(frame), None, dtype=object)
    fields = {name: _each(frame[column].to_numpy(), _text) if column else absent for name, column in columns.items()}
    if spec.ids == "ensembl":
        fields |= {name: _each(fields[name], unversioned) for name in ("tf", "target")}
    signs = _each(fields["sign"], sign_of, missing=0)
    bad = np.flatnonzero(pd.isna(signs))
    if len(bad):
        problem = f"column '{columns['sign']}' holds '{fields['sign'][bad[0]]}' (row {bad[0] + 1}), which is no sign"
        remedy = "Allowed: a number (its sign counts), Activation, Repression, Unknown, +, - or nothing."
        raise ScfmError(spec.place, problem, remedy)
    return pd.DataFrame({**fields, "sign": signs.astype(np.int8)})


def _text(value: Any) -> str | None:
    """Give trimmed text, None for an empty one."""
    return str(value).strip() or None


def _each(values: np.ndarray, change: Callable[[Any], Any], *, missing: Any = None) -> np.ndarray:
    """Change every distinct value once; what is not there becomes `missing`."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    return np.array([*map(change, distinct), missing], dtype=object)[codes]


def _refuse_empty_names(edges: pd.DataFrame, spec: NetworkSpec) -> None:
    for name in ("tf", "target"):
        empty = np.flatnonzero(edges[name].isna())
        if len(empty):
            problem = f"the {name} is empty in {len(empty)} of {len(edges)} rows (first: row {empty[0] + 1})"
            raise ScfmError(spec.place, problem, "Every edge needs a TF and a target: complete or remove these rows.")


def _refuse_dates(edges: pd.DataFrame, spec: NetworkSpec) -> None:
    for name in ("tf", "target"):
        rows = np.flatnonzero(_each(edges[name].to_numpy(), is_date).astype(bool))
        if len(rows):
            dates = edges[name].to_numpy()[rows]
            shown = ", ".join(f"'{date}' in row {row + 1}" for date, row in zip(dates[:5], rows[:5], strict=True))
            problem = f"{len(rows)} names of the {name} are dates: {shown}{', ...' if len(rows) > 5 else ''}"
            before = " or ".join(undate(dates[0])) or "a gene symbol"
            remedy = (
                f"A spreadsheet made dates of gene symbols ('{dates[0]}' was {before}), and they cannot be "
                "told back with certainty: take the source's own file, or put the symbols back."
            )
            raise ScfmError(spec.place, problem, remedy)


def _of_confidence(edges: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
    if spec.confidence is None:
        return edges
    present = edges["confidence"].value_counts().sort_index()
    missing = [level for level in spec.confidence if level not in present.index]
    if missing:
        levels = ", ".join(f"{level} ({count} edges)" for level, count in present.items()) or "no confidence at all"
        remedy = f"Present: {levels}. Change `confidence` of network '{spec.name}'."
        raise ScfmError(spec.place, f"no edge has confidence '{missing[0]}'", remedy)
    return edges.take(np.flatnonzero(edges["confidence"].isin(spec.confidence)))


def _one_row_per_edge(edges: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Merge repeated edges: an unknown sign yields to a known one, opposite signs give 0, the best letter stays."""
    best_first = edges.sort_values(["tf", "target", "tissue", "confidence"], kind="stable")
    groups = best_first.groupby(["tf", "target", "tissue"], dropna=False, sort=False)
    low, high = groups["sign"].min().to_numpy(), groups["sign"].max().to_numpy()
    tidy = best_first.drop_duplicates(["tf", "target", "tissue"]).reset_index(drop=True)
    return tidy.assign(sign=np.sign(low + high).astype(np.int8)), int(((low < 0) & (high > 0)).sum())
