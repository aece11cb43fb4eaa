"""Files of a checkpoint folder as transformers writes it. Needs no torch, so a sensor may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that may hold the weights, the preferred one first."""


def config_file(folder: Path) -> Path:
    """Find config.json.

    Raises
    ------
    ScfmError
        No such folder, or no config.json in it.
    """
    remedy = "A checkpoint is a folder with config.json and weights, as transformers saves it."
    if not folder.is_dir():
        raise ScfmError(str(folder), "no such folder", remedy)
    if not (folder / "config.json").is_file():
        raise ScfmError(str(folder), "no config.json in this folder", remedy)
    return folder / "config.json"


def weights_file(folder: Path) -> Path:
    """Find the file with the weights.

    Raises
    ------
    ScfmError
        There is none.
    """
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise ScfmError(str(folder), "no weights in this folder", f"One of {' or '.join(WEIGHTS)} is needed.")
