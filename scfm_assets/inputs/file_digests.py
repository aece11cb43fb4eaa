"""Content digests of files, remembered by path, size and times of change, so that asking again costs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scfm_assets.core.base import digest_file, digest_json, replacing
from scfm_assets.errors import ScfmError
from scfm_assets.home import home


def file_digest(path: Path) -> str:
    """Digest a file's content, remembered by path, size and times of change.

    Any number of processes may ask at once: what is remembered of one file is one small file, replaced as a whole.

    Raises
    ------
    ScfmError
        If there is no such file, or it changes while it is read.
    """
    stamp = _stamp(path)
    remembered = home() / "digests" / f"{digest_json(str(path))}.json"
    try:
        known = json.loads(remembered.read_text())
    except (FileNotFoundError, ValueError):  # a machine that lost power may leave an empty one
        known = None
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return known["digest"]
    digest = digest_file(path)
    if _stamp(path) != stamp:
        raise ScfmError(str(path), "it changes while it is read", "Wait until it is written.")
    with replacing(remembered) as hidden:
        hidden.write_text(json.dumps({"stamp": stamp, "digest": digest}))
    return digest


def _stamp(path: Path) -> list[Any]:
    """What changes when a file does: copying tools set its time of modification back, but not that of change."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise ScfmError(str(path), "there is no such file", "Correct the path in the catalog.") from None
    return [str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
