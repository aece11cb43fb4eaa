"""Addresses of checkpoints on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from scfm_assets.errors import ScfmError

SCHEME = "hf://"

FORM = "Write hf://organisation/repository@revision/folder, the revision a commit, a tag or a branch such as main."

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_REPOSITORY = re.compile(rf"({_NAME})/({_NAME})@([^/]+)(?:/(.*))?", re.DOTALL)
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._+-]{0,126}[A-Za-z0-9_+-])?")
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_hub(text: object) -> bool:
    """Whether this is meant to be an address on the hub."""
    return isinstance(text, str) and text.startswith(SCHEME)


@dataclass(frozen=True)
class HubAddress:
    """A folder or a file of a repository at a revision; ``path`` is empty for the repository itself."""

    repository: str
    revision: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """Read ``hf://organisation/repository@revision/folder``.

        Raises
        ------
        ScfmError
            If it has another form, leaves the repository, or holds characters that no official name has.
        """
        match = _REPOSITORY.fullmatch(text.removeprefix(SCHEME)) if is_hub(text) else None
        if match is None:
            raise ScfmError(text, "is no address of a checkpoint on the hub", FORM)
        owner, name, revision, path = match.group(1), match.group(2), match.group(3), (match.group(4) or "")
        if ".." in f"{owner}/{name}" or "--" in f"{owner}/{name}":
            raise ScfmError(text, f"'{owner}/{name}' cannot be a repository", FORM)
        if not _REVISION.fullmatch(revision) or ".." in revision:
            raise ScfmError(text, f"{revision!r} cannot be a revision", FORM)
        parts = path.split("/") if match.group(4) is not None else []
        wrong = next((part for part in parts if not _PART.fullmatch(part)), None)
        if wrong is not None:
            problem = f"{wrong!r} cannot be a part of a path"
            raise ScfmError(text, problem, "Parts are letters, digits and . _ + - between single slashes.")
        return cls(f"{owner}/{name}", revision, path)

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{SCHEME}{self.repository}@{self.revision}" + (f"/{self.path}" if self.path else "")

    @property
    def is_commit(self) -> bool:
        """Whether the revision can never stand for other files."""
        return COMMIT.fullmatch(self.revision) is not None

    def at(self, commit: str) -> HubAddress:
        """The same place at a commit."""
        return replace(self, revision=commit)
