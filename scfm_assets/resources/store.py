"""The store: every output of every asset as files that appear whole or not at all.

A manifest says which files an output consists of, and appears last. A reader goes by the manifest, so it never sees
half an output. How files appear is the business of `scfm_assets.resources.files`.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa
from pydantic import Field

from scfm_assets.errors import ScfmError
from scfm_assets.resources.files import Folder, files_of
from scfm_assets.resources.halfway import HalfwayFile
from scfm_assets.resources.values import ANNDATA, ARRAYS, TABLE, Arrays, Format
from scfm_assets.tables.columns import MATERIALIZATION
from scfm_assets.tables.platform import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scfm_assets.partitions import Place
    from scfm_assets.resources.files import Files, Stage


__all__ = ["ANNDATA", "ARRAYS", "TABLE", "Arrays", "Format", "Manifest", "Output", "Store", "StoreFolder", "check_home"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What made an output, and what is known of it.

    Attributes
    ----------
    code, config, inputs
        Code version, digest of the catalog entries that the asset reads, and the version of every input.
    checks
        Results of the asset's checks, as (name, passed, description).
    facts
        Row counts, seconds, device, peak memory and so on.
    upstream
        Materialization of every input that is an asset, by the same names as `inputs`.
    sources
        Watched source -> file -> digest.
    environment
        Python, platform, commit and packages.
    """

    code: str
    config: str
    inputs: Mapping[str, str]
    checks: tuple[tuple[str, bool, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Manifest(Made):
    """What one materialization left in the store, and what it was made of.

    Attributes
    ----------
    asset, place
        Whose output it is; `place` is the partition key, None for an asset without partitions.
    version
        Digest of the content: Dagster's data version.
    value
        Files of the value, relative to the store.
    tables
        SQL table -> its files, relative to the store.
    materialization, made_at
        Id of this materialization, which stands in every row of its tables, and when it was (UTC, ISO 8601).
    """

    asset: str
    place: str | None
    version: str
    value: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]]
    materialization: str = ""
    made_at: str = ""

    @property
    def checkpoint(self) -> str | None:
        """Digest of the checkpoint that a model's output stands on."""
        return self.facts.get("checkpoint")

    def made_of(self, code: str, config: str, inputs: Mapping[str, str]) -> bool:
        """Tell whether the output was made by this code, under this configuration, of these inputs."""
        return (self.code, self.config, dict(self.inputs)) == (code, config, dict(inputs))


@dataclass(frozen=True)
class Output(Made):
    """What an asset hands to the store: a value, its SQL tables, and what is shown with them."""

    format: Format
    value: Any
    tables: Mapping[str, pa.Table]
    shown: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """Content digest of the value."""
        return self.format.digest(self.value)


