"""Folders of trained models: every revision whole in itself, the newest one where the platform watches."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scfm_assets.catalog import COMPLETE, MODEL_FILE
from scfm_assets.core.base import digest_file, hidden_beside
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TRAINING_FILE = "training.json"
REVISIONS = "revisions"
WORK = ".training"
"""Folder inside a model's folder that holds the state of a training which is not at its end."""

WEIGHTS_FILE = "model.safetensors"


def revision_folder(folder: Path, step: int) -> Path:
    """Folder of one revision of a model."""
    return folder / REVISIONS / f"step-{step:06d}"


def revisions(folder: Path) -> list[Path]:
    """List the revisions of a model that are whole, the oldest first."""
    return sorted(path.parent for path in (folder / REVISIONS).glob(f"step-*/{COMPLETE}"))


def write_revision(folder: Path, save: Callable[[Path], None], notes: Callable[[str], Mapping[str, bytes]]) -> None:
    """Write the folder of one revision under a hidden name and rename it when it is whole.

    Parameters
    ----------
    folder
        From `revision_folder`; one that is there is replaced.
    save
        Writes configuration, weights and dictionaries into a folder.
    notes
        Digest of the weights -> name and content of further files.
    """
    beside = hidden_beside(folder)
    try:
        beside.mkdir()
        save(beside)
        for name, content in notes(digest_file(beside / WEIGHTS_FILE)).items():
            (beside / name).write_bytes(content)
        (beside / COMPLETE).touch()
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def publish(revision: Path, folder: Path) -> None:
    """Put a revision where the platform watches for models.

    Each file is replaced as a whole, and only if it differs. Weights come before the notes that name their digest; the
    file that makes the folder a model comes last, and then the marker which says that nothing is to come. While a file
    is newer than the marker, the platform waits.
    """
    files = {path.name: path for path in revision.iterdir() if path.name != COMPLETE}
    order = sorted(files, key=lambda name: (name == MODEL_FILE, name == TRAINING_FILE, name != WEIGHTS_FILE, name))
    changed = [name for name in order if not _same(files[name], folder / name)]
    if not changed and (folder / COMPLETE).exists():
        return
    (folder / COMPLETE).unlink(missing_ok=True)
    half = folder / WORK / "publishing"
    half.mkdir(parents=True, exist_ok=True)
    for name in changed:
        shutil.copyfile(files[name], half / name)
        (half / name).replace(folder / name)
    (folder / COMPLETE).touch()
    shutil.rmtree(half)


def read_training(folder: Path) -> dict[str, Any] | None:
    """Read what a folder says of its training; None if it says nothing.

    Raises
    ------
    ScfmError
        If the file is damaged.
    """
    path = folder / TRAINING_FILE
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ScfmError(str(path), f"not readable JSON ({error})", "Train anew with --fresh.") from error
    if not isinstance(record, dict):
        raise ScfmError(str(path), "is no note of a training", "Train anew with --fresh.")
    return record


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Hold a training's folder for this process.

    Raises
    ------
    ScfmError
        If another process trains there.
    """
    import fcntl

    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another process is training this model"
            raise ScfmError(str(work.parent), problem, "Wait for it, or choose another name.") from None
        yield


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and digest_file(one) == digest_file(other)
