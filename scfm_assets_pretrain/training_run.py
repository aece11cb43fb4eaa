"""Training of small checkpoints from the atlases of a catalog: inputs, settings and what is left behind."""

from __future__ import annotations

import errno
import json
import shutil
from typing import TYPE_CHECKING, Any

from scfm_assets.catalog import MODEL_FILE
from scfm_assets.errors import ScfmError
from scfm_assets_pretrain import folder as folders
from scfm_assets_pretrain.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scfm_assets_pretrain.inputs import TrainingJob

IDENTITY_FILE = "identity.json"
STATES = "checkpoint-*"
"""What the Trainer calls the states it can go on from."""


def pretrain(job: TrainingJob, *, fresh: bool, resume: bool, tell: Callable[[Any], None]) -> dict[str, Any]:
    """Train a model, or go on with it, and leave its revisions in its folder.

    Parameters
    ----------
    job
        The training that is asked for.
    fresh
        Throw away what the folder holds of another or an earlier training.
    resume
        Refuse to begin: there must be a training that was stopped.
    tell
        Called with text and with `scfm_assets_pretrain.loop.Progress`.

    Returns
    -------
    The content of training.json.

    Raises
    ------
    ScfmError
        If the objective has no use for what is given, the folder holds another model, atlases and vocabulary do not
        meet, nothing is there to go on with, or the disk is full.
    """
    _check_trainer()
    job.objective.check(job.recipe, job.dictionaries.as_paths())
    identity, work = job.identity(), job.folder / folders.WORK
    done = _before(job, identity, fresh=fresh, resume=resume)
    if done is not None:
        tell(f"{job.folder} is finished: {job.recipe.steps} steps of the same training. --fresh trains it anew.")
        return done
    with folders.alone(work):
        (work / IDENTITY_FILE).write_text(json.dumps(identity, indent=1))
        try:
            return Training(job, identity, tell).run()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            remedy = "Make room and call the same command again: it goes on from the last state."
            raise ScfmError(str(job.folder), "the disk is full", remedy) from error


def _check_trainer() -> None:
    from importlib.util import find_spec

    if find_spec("accelerate") is None:
        problem = "the package accelerate, by which transformers trains, is not installed"
        raise ScfmError("scfm pretrain", problem, 'pip install "scfm_assets[pretrain]"')


def _before(job: TrainingJob, identity: dict[str, Any], *, fresh: bool, resume: bool) -> dict[str, Any] | None:
    """Look at what the folder holds: nothing, this training half done or finished, or something else."""
    folder, work = job.folder, job.folder / folders.WORK
    record = folders.read_training(folder) if not fresh else None
    if (folder / MODEL_FILE).exists() and not (folder / folders.TRAINING_FILE).exists():
        problem = "holds a model that was not trained here"
        raise ScfmError(str(folder), problem, "Choose another name.")
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(folder / folders.REVISIONS, ignore_errors=True)
    begun = _identity_in(work)
    for known in (begun, record.get("identity") if record else None):
        if known is not None and known != identity:
            differing = sorted(name for name in {*known, *identity} if known.get(name) != identity.get(name))
            listed = "; ".join(_difference(name, known.get(name), identity.get(name)) for name in differing)
            problem = f"holds another training: {listed}"
            raise ScfmError(str(folder), problem, "Choose another name, or throw that one away with --fresh.")
    finished = record is not None and record.get("finished") and begun is None
    if resume and begun is None and not finished:
        raise ScfmError(str(folder), "there is no training to go on with", "Leave out --resume to begin one.")
    return record if finished else None


def _difference(name: str, before: Any, now: Any) -> str:
    if isinstance(before, int | float) and isinstance(now, int | float):
        return f"{name} {before}, now {now}"
    return f"another {name}"


def _identity_in(work: Path) -> dict[str, Any] | None:
    """Identity of the training that left a state; None for one that never came to a state."""
    if not any(work.glob(STATES)):
        return None
    try:
        return json.loads((work / IDENTITY_FILE).read_bytes())
    except (FileNotFoundError, ValueError):  # none yet, or killed while it was written
        return None