@dataclass(frozen=True)
class Store:
    """Outputs below ``<home>/store``, or where SCFM_STORE says."""

    home: Path

    @property
    def root(self) -> Path:
        """Folder of what lies on this machine: all of it, unless SCFM_STORE names another place."""
        return self.files.root if isinstance(self.files, Folder) else self.home / "store"

    @cached_property
    def files(self) -> Files:
        """Where the files are."""
        return files_of(self.home)

    def manifest(self, asset: str, place: Place) -> Manifest | None:
        """Manifest of an asset at a place; None if nothing (or not all of it) is there."""
        return self._read_manifest(self._manifest_file(asset, place), whole=self.files.may_lack)

    def revisions(self, asset: str, place: Place, *, whole: bool = True) -> tuple[Manifest, ...]:
        """Manifests of a model's asset at a place, one for every checkpoint, oldest first.

        With `whole` off, those whose files are no longer all there are told of as well.
        """
        folder = self._manifest_file(asset, place).rpartition("/")[0]
        files = self.files.listed(folder, "revision-*.json")
        manifests = [manifest for file in files if (manifest := self._read_manifest(file, whole=whole)) is not None]
        return tuple(sorted(manifests, key=lambda manifest: (manifest.made_at, manifest.materialization)))

    def take_back(self, asset: str, place: Place, revision: Manifest) -> None:
        """Make an older revision the current one again."""
        with self.files.staging() as stage:
            self._stage_manifest(stage, asset, place, revision)

    def _read_manifest(self, file: str, *, whole: bool = True) -> Manifest | None:
        try:
            read = json.loads(self.files.read_text(file))
        except FileNotFoundError:
            return None
        tables = {name: tuple(files) for name, files in read.pop("tables").items()}
        value, checks = tuple(read.pop("value")), tuple((n, p, d) for n, p, d in read.pop("checks"))
        manifest = Manifest(**read, value=value, tables=tables, checks=checks)
        return manifest if self.holds(manifest) or not whole else None

    def holds(self, manifest: Manifest) -> bool:
        """Tell whether all files of an output are there."""
        files = (*manifest.value, *(file for files in manifest.tables.values() for file in files))
        return all(self.files.holds(file) for file in files)

    def write(self, asset: str, place: Place, output: Output) -> Manifest:
        """Store an output. Nothing of it is visible before all of it is there."""
        materialization = uuid.uuid4().hex[:16]
        with self.files.staging() as stage:
            tables = {
                name: self._stage_table(stage, name, table, place, materialization)
                for name, table in output.tables.items()
            }
            if output.format is TABLE and len(tables) == 1:
                value = next(iter(tables.values()))
            else:
                checkpoint = output.facts.get("checkpoint")
                level = (f"checkpoint={checkpoint}",) if checkpoint else ()
                name = "/".join(("assets", asset, *level, *place.folders, f"value{output.format.suffix}"))
                value = (self.files.named(name, materialization),)
                output.format.write(stage(value[0]), output.value)
        manifest = Manifest(
            **{part.name: getattr(output, part.name) for part in fields(Made)},
            asset=asset,
            place=place.key,
            version=output.version,
            value=value,
            tables=tables,
            materialization=materialization,
            made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        with self.files.staging() as stage:
            stage(self._shown_file(asset, place)).write_text(json.dumps(dict(output.shown)))
            self._stage_manifest(stage, asset, place, manifest)
        return manifest

    def _stage_manifest(self, stage: Stage, asset: str, place: Place, manifest: Manifest) -> None:
        text, file = json.dumps(asdict(manifest), indent=1, default=str), self._manifest_file(asset, place)
        if manifest.checkpoint is not None:
            stage(file.replace("manifest.json", f"revision-{manifest.checkpoint}.json")).write_text(text)
        stage(file).write_text(text)

    def shown(self, asset: str, place: Place) -> dict[str, str]:
        """Markdown that was shown with the stored output, by name."""
        try:
            return json.loads(self.files.read_text(self._shown_file(asset, place)))
        except FileNotFoundError:
            return {}

    def read(self, manifest: Manifest, form: Format) -> Any:
        """Load a stored value."""
        pieces = [self._read_file(file, form) for file in manifest.value]
        value = pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)
        return _unstamped(value) if form is TABLE else value

    def _read_file(self, name: str, form: Format) -> Any:
        with self.files.at_hand(name) as path:
            return form.read(path)

    def halfway(self, asset: str, place: Place, identity: str) -> HalfwayFile:
        """File in which long work on an output leaves what it has; `identity` digests what it is made of."""
        return HalfwayFile(self.root / "halfway" / asset / Path(*place.folders) / f"{identity}.safetensors")

    @staticmethod
    def _manifest_file(asset: str, place: Place) -> str:
        return "/".join(("manifests", asset, *place.folders, "manifest.json"))

    def _shown_file(self, asset: str, place: Place) -> str:
        return f"{self._manifest_file(asset, place).rpartition('/')[0]}/shown.json"

    def _stage_table(
        self, stage: Stage, name: str, table: pa.Table, place: Place, materialization: str
    ) -> tuple[str, ...]:
        files = []
        for folders, rows in _split(_stamped(table, materialization), TABLES[name].files_by):
            file = "/".join(("tables", name, *folders, *place.folders, "data.parquet"))
            files.append(self.files.named(file, materialization))
            TABLE.write(stage(files[-1]), rows)
        return tuple(files)


def _stamped(table: pa.Table, materialization: str) -> pa.Table:
    """Write in every row which materialization made it. It is no part of the content."""
    ids = pa.DictionaryArray.from_arrays(np.zeros(table.num_rows, np.int32), [materialization])
    return table.append_column(MATERIALIZATION.name, ids)


def _unstamped(table: pa.Table) -> pa.Table:
    return table.drop_columns([MATERIALIZATION.name] if MATERIALIZATION.name in table.column_names else [])


def _split(table: pa.Table, keys: Sequence[str]) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
    """Split a table by the values of some columns; an empty table stays one piece."""
    if not keys or table.num_rows == 0:
        yield (), table
        return
    import pyarrow.compute as pc

    plain = pa.table({key: table[key].cast(pa.string()) for key in keys})
    for row in plain.group_by(keys).aggregate([]).sort_by([(k, "ascending") for k in keys]).to_pylist():
        mask = None
        for name, value in row.items():
            here = pc.is_null(plain[name]) if value is None else pc.equal(plain[name], value)  # pyright: ignore[reportAttributeAccessIssue] - made at import
            mask = here if mask is None else pc.and_(mask, pc.fill_null(here, fill_value=False))  # pyright: ignore[reportAttributeAccessIssue]
        folders = tuple(f"{name}={value}" for name, value in row.items() if value is not None)
        yield folders, table.filter(mask)


class StoreFolder(dg.ConfigurableResource):
    """The store as Dagster injects it."""

    home: str = Field(description="Folder that holds everything that is written (SCFM_HOME).")

    def open(self) -> Store:
        """Open the store, making its folder if need be."""
        return Store(check_home(Path(self.home)))


def check_home(home: Path) -> Path:
    """Make sure that the home folder can be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot write {home}: {error.strerror}"
        raise ScfmError("SCFM_HOME", problem, "Set it to a writable folder.") from error
    return home
