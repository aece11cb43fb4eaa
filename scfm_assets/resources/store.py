"""The store: every output of every asset as files that appear whole or not at all.

A writer puts its files under hidden names beside their places, renames them, and renames the manifest last. A reader
goes by the manifest, so it never sees half an output; a killed writer leaves only hidden files behind.
"""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from scfm_assets.core.digest import digest_arrays, digest_table
from scfm_assets.core.errors import ScfmError
from scfm_assets.resources.halfway import HalfwayFile
from scfm_assets.warehouse.tables import MATERIALIZATION, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anndata import AnnData

    from scfm_assets.partitions import Place


@dataclass(frozen=True)
class Arrays:
    """Named arrays and the words that explain them, stored as one safetensors file."""

    tensors: Mapping[str, np.ndarray]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How one kind of value becomes a file, comes back, and is digested by content."""

    suffix: str
    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]
    digest: Callable[[Any], str]


def _write_table(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def _read_table(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)  # pyright: ignore[reportArgumentType] - None: no columns from folders


def _write_arrays(path: Path, value: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in value.tensors.items()}, path, metadata=dict(value.words))


def _read_arrays(path: Path) -> Arrays:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return Arrays({name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {}))  # noqa: SIM118


def _digest_arrays(value: Arrays) -> str:
    named = [part for name in sorted(value.tensors) for part in (name, value.tensors[name])]
    return digest_arrays(*named, json.dumps(dict(value.words), sort_keys=True))


def _write_anndata(path: Path, value: AnnData) -> None:
    value.write_h5ad(path)


def _read_anndata(path: Path) -> AnnData:
    from anndata import read_h5ad

    return read_h5ad(path)


def _digest_anndata(value: AnnData) -> str:
    counts: Any = value.X
    frames = [part for frame in (value.obs, value.var) for c in frame for part in (str(c), np.asarray(frame[c]))]
    index = (np.asarray(value.obs_names, dtype=str), np.asarray(value.var_names, dtype=str))
    return digest_arrays(counts.data, counts.indices, counts.indptr, *index, *frames)


TABLE = Format(".parquet", _write_table, _read_table, digest_table)
ARRAYS = Format(".safetensors", _write_arrays, _read_arrays, _digest_arrays)
ANNDATA = Format(".h5ad", _write_anndata, _read_anndata, _digest_anndata)


@dataclass(frozen=True)
class Manifest:
    """What one materialization left in the store, and what it was made of.

    Attributes
    ----------
    asset, place
        Whose output it is; `place` is the partition key, None for an asset without partitions.
    version
        Digest of the content: Dagster's data version.
    code, config, inputs
        What made it: code version, digest of the catalog entries that the asset reads, and the version of every input.
    value
        Files of the value, relative to the store.
    tables
        SQL table -> its files, relative to the store.
    checks
        Results of the asset's checks, as (name, passed, description).
    facts
        Row counts, seconds, device, peak memory and so on.
    materialization, made_at
        Id of this materialization, which stands in every row of its tables, and when it was (UTC, ISO 8601).
    upstream
        Materialization of every input that is an asset, by the same names as `inputs`.
    sources
        Watched source -> file -> digest.
    environment
        Python, platform, commit and packages.
    """

    asset: str
    place: str | None
    version: str
    code: str
    config: str
    inputs: Mapping[str, str]
    value: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]]
    checks: tuple[tuple[str, bool, str], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    materialization: str = ""
    made_at: str = ""
    upstream: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checkpoint(self) -> str | None:
        """Digest of the checkpoint that a model's output stands on."""
        return self.facts.get("checkpoint")

    def made_of(self, code: str, config: str, inputs: Mapping[str, str]) -> bool:
        """Tell whether the output was made by this code, under this configuration, of these inputs."""
        return (self.code, self.config, dict(self.inputs)) == (code, config, dict(inputs))


@dataclass(frozen=True)
class Output:
    """What an asset hands to the store: a value, its SQL tables, and what made it."""

    format: Format
    value: Any
    tables: Mapping[str, pa.Table]
    code: str
    config: str
    inputs: Mapping[str, str]
    checks: tuple[tuple[str, bool, str], ...]
    facts: Mapping[str, Any]
    shown: Mapping[str, str] = field(default_factory=dict)
    upstream: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """Content digest of the value."""
        return self.format.digest(self.value)


