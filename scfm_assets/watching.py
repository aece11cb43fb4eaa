"""What the files of a model are now, looked at from outside: their version, or why they are left alone for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets import checkpoints
from scfm_assets.checkpoint_folders import unsettled
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog


@dataclass(frozen=True)
class Seen:
    """What a look at a model's files found."""

    version: str | None
    """Digest of what decides what the model computes; None if it cannot be told now."""
    reason: str = ""
    """Why it cannot."""


def look(catalog: Catalog, model: str) -> Seen:
    """Give the version of a model's files once they are settled and whole. Nothing is built, and nothing raised.

    Parameters
    ----------
    catalog
        What is declared.
    model
        One of its models. A control that has not been built yet has no version.
    """
    from scfm_assets.families import FAMILIES
    from scfm_assets.families.folder import check_whole

    entry = catalog.models[model]
    try:
        folder = checkpoints.known_folder(catalog, model)
        if entry.control is not None and not folder.is_dir():
            return Seen(None, "the control is built when it is first needed")
        files = FAMILIES[entry.family].digest_inputs(folder, entry.options.as_dict())
        if reason := unsettled(folder, files):
            return Seen(None, reason)
        check_whole(files)
        return Seen(checkpoints.checkpoint_version(catalog, model))
    except (ScfmError, OSError) as error:
        return Seen(None, " ".join(str(error).split()))
