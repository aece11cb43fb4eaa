"""How an asset is declared here: one decorator that adds what every asset of the platform needs.

A declaration says where the asset lives (`Space`), what it reads (`reads`), which part of the catalog it depends on
(`config`), and what its value looks like in the store (`format`, `table`). Its body gets a `Job` and the loaded inputs,
calls `core/`, and returns a value. The rest happens once, here: an output whose inputs, code and configuration are
those of the stored one is kept; values are digested by content, checked against their schema, and stored; facts go to
Dagster.
"""

from __future__ import annotations

import time
import traceback
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from scfm_assets.core.base import digest_json
from scfm_assets.engine.code_behind import digest_of
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Grid, Place, Relation, Space
from scfm_assets.resources.store import TABLE, Format, Manifest, Store
from scfm_assets.tables.platform import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.base import Passed
    from scfm_assets.resources.compute import Compute
    from scfm_assets.resources.halfway import HalfwayFile


STUDY = "study"
"""Tag of all that belongs to a study."""


@dataclass(frozen=True)
class Reads:
    """One input of an asset: which asset, and which of its places."""

    asset: str
    relation: Relation = Relation.SAME

    @property
    def may_lack(self) -> bool:
        """Whether the asset takes what is there instead of asking for all of it."""
        return self.relation is Relation.ALL


def same(asset: str) -> Reads:
    """Read the same place of an asset (or its tissue, or all of it if it has no partitions)."""
    return Reads(asset)


def up_to(asset: str) -> Reads:
    """Read all slices of the tissue with at most as many cells: a mapping from n_cells to values."""
    return Reads(asset, Relation.UP_TO)


def everything(asset: str) -> Reads:
    """Read all places within this one that are there: a mapping from places to values."""
    return Reads(asset, Relation.ALL)


@dataclass(frozen=True)
class Check:
    """Something that holds for every output of an asset, or stops it from travelling on.

    Attributes
    ----------
    name, doc
        What people read.
    function
        Takes the job and the value; or, as ``"core.evaluation:panel_is_complete"``, a function that is imported when
        the check is made, and takes the value and what `more` takes from the job.
    blocking
        Whether an output that fails is held back.
    more
        Further arguments of an imported function.
    """

    name: str
    doc: str
    function: str | Callable[[Job, Any], Passed]
    blocking: bool = True
    more: Callable[[Job], Sequence[Any]] = lambda _: ()

    def passes(self, job: Job, value: Any) -> Passed:
        """Whether the output passes, and in words what was seen."""
        if callable(self.function):
            return self.function(job, value)
        return imported(self.function)(value, *self.more(job))


def imported(name: str) -> Callable[..., Any]:
    """Import a function by room and name, as ``"core.evaluation:panel_is_complete"``."""
    module, _, function = name.partition(":")
    return getattr(import_module(f"scfm_assets.{module}"), function)


@dataclass(frozen=True)
class Facts:
    """What an asset says about its output besides the value: plain facts, and Markdown to look at in the UI."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Something outside the platform, known by a digest of its content.

    `files` names the digest of each file behind the version, or of the specification of what is simulated. `facts` are
    what the catalog says of it, for people.
    """

    asset: str
    space: Space
    version: Callable[[Place], str]
    files: Callable[[Place], Mapping[str, str]]
    doc: str
    kinds: frozenset[str] = frozenset()
    facts: Mapping[str, str | int] = field(default_factory=dict)


def _tissue_is_simulated(catalog: Catalog, place: Place) -> bool:
    tissues = catalog.atlases if place.tissue is None else [place.tissue]
    return any(catalog.atlases[tissue].simulated for tissue in tissues)


