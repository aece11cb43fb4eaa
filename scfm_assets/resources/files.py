"""Where the store's files are: a folder, or object storage. Names are relative, with `/`, and the same in both."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias
from urllib.parse import urlsplit

from scfm_assets.core.base import hidden_beside
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scfm_assets.resources.object_storage import Objects

    Stage = Callable[[str], Path]
    """Gives a path to write a file to; it appears under the asked name when the stage is left without an error."""

    Files: TypeAlias = "Folder | Objects"
    """Files that appear whole or not at all: the same methods on both."""


@dataclass(frozen=True)
class Folder:
    """Files in a folder: written under hidden names beside their places, and renamed."""

    root: Path
    may_lack: ClassVar[bool] = True
    """Whether it is asked if files that a manifest names are there: somebody may have tidied up a folder."""

    def named(self, name: str, materialization: str) -> str:  # noqa: ARG002 - a rename replaces in one step
        """The name itself: a new file takes the place of the old one."""
        return name

    @contextmanager
    def staging(self) -> Iterator[Stage]:
        """Hidden files to write to: rename them all at the end in their order, or remove them after a failure."""
        staged: list[tuple[Path, Path]] = []

        def stage(name: str) -> Path:
            final = self.root / name
            final.parent.mkdir(parents=True, exist_ok=True)
            self._inside(final.parent)
            hidden = hidden_beside(final)
            staged.append((hidden, final))
            return hidden

        try:
            yield stage
            for hidden, final in staged:
                hidden.replace(final)
        finally:
            for hidden, _ in staged:
                hidden.unlink(missing_ok=True)

    def read_text(self, name: str) -> str:
        """Read a small file; FileNotFoundError if there is none."""
        return self._inside(self.root / name).read_text()

    @contextmanager
    def at_hand(self, name: str) -> Iterator[Path]:
        """The file's own path."""
        yield self._inside(self.root / name)

    def _inside(self, path: Path) -> Path:
        """Refuse a path that leads out of the folder, by `..` or by a link that somebody put there."""
        real = path.resolve()
        if not real.is_relative_to(self.root.resolve()):
            problem = f"leads out of the store, to {real}"
            raise ScfmError(str(path), problem, "Remove it. To keep the store elsewhere, set SCFM_STORE.")
        return path

    def holds(self, name: str) -> bool:
        """Tell whether a file is there."""
        return self._inside(self.root / name).exists()

    def size(self, name: str) -> int:
        """Size of a file in bytes."""
        return self._inside(self.root / name).stat().st_size

    def listed(self, folder: str, pattern: str) -> list[str]:
        """Names directly in a folder that match a pattern, sorted."""
        return sorted(path.relative_to(self.root).as_posix() for path in (self.root / folder).glob(pattern))

    def for_sql(self) -> Path:
        """The folder itself: tables (``tables/**/data.parquet``) and manifests lie in it."""
        return self.root

    def uri(self, name: str) -> str:
        """Path of the file."""
        return str(self.root / name)


def files_of(home: Path) -> Files:
    """Find the store's files: where SCFM_STORE says, by default in ``<home>/store``.

    Raises
    ------
    ScfmError
        If SCFM_STORE is a URL that cannot be used, or holds a secret.
    """
    location = os.environ.get("SCFM_STORE")
    if not location:
        return Folder(home / "store")
    if not re.match(r"[a-z][a-z0-9+.-]+://", location):
        return Folder(Path(location).expanduser().absolute())
    url = urlsplit(location)
    if url.password is not None or url.query or url.fragment:
        problem = f"the URL of {url.scheme} storage holds a password, a query or a fragment"
        raise ScfmError("SCFM_STORE", problem, "Credentials belong where its client looks for them; see its manual.")
    if url.scheme == "file":
        return Folder(Path(url.path))
    from scfm_assets.resources.object_storage import Objects

    return Objects.at(location.rstrip("/"), home)
