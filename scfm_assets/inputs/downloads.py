"""Files from the web: fetched once, known by their SHA-256, kept below the home for work offline.

A mirror that `SCFM_MIRROR` names, a folder or a base address, is asked first: for ``<host>/<path>`` and for the bare
name of the file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from filelock import FileLock

from scfm_assets.core.base import LENGTH, digest_json, replacing
from scfm_assets.errors import ScfmError
from scfm_assets.home import home
from scfm_assets.inputs.file_digests import file_digest

FIRST = "first"
"""Instead of a SHA-256: trust what is met first, and nothing else later."""

RETRIES = 3
"""Further attempts after a connection that failed."""

CHUNK = 1 << 20

LINE_SECONDS = 10.0
"""Time between two lines about a download that takes long."""

LEFT_SECONDS = 24 * 3600
"""Age at which what a killed download left is removed."""

PASSING = {408, 425, 429}
"""Answers of a server below 500 after which asking again may help."""


def fetched(url: str, sha256: str) -> Path:
    """Local copy of a download, fetching it first if need be.

    Parameters
    ----------
    url
        https, http or file.
    sha256
        What the content must have; or `FIRST`.

    Raises
    ------
    ScfmError
        If it cannot be had, or has another content than it should; then nothing of it is kept.
    """
    known = _pins().get(digest_json(url), {}).get("sha256") if sha256 == FIRST else sha256
    path = _folder() / f"{(digest_json(url) if sha256 == FIRST else sha256)[:12]}-{_name(url)}"
    if path.is_file():
        if known is None:
            return _pinned(url, path)
        if file_digest(path) == known[:LENGTH]:
            return path
        path.unlink(missing_ok=True)
    for place in _mirrored(url):
        try:
            _download(place, path, known, retries=0)
            break
        except ScfmError:  # a mirror need not have everything
            continue
    else:
        _download(url, path, known, changed=sha256 == FIRST)
    return _pinned(url, path) if known is None else path


def shown(url: str) -> str:
    """Write an address without what it may hold of secrets."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.hostname or ''}{address.path}"


def _folder() -> Path:
    return home() / "downloads"


def _name(url: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", unquote(Path(urlsplit(url).path).name)).lstrip(".")
    return name[-100:] or "download"


def _mirrored(url: str) -> Iterator[str]:
    """Addresses below a mirror where the file of an address may be."""
    mirror = os.environ.get("SCFM_MIRROR")
    address = urlsplit(url)
    parts = [part for part in re.split(r"[/\\]", unquote(address.path)) if part]
    if not mirror or not parts or {".", ".."} & set(parts):
        return
    for inside in ([address.hostname or "local", *parts], parts[-1:]):
        if "://" in mirror:
            yield "/".join([mirror.rstrip("/"), *map(quote, inside)])
        elif (file := Path(mirror).expanduser().absolute().joinpath(*inside)).is_file():
            yield file.as_uri()


# Transfer ---------------------------------------------------------------------------------------------------------


def _download(url: str, path: Path, known: str | None, *, retries: int = RETRIES, changed: bool = False) -> None:
    """Fetch into a hidden file beside the wanted one, which takes its place when its content is right."""
    import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("WARNING")
    _sweep(path.parent)
    store = pooch.create(
        path=path.parent, base_url="", registry={path.name: None}, urls={path.name: url}, retry_if_failed=retries
    )
    transfer: Any = partial(_transfer, path=path, known=known, changed=changed)
    try:
        store.fetch(path.name, downloader=transfer)
    except (OSError, ValueError, RequestException) as error:
        raise _not_there(url, str(error).replace(url, shown(url)), path) from error


def _sweep(folder: Path) -> None:
    """Remove what killed downloads left: pooch's nameless files that nobody has written to for long."""
    for file in folder.glob("tmp????????"):
        with suppress(OSError):  # another process may sweep too
            if time.time() - file.stat().st_mtime > LEFT_SECONDS:
                file.unlink()


def _transfer(url: str, output_file: str, pooch: Any, *, path: Path, known: str | None, changed: bool) -> None:
    """Fetch an address into a file, as pooch asks for it, and look at what came before anybody else does."""
    from pooch import HTTPDownloader, file_hash
    from requests.exceptions import HTTPError

    address = urlsplit(url)
    if address.scheme == "file":
        shutil.copyfile(_local_path(address), output_file)
    else:
        # As it lies there: a server that packs it for the way would give it another digest.
        plain = {"Accept-Encoding": "identity"}
        line: Any = _Line(_name(url))
        get = HTTPDownloader(progressbar=line, chunk_size=CHUNK, headers=plain)
        try:
            get(url, output_file, pooch)
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else 500
            if status >= 500 or status in PASSING:
                raise
            raise _not_there(url, f"the server answers {status}", path) from error
    sha256 = file_hash(output_file)
    if known is not None and sha256 != known:
        raise _other_content(url, sha256, known, changed=changed)


def _local_path(address: SplitResult) -> Path:
    if address.hostname not in {None, "", "localhost"}:
        message = f"a file on another machine, {address.hostname}"
        raise ValueError(message)
    return Path(unquote(address.path))


def _not_there(url: str, reason: str, path: Path) -> ScfmError:
    remedy = f"Check the url and the network, name a mirror in SCFM_MIRROR, or put the file at {path}."
    return ScfmError(shown(url), f"cannot be downloaded: {reason}", remedy)


def _other_content(url: str, sha256: str, known: str, *, changed: bool) -> ScfmError:
    if not changed:
        problem = f"what was downloaded has another SHA-256: {sha256}, declared is {known}"
        return ScfmError(shown(url), problem, "Correct sha256, or the url. Nothing was kept.")
    problem = f"it has changed since it was first met: its SHA-256 is {sha256}, and was {known}"
    remedy = f"If the change is welcome, remove its entry from {_folder() / 'pins.json'}. Nothing was kept."
    return ScfmError(shown(url), problem, remedy)


class _Line:
    """Says on stderr from time to time how far a download has come; made as pooch wants its progress bars."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done, self.written = name, 0, 0, time.monotonic()

    def update(self, n: int) -> None:
        """Count bytes that came."""
        self.done += n
        if time.monotonic() - self.written >= LINE_SECONDS:
            self.written = time.monotonic()
            of = f" of {self.total / 1e6:,.0f}" if self.total else ""
            sys.stderr.write(f"downloading {self.name}: {self.done / 1e6:,.0f}{of} MB\n")

    def reset(self) -> None:
        """Begin anew."""
        self.done = 0

    def close(self) -> None:
        """End; there is nothing to do."""


# Pins -------------------------------------------------------------------------------------------------------------


def _pins() -> dict[str, dict[str, str]]:
    """Read which content was met first of each address."""
    file = _folder() / "pins.json"
    try:
        pins = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        remedy = "Mend it, or remove it: then what is met next is trusted."
        raise ScfmError(str(file), f"not readable JSON ({error})", remedy) from error
    return pins


def _pinned(url: str, path: Path) -> Path:
    """Remember the content that was met first; of two processes that met different ones the second is refused."""
    from pooch import file_hash

    sha256 = file_hash(str(path))
    file = _folder() / "pins.json"
    with FileLock(_folder() / ".pins.lock"):
        pins = _pins()
        known = pins.setdefault(digest_json(url), {"url": shown(url), "sha256": sha256})["sha256"]
        if known != sha256:
            path.unlink(missing_ok=True)
            raise _other_content(url, sha256, known, changed=True)
        with replacing(file) as hidden:
            hidden.write_text(json.dumps(pins, indent=1, sort_keys=True) + "\n")
    return path