@dataclass(frozen=True, kw_only=True)
class Node:
    """One declared asset.

    Attributes
    ----------
    asset
        Key, as ``"atlas/gene_panel"``.
    body
        Makes the value from a `Job` and the loaded inputs; its docstring says what a row or a file is.
    space
        Whether it is one for all, one per tissue, or one per slice.
    reads
        Parameter of the body -> input.
    watches
        Sources (see `Source`) whose content the asset depends on.
    code
        Version of what the body does: by default a digest of the code behind body and published tables (see
        `code_behind`), so that a change of it makes the output stale. Where making it anew is expensive, a number of
        the ledger (see `code_ledger`). A function is called when the version is first asked for.
    config
        The part of the catalog that the output depends on, as JSON values.
    format, table
        How the value is stored; a table is also checked against its schema and appears in SQL under its name.
    publishes
        Further SQL tables, and how each is made from job and value, or the name of a function of the value (see
        `Check`).
    facts
        Facts and plots made from the value.
    checks
        What must hold for every output.
    simulated
        Whether the output stands on simulated data; inherited by everything downstream through the catalog.
    still_valid
        A further condition under which a stored output may be kept.
    computes
        Whether the output depends on the precision of the compute resource.
    pool
        Dagster pool that limits how many run at once.
    kinds
        Badges in the UI.
    tags
        Words by which it can be selected, as ``tag:study``.
    on_request
        Whether it is left alone until somebody asks for it; once made, it is kept up to date as all others are.
    """

    asset: str
    body: Callable[..., Any]
    space: Space
    reads: Mapping[str, Reads] = field(default_factory=dict)
    watches: Sequence[str] = ()
    code: str | Callable[[], str] | None = None
    config: Callable[[Catalog, Place], Any] = lambda _catalog, _place: None
    format: Format = TABLE
    table: str | None = None
    publishes: Mapping[str, str | Callable[[Job, Any], pa.Table]] = field(default_factory=dict)
    facts: Callable[[Job, Any], Facts] | None = None
    checks: Sequence[Check] = ()
    simulated: Callable[[Catalog, Place], bool] = _tissue_is_simulated
    still_valid: Callable[[Grid, Manifest], bool] = lambda _grid, _manifest: True
    computes: bool = False
    pool: str | None = None
    kinds: Sequence[str] = ()
    tags: Sequence[str] = ()
    on_request: bool = False

    @cached_property
    def code_version(self) -> str:
        """Version of what the body does and of the columns of its tables."""
        if isinstance(self.code, str):
            return self.code
        code = self.code() if self.code is not None else digest_of([self.body, *self.publishes.values()])
        columns = [[(c.name, c.type, c.nullable) for c in TABLES[name].columns] for name in self.tables]
        return digest_json([code, columns])[:12] if columns else code

    @property
    def doc(self) -> str:
        """What a row or a file of the asset is."""
        return (self.body.__doc__ or "").strip()

    @property
    def tables(self) -> tuple[str, ...]:
        """The SQL tables that it appears in."""
        return (*([self.table] if self.table else []), *self.publishes)

    @property
    def rows(self) -> str | None:
        """The SQL table whose rows the value is: its own, or the one that is published under its name."""
        return self.table or next((name for name in self.publishes if self.asset.endswith(f"/{name}")), None)


def asset(name: str, **declared: Any) -> Callable[[Callable[..., Any]], Node]:
    """Declare an asset by its body: ``@asset("atlas/gene_panel", space=Space.TISSUE, ...)``.

    Keywords are fields of `Node`; None stands for a field's default.
    """
    chosen = {keyword: value for keyword, value in declared.items() if value is not None}
    return lambda body: Node(asset=name, body=body, **chosen)


LOG_EVERY = 30.0
"""Seconds between two lines on progress in a run's log."""


@dataclass
class Pace:
    """How fast long work goes, from the first word on it (work may go on from where a killed run stopped)."""

    begun: float | None = None
    from_cell: int = 0
    logged: float = 0.0

    def is_time(self, done: int) -> bool:
        """Whether the log should hear of it."""
        now = time.monotonic()
        if self.begun is None:
            self.begun, self.from_cell, self.logged = now, done, now
        if now - self.logged < LOG_EVERY:
            return False
        self.logged = now
        return True

    def words(self, done: int, total: int, unit: str) -> str:
        """Say how far it is, how fast, and how long it will take."""
        seconds = max(time.monotonic() - (self.begun or 0), 1e-9)
        rate = (done - self.from_cell) / seconds
        left = f"{(total - done) / rate:,.0f} s left" if rate else "time left unknown"
        return f"{done:,} of {total:,} {unit}, {rate:.3g} {unit}/s, {left}"


@dataclass
class Job:
    """What an asset's body works with."""

    catalog: Catalog
    grid: Grid
    place: Place
    store: Store
    compute: Compute
    log: Callable[[str], None] = lambda _: None
    said: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    halfway: HalfwayFile | None = None
    pace: Pace = field(default_factory=Pace)

    @property
    def tissue(self) -> str:
        """The tissue of this place."""
        if self.place.tissue is None:
            msg = "this asset has no tissue"
            raise TypeError(msg)
        return self.place.tissue

    @property
    def n_cells(self) -> int:
        """The number of cells of this slice."""
        if self.place.n_cells is None:
            msg = "this asset is not in a slice"
            raise TypeError(msg)
        return self.place.n_cells

    def say(self, **facts: Any) -> None:
        """Record facts about the output, shown in Dagster and kept with the output."""
        self.said.update(facts)

    def progress(self, done: int, total: int, unit: str = "cells") -> None:
        """Report how far long work has come: to whoever listens, and from time to time to the run's log."""
        LISTENER.get()(Progress(self.place, done, total, unit))
        if self.pace.is_time(done):
            self.log(self.pace.words(done, total, unit))


@dataclass(frozen=True)
class Progress:
    """How far an asset has come."""

    place: Place
    done: int
    total: int
    unit: str = "cells"


@dataclass(frozen=True)
class Done:
    """An asset is materialized: computed now, or kept because it was fresh."""

    asset: str
    place: Place
    kept: bool
    seconds: float
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """An asset could not be made: what a user can mend says what to do, anything else brings its traceback."""

    asset: str
    place: Place
    error: str

    @classmethod
    def by(cls, asset: str, place: Place, error: Exception) -> Failed:
        """Tell of an error."""
        message = str(error) if isinstance(error, ScfmError) else "".join(traceback.format_exception(error))
        return cls(asset, place, message)


LISTENER: ContextVar[Callable[[Progress | Done | Failed], None]] = ContextVar("listener", default=lambda _: None)
"""Whoever wants to show what happens: `scfm run` sets it."""

FORCE_TAG = "scfm/force"
"""A run with this tag recomputes what is fresh."""
