"""Files in object storage: objects that never change, and manifests, put last, that say which of them hold.

An object can be replaced in one step, several cannot. So every materialization has objects of its own, named after it,
and one small object, the manifest, makes them the output; what it names no more is removed afterwards. What a killed
writer leaves is named by no manifest: nobody sees it.

DuckDB reads local files, so there is a mirror of the tables that manifests name, below ``<home>/mirror``.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

from scfm_assets.core.base import replacing
from scfm_assets.errors import ScfmError

MANIFEST, EARLIER = "manifest.json", "earlier.json"
"""What holds now; and names of earlier outputs' tables beside it: rows of other checkpoints, which stay."""


@dataclass(frozen=True)
class Objects:
    """Files below a URL such as s3://bucket/prefix."""

    url: str
    root: str
    system: Any  # fsspec says of every call that it may give anything
    home: Path
    may_lack: ClassVar[bool] = False

    @classmethod
    def at(cls, url: str, home: Path) -> Objects:
        """Connect.

        Raises
        ------
        ScfmError
            If nothing is known of such URLs here.
        """
        from upath import UPath

        try:
            scheme = url.partition("://")[0]  # said again: a scheme that it does not know would be a local path
            path = UPath(url, protocol=scheme, use_listings_cache=False)  # others write, too
            return cls(url, str(path.path).rstrip("/"), path.fs, home)
        except (ImportError, ValueError) as error:
            remedy = "Install the client: 'scfm_assets[s3]' brings the one of s3."
            raise ScfmError("SCFM_STORE", f"{url} cannot be used: {error}", remedy) from error

    def named(self, name: str, materialization: str) -> str:
        """Name of an object, of which each materialization has another."""
        path = Path(name)
        return path.with_name(f"{path.stem}.{materialization}{path.suffix}").as_posix()

    @contextmanager
    def staging(self) -> Iterator[Callable[[str], Path]]:
        """Temporary files to write to; put them all at the end, manifests last."""
        with tempfile.TemporaryDirectory(prefix="scfm-") as folder:
            staged: list[tuple[Path, str]] = []

            def stage(name: str) -> Path:
                staged.append((Path(folder, f"{len(staged)}{Path(name).suffix}"), name))
                return staged[-1][0]

            yield stage
            manifests = {name: file.read_text() for file, name in staged if _is_manifest(name)}
            for file, name in staged:
                if name not in manifests:
                    self.system.put_file(str(file), self._path(name))
            if manifests:
                self._put_manifests(manifests)

    def read_text(self, name: str) -> str:
        """Read a small object."""
        return self.system.cat_file(self._path(name)).decode()

    @contextmanager
    def at_hand(self, name: str) -> Iterator[Path]:
        """Fetch an object to a temporary file."""
        with tempfile.TemporaryDirectory(prefix="scfm-") as folder:
            local = Path(folder, Path(name).name)
            try:
                self.system.get_file(self._path(name), str(local))
            except FileNotFoundError as error:
                remedy = "Make the output anew: scfm run --force --select ..."
                raise ScfmError(self.uri(name), "is named by a manifest, and is gone", remedy) from error
            yield local

    def holds(self, name: str) -> bool:
        """Tell whether an object is there."""
        return self.system.exists(self._path(name))

    def size(self, name: str) -> int:
        """Size of an object in bytes."""
        return int(self.system.info(self._path(name))["size"])

    def listed(self, folder: str, pattern: str) -> list[str]:
        """Names directly below a prefix that match a pattern."""
        try:
            paths = self.system.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for path in paths if fnmatch((name := self._name(path)).rpartition("/")[2], pattern))

    def uri(self, name: str) -> str:
        """URL of an object."""
        return f"{self.url}/{name}"

    # Manifests --------------------------------------------------------------------------------------------------------

    def _put_manifests(self, texts: Mapping[str, str]) -> None:
        """Let new manifests of one output hold, the current one last; remove the objects that none names any more."""
        folder = next(iter(texts)).rpartition("/")[0]
        kept_in = f"{folder}/{EARLIER}"
        before = self._cat([*texts, kept_in])
        left = {name for text in before.values() for name in _files(json.loads(text))}
        now = {name for text in texts.values() for name in _files(json.loads(text))}
        places = {_place_of(name) for name in now}
        earlier = sorted(name for name in left if name.startswith("tables/") and _place_of(name) not in places)
        if earlier or kept_in in before:
            self.system.pipe_file(self._path(kept_in), json.dumps({"tables": {"": earlier}}).encode())
        for name in sorted(texts, key=lambda name: name.endswith(f"/{MANIFEST}")):
            self.system.pipe_file(self._path(name), texts[name].encode())
        revisions = self._cat(self.listed(folder, "*.json"))
        held = {name for file, text in revisions.items() if _is_manifest(file) for name in _files(json.loads(text))}
        for name in left - now - held - set(earlier):
            with suppress(FileNotFoundError):
                self.system.rm_file(self._path(name))

    def _cat(self, names: Iterable[str]) -> dict[str, str]:
        """Read several small objects at once; those that are not there are left out."""
        name_of_path = {self._path(name): name for name in names}
        contents = self.system.cat(list(name_of_path), on_error="return") if name_of_path else {}
        for error in contents.values():
            if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                raise error
        return {name_of_path[path]: text.decode() for path, text in contents.items() if isinstance(text, bytes)}

    # Mirror -----------------------------------------------------------------------------------------------------------

    def for_sql(self) -> Path:
        """Bring the mirror up to date: fetch tables that are new, remove those that no manifest names."""
        mirror = self.home / "mirror"
        index = mirror / "index.json"
        known: dict[str, str] = json.loads(index.read_text()) if index.is_file() else {}
        try:
            stored = [self._name(path) for path in self.system.find(self._path("manifests"))]
        except FileNotFoundError:
            stored = []
        manifests = self._cat(name for name in stored if _is_manifest(name) or name.endswith(f"/{EARLIER}"))
        current: dict[str, str] = {}
        for name in sorted(manifests, key=lambda name: (name.endswith(f"/{MANIFEST}"), _is_manifest(name))):
            tables = (file for file in _files(json.loads(manifests[name])) if file.startswith("tables/"))
            current |= {_place_of(file): file for file in tables}
        new = {p: name for p, name in current.items() if known.get(p) != name or not (mirror / p).is_file()}
        mirror.mkdir(parents=True, exist_ok=True)
        index.write_text(json.dumps({place: name for place, name in known.items() if place not in new}))
        for place, name in new.items():
            try:
                with replacing(mirror / place) as hidden:
                    self.system.get_file(self._path(name), str(hidden))
            except FileNotFoundError:  # replaced while we looked: the next publication tells of it
                del current[place]
        shutil.rmtree(mirror / "manifests", ignore_errors=True)
        for name, text in manifests.items():
            if name.endswith(f"/{MANIFEST}"):
                (mirror / name).parent.mkdir(parents=True, exist_ok=True)
                (mirror / name).write_text(text)
        for place in known.keys() - current.keys():
            (mirror / place).unlink(missing_ok=True)
        index.write_text(json.dumps(current))
        return mirror

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _name(self, path: str) -> str:
        return path.lstrip("/").removeprefix(f"{self.root.lstrip('/')}/")


def _is_manifest(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last == MANIFEST or fnmatch(last, "revision-*.json")


def _files(manifest: Mapping[str, Any]) -> list[str]:
    """Names of an output's objects."""
    return [*manifest.get("value", ()), *(name for files in manifest["tables"].values() for name in files)]


def _place_of(name: str) -> str:
    """Name without the materialization's part: where a newer object takes the place of an older one."""
    return re.sub(r"\.[0-9a-f]{16}(\.\w+)$", r"\1", name)
