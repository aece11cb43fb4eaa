"""Reference networks: read, tidied and counted, refused where a spreadsheet or a wrong column spoiled them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from scfm_assets.core.base import digest_table
from scfm_assets.core.genes import GeneTable, read_gene_table
from scfm_assets.core.networks.files import read_table
from scfm_assets.core.networks.rows import (
    IDS,
    fields_of,
    format_of,
    ids_of,
    of_confidence,
    one_row_per_edge,
    refuse_dates,
    refuse_empty_names,
    rows_where,
    with_ids,
    without_dates,
)
from scfm_assets.core.networks.spec import NetworkSpec
from scfm_assets.errors import ScfmError
from scfm_assets.tables.networks import NETWORKS

if TYPE_CHECKING:
    import pandas as pd

EDGES = NETWORKS.without("network", "version")
"""Edges before they are stored: name and version of their network are the same in all rows."""


@dataclass(frozen=True)
class NetworkReport:
    """What tidying did: rows in, edges out, and what was dropped or softened on the way.

    Attributes
    ----------
    rows
        Rows of the file.
    filtered
        Rows that `where` or `confidence` does not ask for.
    dates_repaired, dates_dropped
        Names that were dates and became genes again; rows that were left out because of one.
    named_by_table
        Distinct names to which the gene table gives an id.
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
    dates_repaired: int
    dates_dropped: int
    named_by_table: int
    duplicates: int
    conflicts: int
    self_edges: int
    edges: int
    tfs: int
    targets: int

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
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
        """Rows of the table `networks`: the edges with the network's name and version."""
        names = {"network": [self.name] * self.table.num_rows, "version": [self.version] * self.table.num_rows}
        return NETWORKS.from_columns({**names, **dict(zip(self.table.column_names, self.table.columns, strict=True))})


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
    return tidy_network(read_table(spec.path, format_of(spec)), spec)


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
    table = read_gene_table(spec.gene_table, spec.organism) if spec.gene_table else GeneTable()
    return _tidied(raw.to_pandas() if isinstance(raw, pa.Table) else raw, spec, table)


def _tidied(raw: pd.DataFrame, spec: NetworkSpec, table: GeneTable) -> NetworkTable:
    frame = raw.reset_index(drop=True)  # numbers of rows, for errors
    edges = fields_of(rows_where(frame, spec), spec)
    if edges.empty:
        raise ScfmError(spec.place, "has no rows", "A network needs at least one edge.")
    refuse_empty_names(edges, spec)
    if spec.dates == "refuse":
        refuse_dates(edges, spec)
    chosen = of_confidence(edges, spec)
    kept, repaired = without_dates(chosen, spec)
    tidy, conflicts = one_row_per_edge(kept)
    named = with_ids(tidy, table)
    known = ids_of(named)
    report = NetworkReport(
        rows=len(frame),
        filtered=len(frame) - len(chosen),
        dates_repaired=repaired,
        dates_dropped=len(chosen) - len(kept),
        named_by_table=len(known),
        duplicates=len(kept) - len(tidy),
        conflicts=conflicts,
        self_edges=int((tidy["tf"] == tidy["target"]).sum()),
        edges=len(tidy),
        tfs=len(set(tidy["tf"])),
        targets=len(set(tidy["target"])),
    )
    edges_by_name = EDGES.from_columns({name: named[name] for name in EDGES.schema.names})
    # Without ids their columns say nothing, and the digest is that of the edges as they are named.
    digest = digest_table(edges_by_name if known else edges_by_name.drop_columns(list(IDS.values())))
    return NetworkTable(spec.name, spec.version or digest[:12], digest, spec.organism, spec.ids, edges_by_name, report)


def network_of_rows(rows: pa.Table, spec: NetworkSpec) -> NetworkTable:
    """A network, made again of its rows of the stored table `networks`; they were filtered when they were stored."""
    frame = rows.to_pandas()
    stored_rows = frame[frame["network"] == spec.name]
    if stored_rows.empty:
        place, stored = f"network '{spec.name}'", ", ".join(sorted(frame["network"].astype(str).unique())) or "none"
        raise ScfmError(place, "has no stored rows", f"Stored: {stored}.")
    same = NetworkSpec(spec.name, organism=spec.organism, ids=spec.ids, version=str(stored_rows["version"].iloc[0]))
    return _tidied(stored_rows, same, GeneTable(id_of=ids_of(stored_rows)))
