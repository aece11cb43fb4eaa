"""What the rows of a slice say besides their numbers, from the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.inputs.checkpoints import checkpoint_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.scores import EdgeScores
    from scfm_assets.core.statistics import Donors
    from scfm_assets.core.universes import TissueUniverses
    from scfm_assets.partitions import Place


def edge_rows(catalog: Catalog, place: Place, scores: EdgeScores, networks: Iterable[pa.Table], model: str) -> pa.Table:
    """Rows of `edge_scores` for SQL: the pairs whose first gene is a TF of some network."""
    from scfm_assets.core.scores import edge_table

    ends = [table.column(end) for table in networks for end in ("tf", "tf_id") if end in table.column_names]
    tfs = {tf for end in ends for tf in end.unique().to_pylist()}
    return edge_table(scores, tfs, **_whose(catalog, place, model))


def _whose(catalog: Catalog, place: Place, model: str) -> dict[str, Any]:
    """What every row of a slice and a model says."""
    return {
        "tissue": str(place.tissue),
        "n_cells": int(place.n_cells or 0),
        "model": model,
        "checkpoint": checkpoint_digest(catalog, model) if model in catalog.models else None,
        "simulated": catalog.atlases[str(place.tissue)].simulated,
    }


def are_named(donors: Collection[str]) -> bool:
    """Whether an atlas says whose cells they are."""
    from scfm_assets.core.intake import UNDECLARED

    return not set(donors) <= {UNDECLARED["donor"]}


def donors_of(cell_sets: pa.Table) -> Donors:
    """Whose cells the groups of a slice hold."""
    from scfm_assets.core.statistics import Donors

    donors = cell_sets.column("donor").to_numpy(zero_copy_only=False)
    return Donors.of_cells(cell_sets.column("cell_group").to_numpy(), donors) if are_named(donors) else Donors()


def evaluation_of(
    catalog: Catalog,
    place: Place,
    model: str,
    universes: TissueUniverses | None = None,
    cell_sets: pa.Table | None = None,
) -> dict[str, Any]:
    """Arguments of `core.evaluation.metric_rows` for a slice and a model, from the catalog.

    `universes` are the matched ones of the tissue, those that the catalog asks for; `cell_sets` those of the slice.
    """
    from scfm_assets.core.evaluation import Intervals
    from scfm_assets.core.scores import DIRECTIONS
    from scfm_assets.core.universes import UNIVERSES

    experiment = catalog.experiment
    return {
        "universes": [universe for universe in UNIVERSES if universe.name in experiment.universes],
        "matched": {} if universes is None else universes.matched,
        "directions": [direction for direction in DIRECTIONS if direction.name in experiment.directions],
        "intervals": Intervals(**experiment.intervals.model_dump()),
        "donors": None if cell_sets is None else donors_of(cell_sets),
        **_whose(catalog, place, model),
    }
