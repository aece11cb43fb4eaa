"""The one grid, tissue x n_cells, and how its slices depend on each other. Only this file knows partition keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import dagster as dg


class Space(Enum):
    """What one partition of an asset stands for."""

    WHOLE = "whole"
    TISSUE = "tissue"
    SLICE = "slice"


@dataclass(frozen=True, order=True)
class Slice:
    """One tissue at one number of cells."""

    tissue: str
    n_cells: int

    @property
    def key(self) -> dg.MultiPartitionKey:
        """Dagster's key. Its text is ``"<n_cells>|<tissue>"``: Dagster orders dimensions by name."""
        return dg.MultiPartitionKey({"tissue": self.tissue, "n_cells": str(self.n_cells)})


@dataclass(frozen=True)
class Place:
    """Where an asset is materialized: nowhere in particular, in a tissue, or in a slice."""

    tissue: str | None = None
    n_cells: int | None = None

    @property
    def key(self) -> str | None:
        """The partition key, or None for an asset without partitions."""
        if self.tissue is None:
            return None
        return self.tissue if self.n_cells is None else Slice(self.tissue, self.n_cells).key

    @property
    def folders(self) -> tuple[str, ...]:
        """Hive-style path parts, as ``("tissue=blood", "n_cells=200")``."""
        named = (("tissue", self.tissue), ("n_cells", self.n_cells))
        return tuple(f"{name}={value}" for name, value in named if value is not None)

    def __str__(self) -> str:
        parts = [self.tissue or "", "" if self.n_cells is None else f"n={self.n_cells}"]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Grid:
    """The slices of one catalog: every tissue at every number of cells."""

    tissues: tuple[str, ...]
    counts: tuple[int, ...]

    @cached_property
    def by_tissue(self) -> dg.StaticPartitionsDefinition:
        """One partition for each tissue."""
        return dg.StaticPartitionsDefinition(list(self.tissues))

    @cached_property
    def by_slice(self) -> dg.MultiPartitionsDefinition:
        """One partition for each tissue and number of cells."""
        counts = dg.StaticPartitionsDefinition([str(n) for n in self.counts])
        return dg.MultiPartitionsDefinition({"tissue": self.by_tissue, "n_cells": counts})

    def definition(self, space: Space) -> dg.PartitionsDefinition | None:
        """Dagster's definition of a space, None for assets without partitions."""
        return {Space.WHOLE: None, Space.TISSUE: self.by_tissue, Space.SLICE: self.by_slice}[space]

    def places(self, space: Space) -> list[Place]:
        """Every place of a space, tissue by tissue, small slices first."""
        if space is Space.WHOLE:
            return [Place()]
        if space is Space.TISSUE:
            return [Place(tissue) for tissue in self.tissues]
        return [Place(tissue, n) for tissue in self.tissues for n in self.counts]

    def parse(self, key: str | None) -> Place:
        """Turn a partition key back into a place."""
        if key is None:
            return Place()
        if key in self.tissues:
            return Place(key)
        dimensions = self.by_slice.get_partition_key_from_str(key).keys_by_dimension
        return Place(dimensions["tissue"], int(dimensions["n_cells"]))

    def base_of(self, n_cells: int) -> int:
        """Next smaller number of cells, which the increment of `n_cells` builds on; 0 for the smallest."""
        return max((n for n in self.counts if n < n_cells), default=0)


class Relation(Enum):
    """Which places of an input one place of an asset reads."""

    SAME = "same"
    """The same place, or the place's tissue if the input knows only tissues, or the whole input."""

    UP_TO = "up_to"
    """All slices of the tissue with at most as many cells."""

    ALL = "all"
    """Everything of the input that lies within the place: all slices of a tissue, or all there is."""

    def upstream(self, grid: Grid, place: Place, space: Space) -> list[Place]:
        """List the places read of an input that lives in `space`."""
        if space is Space.WHOLE:
            return [Place()]
        if self is Relation.UP_TO:
            return [Place(place.tissue, n) for n in grid.counts if place.n_cells is not None and n <= place.n_cells]
        if self is Relation.SAME:
            return [Place(place.tissue) if space is Space.TISSUE else place]
        return [p for p in grid.places(space) if place.tissue in (None, p.tissue)]

    def mapping(self, grid: Grid, here: Space, space: Space) -> dg.PartitionMapping | None:
        """Dagster's mapping for the same relation, built-in ones only: the daemon silently drops custom subclasses."""
        if space is Space.WHOLE or here is Space.WHOLE:
            return None
        if self is Relation.UP_TO:
            at_least = {str(n): [str(m) for m in grid.counts if m >= n] for n in grid.counts}
            return dg.MultiPartitionMapping(
                {
                    "tissue": dg.DimensionPartitionMapping("tissue", dg.IdentityPartitionMapping()),
                    "n_cells": dg.DimensionPartitionMapping("n_cells", dg.StaticPartitionMapping(at_least)),
                }
            )
        if here is not space:
            return dg.MultiToSingleDimensionPartitionMapping("tissue")
        return dg.IdentityPartitionMapping()
