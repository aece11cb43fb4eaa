"""A reference network as a user declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


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
    where
        Column to the values that are kept of it: one network out of a file of several.
    gene_table
        Names of genes and their ids, as for an atlas: by it former symbols meet the panel's genes, and nothing that
        is met without it is lost.
    dates
        Symbols that a spreadsheet turned into dates: refused, repaired where one gene only can be meant and else
        dropped, or dropped.
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
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gene_table: Path | None = None
    dates: Literal["refuse", "repair", "drop"] = "refuse"
    version: str | None = None
    licence: str | None = None

    @property
    def place(self) -> str:
        """Where a user finds it: its file, or its name in the catalog."""
        return str(self.path) if self.path else f"network '{self.name}'"
