"""Files that appear whole or not at all: written under a hidden name beside their path, and renamed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def hidden_beside(path: Path) -> Path:
    """Return a new hidden name beside a path, with the path's suffix; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden path to write to; what was written replaces `path` at the end, and is removed after an error."""
    hidden = hidden_beside(path)
    try:
        yield hidden
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
