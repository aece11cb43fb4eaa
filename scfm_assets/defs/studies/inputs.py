"""How each input of a step of a study is delivered: the assets behind `scfm_assets.studies.inputs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.defs import inputs as shared
from scfm_assets.defs import networks, verdicts
from scfm_assets.defs import universes as universe_assets
from scfm_assets.defs.inputs import all_of
from scfm_assets.engine.declare import Job, Reads, everything, same, up_to
from scfm_assets.errors import ScfmError
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place, Space
from scfm_assets.studies import inputs

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.make import StoredValues


@dataclass(frozen=True)
class Where:
    """Of what step an input is: its catalog, its space, and its model if it has one."""

    catalog: Catalog
    space: Space
    model: str | None


@dataclass(frozen=True)
class Delivery:
    """How one input gets to a step.

    Attributes
    ----------
    reads
        Assets behind it, by parameter of the body.
    give
        Job, where, and what was loaded by parameter -> what the step gets.
    config
        The part of the catalog that it depends on.
    watches
        Sources that it depends on.
    """

    reads: Callable[[Where], Mapping[str, Reads]]
    give: Callable[[Job, Where, Mapping[str, Any]], Any]
    config: Callable[[Where], Any] = lambda _: None
    watches: Callable[[Where], tuple[str, ...]] = lambda _: ()


@dataclass(frozen=True)
class Stored(Mapping[Any, Any]):
    """Stored values by tissue or n_cells, each loaded when it is looked up."""

    values_of: StoredValues
    places: Mapping[Any, Place]

    def __getitem__(self, key: Any) -> Any:
        """Load one value."""
        place = self.places[key]
        if place not in self.values_of:
            problem = f"nothing is stored at {place}, which a study reads"
            raise ScfmError("atlas/processed", problem, "Run `scfm run` first, or `scfm run --select '+tag:study'`.")
        return self.values_of[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def _atlases(job: Job, stored: StoredValues) -> Stored:
    return Stored(stored, {tissue: Place(tissue) for tissue in _real_first(job.catalog)})


def _counts(stored: StoredValues) -> dict[Any, Place]:
    return {place.n_cells: place for place in sorted(stored, key=lambda place: place.n_cells or 0)}


def _by_tissue(_: Job, stored: StoredValues) -> Stored:
    return Stored(stored, {place.tissue: place for place in stored})


def _real_first(catalog: Catalog) -> list[str]:
    return sorted(catalog.atlases, key=lambda tissue: catalog.atlases[tissue].simulated)


def _of_tissue(parameter: str, name: str, all_tissues: Callable[[Job, StoredValues], Any]) -> Delivery:
    """Deliver an asset that is one per tissue: as it is, or of all tissues."""
    return Delivery(
        lambda where: {parameter: (everything if where.space is Space.WHOLE else same)(name)},
        lambda job, where, loaded: (
            all_tissues(job, loaded[parameter]) if where.space is Space.WHOLE else loaded[parameter]
        ),
        lambda where: _real_first(where.catalog) if where.space is Space.WHOLE else None,
    )


def _rows(table: str, name: str) -> Delivery:
    """Deliver the rows of a table that is one per slice: of the slice, or of all within the place."""
    return Delivery(
        lambda where: {table: (same if where.space is Space.SLICE else everything)(name)},
        lambda _, where, loaded: loaded[table] if where.space is Space.SLICE else all_of(table, loaded[table]),
    )


def _of_model(name: str, *, increments: bool = False) -> Delivery:
    """Deliver an asset of the step's model."""

    def give(job: Job, where: Where, loaded: Mapping[str, Any]) -> Any:
        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, str(where.model)))
        return Stored(loaded[name], _counts(loaded[name])) if increments else loaded[name]

    read = up_to if increments else same
    return Delivery(lambda where: {name: read(f"models/{where.model}/{name}")}, give, watches=checkpoint_of)


def checkpoint_of(where: Where) -> tuple[str, ...]:
    """Name the source of the step's model: what is made of its files watches these."""
    return (f"models/{where.model}/checkpoint",)


def _open_model(job: Job, where: Where, _: Mapping[str, Any]) -> Any:
    job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, str(where.model)))
    return checkpoints.open_model(job.catalog, str(where.model))


def _contenders(*, by_group: bool) -> Delivery:
    """Deliver the scores of all methods; `by_group` with those without each group of cells."""

    def reads(where: Where) -> dict[str, Reads]:
        read = same if where.space is Space.SLICE else everything
        behind = shared.scores_and_universes(where.catalog) if by_group else shared.scores_of(where.catalog)
        prefixes = (shared.SCORES, shared.ATTENTION)
        return {name: read(known.asset) for name, known in behind.items() if name.startswith(prefixes)}

    def give(job: Job, where: Where, loaded: Mapping[str, Any]) -> Any:
        scores = {name: loaded[name] for name in reads(where)}
        return verdicts.contenders_of(job, scores) if where.space is Space.SLICE else verdicts.slices(job, scores)

    return Delivery(reads, give, lambda where: verdicts.declared(where.catalog, Place()))


DELIVERIES = {
    inputs.ATLAS: _of_tissue("atlas", "atlas/processed", _atlases),
    inputs.PANEL: _of_tissue("panel", "atlas/gene_panel", lambda _, stored: all_of("gene_panel", stored)),
    inputs.UNIVERSES: _of_tissue("universes", universe_assets.ASSET, _by_tissue),
    inputs.CELL_SETS: _rows("cell_sets", "atlas/cell_sets"),
    inputs.METRICS: _rows("metrics", "evaluation/metrics"),
    inputs.TOKENS: _of_model("tokenized_cells", increments=True),
    inputs.ATTENTION: _of_model("attention"),
    inputs.EMBEDDINGS: _of_model("cell_embeddings"),
    inputs.MODEL: Delivery(lambda _: {}, _open_model, watches=checkpoint_of),
    inputs.CONTENDERS: _contenders(by_group=False),
    inputs.CONTENDERS_BY_GROUP: _contenders(by_group=True),
    inputs.NETWORKS: Delivery(lambda where: networks.reads(where.catalog), lambda _, __, loaded: networks.read(loaded)),
    inputs.WORKERS: Delivery(lambda _: {}, lambda job, _, __: job.compute.workers),
    inputs.COMPUTE: Delivery(lambda _: {}, lambda job, _, __: job.compute),
}
