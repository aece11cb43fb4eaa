"""From rows of the table `metrics` to the points of each curve, their covariance, and what a network lends them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scfm_assets.core.curves.fit import MIN_POINTS
from scfm_assets.core.curves.least_squares import Points
from scfm_assets.core.curves.network import NETWORK, NetworkParts
from scfm_assets.core.curves.noise import Deviations, nested_noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KEY = ("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric")
CELLS = ("donors", "cells")
"""Kinds of intervals whose parts tell how points hang together by their cells: other donors' if they are known."""


class CellSet(NamedTuple):
    """The cells that a point was made of: so many of one repeat."""

    n_cells: int
    repeat: int


class Parts(NamedTuple):
    """Parts of the error of one value by unit, and how many independent units there are."""

    of_units: np.ndarray
    units: int


Cells = dict[CellSet, np.ndarray]
"""Cells of each set, by number."""


@dataclass(frozen=True)
class Series:
    """One metric of one method over n_cells; every repeat is a point."""

    key: tuple[Any, ...]
    """Values of `KEY`."""
    values: Mapping[CellSet, float]
    parts: Mapping[str, Mapping[CellSet, Parts]]
    """Kind of interval to the parts of each value's error."""
    simulated: bool

    @property
    def places(self) -> list[CellSet]:
        """All points, by cells and repeat."""
        return sorted(self.values)

    @property
    def counts(self) -> np.ndarray:
        """Different numbers of cells."""
        return np.unique([place.n_cells for place in self.values])

    @property
    def has_curve(self) -> bool:
        """Whether there are enough different numbers of cells."""
        return len(self.counts) >= MIN_POINTS

    def points(self, cells: Cells | None = None) -> Points:
        """Give the points with the covariance that groups of cells tell, or as independent ones where they do not.

        Parameters
        ----------
        cells
            Cells of each set; where None repeats share none.
        """
        places = self.places
        n = np.array([place.n_cells for place in places], float)
        y = np.array([self.values[place] for place in places])
        deviations = self._deviations()
        noise = nested_noise(deviations)
        if noise is None:
            return Points(n, y, np.eye(len(n)))
        freedom = sum(of_repeat.freedom for of_repeat in deviations)
        return Points(n, y, noise.covariance(n, _shared(places, cells)), freedom)

    def network(self) -> NetworkParts | None:
        """Give the parts of every point's error that other TFs and targets are; None where some point has none."""
        if (rows := self._rows(NETWORK, self.places)) is not None:
            return NetworkParts.of_thirds(rows)
        of_tfs = self._rows("tfs", self.places)
        return None if of_tfs is None else NetworkParts({"tfs": of_tfs})

    def _rows(self, kind: str, places: Sequence[CellSet]) -> np.ndarray | None:
        """Parts of points by unit, (points, units); None unless all have the same units."""
        of_points = self.parts.get(kind, {})
        if any(place not in of_points for place in places):
            return None
        rows = [of_points[place].of_units for place in places]
        return np.array(rows) if len({len(row) for row in rows}) == 1 else None

    def _deviations(self) -> list[Deviations]:
        """Parts over groups of cells, by repeat; nothing unless every point has them."""
        for kind in CELLS:
            repeats = []
            for repeat in sorted({place.repeat for place in self.values}):
                places = [place for place in self.places if place.repeat == repeat]
                rows = self._rows(kind, places)
                if rows is None:
                    break
                n = np.array([place.n_cells for place in places], float)
                freedom = min(self.parts[kind][place].units for place in places) - 1
                repeats.append(Deviations(n, rows, freedom))
            else:
                return repeats
        return []


def series_of(
    metrics: pa.Table,
    layers: Mapping[str, int | None],
    directions: Mapping[str, str],
    metric_names: Sequence[str],
) -> Iterator[Series]:
    """Group the rows that take part, in the order in which they first appear."""
    at = metrics.schema.get_field_index("metric")  # may be dictionary-encoded, which `isin` does not know
    metrics = metrics.set_column(at, "metric", metrics["metric"].cast(pa.string()))
    value = pc.field("value")
    taking_part = (
        pc.field("metric").isin(list(metric_names)) & pc.field("head").is_null() & value.is_valid() & ~value.is_nan()
    )
    kept = metrics.filter(taking_part)
    names = (*KEY, "n_cells", "repeat", "simulated", "value", "interval", "resamples", "parts")
    columns = [kept[name].to_pylist() for name in names]
    groups: dict[tuple[Any, ...], dict[CellSet, float]] = defaultdict(dict)
    parts: dict[tuple[Any, ...], dict[str, dict[CellSet, Parts]]] = defaultdict(lambda: defaultdict(dict))
    simulated: dict[tuple[Any, ...], bool] = defaultdict(bool)
    for row in zip(*columns, strict=True):
        key = row[: len(KEY)]
        n_cells, repeat, is_simulated, number, kind, units, of_value = row[len(KEY) :]
        _, model, _, _, layer, direction, *_ = key
        if layer not in (None, layers.get(model)) or direction != directions.get(model, direction):
            continue
        place = CellSet(n_cells, repeat)
        groups[key][place] = number
        if of_value is not None:
            parts[key][kind][place] = Parts(np.array(of_value, float), units)
        simulated[key] |= is_simulated
    for key, values in groups.items():
        yield Series(key, values, parts[key], simulated[key])


def _shared(places: Sequence[CellSet], cells: Cells | None) -> np.ndarray:
    """Cells that the sets of two points share, (points, points)."""
    n = np.array([place.n_cells for place in places], float)
    repeat = np.array([place.repeat for place in places])
    nested = np.minimum(n[:, None], n) * (repeat[:, None] == repeat)
    if cells is None or any(place not in cells for place in places):
        return nested
    for i, one in enumerate(places):
        for j, other in enumerate(places[:i]):
            if one.repeat != other.repeat:
                nested[i, j] = nested[j, i] = len(np.intersect1d(cells[one], cells[other]))
    return nested
