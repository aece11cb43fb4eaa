"""Files of a checkpoint folder as transformers writes it. Needs no torch, so a sensor may ask."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scfm_assets.errors import ScfmError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that may hold the weights, the preferred one first."""

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")

TOKENS_FILE, MEDIANS_FILE, MAPPING_FILE = "token_dictionary.json", "gene_median.json", "ensembl_mapping.json"
"""Dictionaries in the folders that are written here: each is whole in itself."""

CONTROL_FILE = "control.json"
"""Says how a control was made."""

AGAIN = "Copy it again."


def read_json(path: Path, remedy: str | None = None, **how: Any) -> Any:
    """Read a JSON file; `how` goes to the reader.

    Raises
    ------
    ScfmError
        It is none, or another encoding than UTF-8.
    """
    try:
        return json.loads(path.read_bytes(), **how)
    except (ValueError, RecursionError) as error:  # ValueError: of JSON, or of the encoding
        raise ScfmError(str(path), f"not readable JSON ({error})", remedy) from error


def check_bert(place: str, config: Any, sizes: Iterable[str], *, remedy: str) -> None:
    """Ask for the configuration of a BERT encoder.

    Raises
    ------
    ScfmError
        Another architecture (with `remedy`), or one of these sizes is missing or no positive whole number.
    """
    if not isinstance(config, dict) or config.get("model_type") != "bert":
        kind = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise ScfmError(place, f"model_type is {kind!r}", remedy)
    for name in sizes:
        if type(config.get(name)) is not int or config[name] < 1:
            raise ScfmError(place, f"{name} is {config.get(name)!r}", "It must be a whole number above zero.")


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


def weights_file(folder: Path, names: Sequence[str] = WEIGHTS) -> Path:
    """Find the file with the weights: the first of these names that is there.

    Raises
    ------
    ScfmError
        There is none.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ScfmError(str(folder), "no weights in this folder", f"One of {' or '.join(names)} is needed.")


def check_whole(files: Iterable[Path]) -> None:
    """Find what copying left unfinished: weights shorter than they say themselves, JSON that breaks off.

    Raises
    ------
    ScfmError
        If a file is missing or broken.
    """
    for path in files:
        if not path.is_file():
            raise ScfmError(str(path), "there is no such file")
        if path.suffix in WEIGHT_SUFFIXES:
            _check_weights(path)
        elif path.suffix == ".json":
            read_json(path, AGAIN)


def _check_weights(path: Path) -> None:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy"):
                return
        except SafetensorError as error:
            raise ScfmError(str(path), f"these are no whole weights ({error})", AGAIN) from error
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"  # what torch.save has written since 1.6; older files say no length
    if is_archive and not zipfile.is_zipfile(path):
        raise ScfmError(str(path), "these are no whole weights (the archive breaks off)", AGAIN)