@dataclass(frozen=True)
class Store:
    """Files below ``<home>/store``."""

    home: Path

    @property
    def root(self) -> Path:
        """Folder of all stored files."""
        return self.home / "store"

    def manifest(self, asset: str, place: Place) -> Manifest | None:
        """Give what the store holds of an asset at a place, None if nothing (or not all of it) is there."""
        return self._read_manifest(self._manifest_file(asset, place))

    def revisions(self, asset: str, place: Place) -> tuple[Manifest, ...]:
        """Give what the store holds of a model's asset at a place for every checkpoint, oldest first."""
        files = self._manifest_file(asset, place).parent.glob("revision-*.json")
        found = [manifest for file in files if (manifest := self._read_manifest(file)) is not None]
        return tuple(sorted(found, key=lambda manifest: (manifest.made_at, manifest.materialization)))

    def take_back(self, asset: str, place: Place, revision: Manifest) -> None:
        """Make an older revision the current one again."""
        with self._staging() as stage:
            self._stage_manifest(stage, asset, place, revision)

    def _read_manifest(self, file: Path) -> Manifest | None:
        try:
            read = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        tables = {name: tuple(files) for name, files in read.pop("tables").items()}
        value, checks = tuple(read.pop("value")), tuple((n, p, d) for n, p, d in read.pop("checks"))
        found = Manifest(**read, value=value, tables=tables, checks=checks)
        whole = all((self.root / file).exists() for file in (*value, *(f for files in tables.values() for f in files)))
        return found if whole else None

    def write(self, asset: str, place: Place, output: Output) -> Manifest:
        """Store an output. Nothing of it is visible before all of it is there."""
        materialization = uuid.uuid4().hex[:16]
        with self._staging() as stage:
            tables = {
                name: self._stage_table(stage, name, _stamped(table, materialization), place)
                for name, table in output.tables.items()
            }
            if output.format is TABLE and len(tables) == 1:
                value = next(iter(tables.values()))
            else:
                checkpoint = output.facts.get("checkpoint")
                level = (f"checkpoint={checkpoint}",) if checkpoint else ()
                target = Path("assets", asset, *level, *place.folders, f"value{output.format.suffix}")
                output.format.write(stage(target), output.value)
                value = (str(target),)
        manifest = Manifest(
            asset=asset,
            place=place.key,
            version=output.version,
            code=output.code,
            config=output.config,
            inputs=output.inputs,
            value=value,
            tables=tables,
            checks=output.checks,
            facts=output.facts,
            materialization=materialization,
            made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            upstream=output.upstream,
            sources=output.sources,
            environment=output.environment,
        )
        with self._staging() as stage:
            stage(self._shown_file(asset, place)).write_text(json.dumps(dict(output.shown)))
            self._stage_manifest(stage, asset, place, manifest)
        return manifest

    def _stage_manifest(self, stage: Callable[[Path], Path], asset: str, place: Place, manifest: Manifest) -> None:
        text = json.dumps(asdict(manifest), indent=1, default=str)
        if manifest.checkpoint is not None:
            name = f"revision-{manifest.checkpoint}.json"
            stage(self._manifest_file(asset, place).with_name(name)).write_text(text)
        stage(self._manifest_file(asset, place)).write_text(text)

    def shown(self, asset: str, place: Place) -> dict[str, str]:
        """Give the Markdown that was shown with the stored output, by name."""
        try:
            return json.loads(self._shown_file(asset, place).read_text())
        except FileNotFoundError:
            return {}

    def read(self, manifest: Manifest, form: Format) -> Any:
        """Load a stored value."""
        pieces = [form.read(self.root / file) for file in manifest.value]
        value = pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)
        return _unstamped(value) if form is TABLE else value

    def halfway(self, asset: str, place: Place, identity: str) -> HalfwayFile:
        """Give the file in which long work on an output leaves what it has; `identity` digests what it is made of."""
        return HalfwayFile(self.root / "halfway" / asset / Path(*place.folders) / f"{identity}.safetensors")

    def _manifest_file(self, asset: str, place: Place) -> Path:
        return self.root / "manifests" / asset / Path(*place.folders) / "manifest.json"

    def _shown_file(self, asset: str, place: Place) -> Path:
        return self._manifest_file(asset, place).with_name("shown.json")

    def _stage_table(self, stage: Callable[[Path], Path], name: str, table: pa.Table, place: Place) -> tuple[str, ...]:
        files = []
        for folders, rows in _split(table, TABLES[name].files_by):
            target = Path("tables", name, *folders, *place.folders, "data.parquet")
            _write_table(stage(target), rows)
            files.append(str(target))
        return tuple(files)

    @contextmanager
    def _staging(self) -> Iterator[Callable[[Path], Path]]:
        """Give hidden names to write to; rename them all at the end, or remove them after a failure."""
        staged: list[tuple[Path, Path]] = []

        def stage(target: Path) -> Path:
            final = self.root / target
            final.parent.mkdir(parents=True, exist_ok=True)
            hidden = final.with_name(f".{final.stem}.{uuid.uuid4().hex[:8]}{final.suffix}")
            staged.append((hidden, final))
            return hidden

        try:
            yield stage
            for hidden, final in staged:
                hidden.replace(final)
        finally:
            for hidden, _ in staged:
                hidden.unlink(missing_ok=True)


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
        raise ScfmError(
            "SCFM_HOME", f"cannot write {home}: {error.strerror}", "Set it to a writable folder."
        ) from error
    return home
