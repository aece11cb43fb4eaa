"""Folders of checkpoints as people drop them: whether all of one is there, and which are models of the platform.

Nothing here opens a model: what is asked is whether files are still being written, whether they are whole, and what a
``model.yaml`` beside them says.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scfm_assets.catalog.model import Model
from scfm_assets.catalog.yaml_blocks import NAME, read
from scfm_assets.core.base import digest_json
from scfm_assets.errors import ScfmError

SETTLE_SECONDS = "SCFM_SETTLE_SECONDS"
"""Environment variable: how long files must have been left alone."""

COMPLETE = ".complete"
"""Whoever copies a checkpoint may write this file last: then nobody waits."""

MODEL_FILE = "model.yaml"


# Settling -------------------------------------------------------------------------------------------------------------


def settle_seconds() -> float:
    """Seconds for which the files of a checkpoint must have been left alone.

    Raises
    ------
    ScfmError
        If the environment variable holds no such time.
    """
    setting = os.environ.get(SETTLE_SECONDS) or "10"
    if not re.fullmatch(r"\d+(\.\d+)?", setting):
        raise ScfmError(SETTLE_SECONDS, f"{setting!r} is no number of seconds", "Set it to 10, or to 0 for no wait.")
    return float(setting)


def unsettled(folder: Path, files: Sequence[Path]) -> str | None:
    """Say why the files of a checkpoint may not all be there yet; None if they were left alone for long enough.

    Parameters
    ----------
    folder
        Holds the checkpoint. A file `COMPLETE` that is newer than all others says that nothing is to come.
    files
        What belongs to it, wherever it is.

    Raises
    ------
    ScfmError
        If the settle time is none.
    """
    settle = settle_seconds()
    try:
        inside = (path for path in folder.iterdir() if path.is_file() or path.is_symlink())
        # copying tools set a file's time of modification back, but not that of its change
        changed = {path: path.stat().st_ctime for path in (*inside, *files)}
    except FileNotFoundError as error:
        return f"{error.filename} is not there"
    marker = changed.pop(folder / COMPLETE, None)
    newest = max(changed, key=lambda path: changed[path], default=folder)
    latest = changed.get(newest, 0.0)
    quiet = time.time() - latest
    if (marker is not None and marker >= latest) or quiet >= settle:
        return None
    return f"{newest.name} changed {max(quiet, 0):.0f} s ago: waiting until nothing has for {settle:g} s"


# Models -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dropped:
    """What was found below a folder that is watched for models.

    Attributes
    ----------
    models
        Name -> what its `MODEL_FILE` says, with the folder as its checkpoint.
    said
        Name -> the plain data behind it.
    left_out
        Name of a folder -> why it is no model.
    """

    models: dict[str, Model] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def dropped_models(
    root: Path,
    files: Callable[[Path, Model], Sequence[Path]],
    *,
    taken: Collection[str],
    marks: Path,
    only: Collection[str] | None = None,
) -> Dropped:
    """Find the models that lie below a watched folder: each is a folder with a `MODEL_FILE`.

    A folder that is not all there is left out, unless it has been a model before: then its weights are being replaced,
    and a model that vanished for as long as that takes would leave its results without an owner.

    Parameters
    ----------
    root
        The watched folder; it need not exist.
    files
        Gives the files that decide what a model computes, by its folder.
    taken
        Names that are in use.
    marks
        Folder in which it is remembered which folders have been models.
    only
        Names to look at; all by default.
    """
    dropped = Dropped()
    for folder in _candidates(root):
        name = folder.name
        if only is not None and name not in only:
            continue
        mark = marks / f"{digest_json(str(root))[:12]}-{name}"
        try:
            _check_name(name, {*taken, *dropped.models})
            _check_links(folder, root)
            model, data = _read(folder)
            if only is None and not mark.exists():
                _check_ready(folder, files(folder, model))
        except (ScfmError, OSError) as error:
            dropped.left_out[name] = " ".join(str(error).split())
            continue
        dropped.models[name], dropped.said[name] = model, data
        with suppress(OSError):  # a home that cannot be written can still be looked at
            marks.mkdir(parents=True, exist_ok=True)
            mark.touch()
    if only is None:
        _forget(root, marks)
    return dropped


def _candidates(root: Path) -> list[Path]:
    """List the visible folders with a `MODEL_FILE`; the platform's own controls have none."""
    try:
        folders = sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder for folder in folders if not folder.name.startswith(".") and os.path.lexists(folder / MODEL_FILE)]


def _check_name(name: str, taken: Collection[str]) -> None:
    if not NAME.fullmatch(name):
        problem = f"{name!r} cannot be a model's name"
        raise ScfmError("model", problem, "It begins with a letter and holds letters, digits, '_' and '-', at most 63.")
    if name == "baselines":
        raise ScfmError(name, "it stands for the baselines in every table", "Rename the folder.")
    if twin := next((other for other in taken if other.casefold() == name.casefold()), None):
        raise ScfmError(name, f"there is a model {twin!r} already", "Rename the folder.")


def _check_links(folder: Path, root: Path) -> None:
    inside = root.resolve()
    for path in (folder, *folder.iterdir()):
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            place = path.relative_to(root)
            raise ScfmError(str(place), f"the link leaves {root}", "Copy what it points to, or name it in the catalog.")


def _check_ready(folder: Path, files: Sequence[Path]) -> None:
    from scfm_assets.families.folder import check_whole

    if reason := unsettled(folder, files):
        raise ScfmError(folder.name, reason)
    check_whole(files)


def _read(folder: Path) -> tuple[Model, dict[str, Any]]:
    model, data = read(Model, folder / MODEL_FILE, checkpoint=".")
    if data.pop("checkpoint") != "." or "control" in data:
        problem = "says where its checkpoint is"
        raise ScfmError(str(folder / MODEL_FILE), problem, "Leave out `checkpoint` and `control`: it is this folder.")
    data.pop("about", None)  # it decides nothing
    return model, data


def _forget(root: Path, marks: Path) -> None:
    """Forget folders that are gone: one that comes back under the same name is new."""
    beginning = f"{digest_json(str(root))[:12]}-"
    for mark in marks.glob(f"{beginning}*"):
        if not (root / mark.name.removeprefix(beginning)).is_dir():
            mark.unlink(missing_ok=True)
