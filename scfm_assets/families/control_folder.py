"""Checkpoint folders as transformers writes them, with weights that a random generator or an author decides."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from scfm_assets import __version__
from scfm_assets.core.base import digest_folder, seed_from
from scfm_assets.core.genes import SPECIAL_TOKENS
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import CONTROL_FILE, MAPPING_FILE, MEDIANS_FILE, TOKENS_FILE, check_bert, read_json

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"

SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
"""Entries of config.json that are asked for; transformers has defaults for the rest."""

VOCABULARY = "vocabulary of a control"

SPECIAL = ("<pad>", "<mask>")
"""Tokens 0 and 1; genes follow from 2 on."""

OF_ONE_MACHINE = ("_name_or_path", "transformers_version", "torch_dtype", "dtype")
"""Entries of a foreign config.json that say where and how it was saved, not what it describes."""


def token_dictionary(genes: Sequence[str]) -> dict[str, int]:
    """Token ids of the special tokens and the genes, in order.

    Raises
    ------
    ScfmError
        If there is no gene, or one twice.
    """
    tokens = {name: i for i, name in enumerate([*SPECIAL, *genes])}
    repeated = len(genes) + len(SPECIAL) - len(tokens)
    if not genes or repeated:
        problem = f"{len(genes)} genes, {repeated} of them repeated or named like a special token"
        raise ScfmError(VOCABULARY, problem, "Give at least one gene, each once.")
    return tokens


def read_config(like: Path | Mapping[str, Any]) -> dict[str, Any]:
    """Read the architecture of a BERT checkpoint.

    Parameters
    ----------
    like
        A checkpoint folder, a config.json, or its content.

    Raises
    ------
    ScfmError
        If there is none, or it is no BERT configuration.
    """
    if isinstance(like, Path):
        file = like / CONFIG_FILE if like.is_dir() else like
        remedy = f"Name a checkpoint folder or its {CONFIG_FILE}."
        if not file.is_file():
            raise ScfmError(str(file), "no such file", remedy)
        place, config = str(file), read_json(file, remedy)
    else:
        place, config = "configuration", like
    check_bert(place, config, SIZES, remedy="A control needs a BERT configuration: model_type 'bert'.")
    kept = {name: value for name, value in config.items() if name not in OF_ONE_MACHINE}
    return kept | {"architectures": ["BertForMaskedLM"]}


def bert_weights(
    config: Mapping[str, Any],
    sd: Callable[[str, tuple[int, ...]], float],
    *,
    seed: int,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Fill every tensor of a BertForMaskedLM: as given; else LayerNorms and biases neutral, the rest normal.

    Parameters
    ----------
    config
        Content of config.json.
    sd
        Standard deviation of a tensor by name and shape.
    seed
        Each tensor has a random stream of its own from it: a deeper model has the same first layers.
    given
        Tensors that are decided.
    """
    filled: dict[str, np.ndarray] = {}
    for name, shape in _shapes(config).items():
        if given and name in given:
            filled[name] = np.ascontiguousarray(given[name], np.float32)
        elif name.endswith("bias"):
            filled[name] = np.zeros(shape, np.float32)
        elif "LayerNorm" in name:
            filled[name] = np.ones(shape, np.float32)
        else:
            rng = np.random.default_rng(seed_from("weights", seed, name))
            filled[name] = rng.standard_normal(shape, np.float32) * np.float32(sd(name, shape))
    return filled


def _shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    from transformers import BertConfig, BertForMaskedLM

    from scfm_assets.families.weights import shapes_of

    settings = BertConfig(**{k: v for k, v in config.items() if k != "model_type"})
    tied = "cls.predictions.decoder." if settings.tie_word_embeddings else "\0"
    shapes = shapes_of(lambda: BertForMaskedLM(settings))
    return {name: shape for name, shape in shapes.items() if not name.startswith(tied)}


def write_control(
    folder: Path,
    *,
    config: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    dictionaries: tuple[Mapping[str, int], Mapping[str, float]] | None,
    about: Mapping[str, Any],
    mapping: Mapping[str, str] | None = None,
) -> None:
    """Write a checkpoint folder with all its files, or nothing.

    Parameters
    ----------
    folder
        Where it goes. A folder that is there is replaced, or left alone if it holds the same.
    config, weights
        Architecture and tensors.
    dictionaries
        Token id and non-zero median of each gene; None if the family is told where others are.
    about
        How the control was made; the version of this package is added.
    mapping
        Other gene ids -> ids of the dictionary.

    Raises
    ------
    ScfmError
        If a gene of the dictionary has no positive median, or the dictionary does not fit the embeddings.
    """
    files: dict[str, Mapping[str, Any]] = {CONFIG_FILE: config, CONTROL_FILE: {**about, "scfm_version": __version__}}
    if dictionaries is not None:
        tokens, medians = dictionaries
        genes = [name for name in tokens if name not in SPECIAL_TOKENS]
        without = [gene for gene in genes if not 0 < medians.get(gene, 0.0) < np.inf]
        if without:
            problem = f"{len(without)} of {len(genes)} genes have no positive median (first: {without[0]!r})"
            raise ScfmError(VOCABULARY, problem, "Give the non-zero median of every gene.")
        if len(tokens) != config["vocab_size"]:
            problem = f"{len(tokens)} tokens, but the configuration has vocab_size {config['vocab_size']}"
            raise ScfmError(VOCABULARY, problem, "Give the dictionary that belongs to the configuration.")
        files |= {TOKENS_FILE: tokens, MEDIANS_FILE: {gene: float(medians[gene]) for gene in genes}}
        files |= {MAPPING_FILE: mapping} if mapping else {}
    write_folder(folder, weights, files)


def write_folder(folder: Path, weights: Mapping[str, np.ndarray], files: Mapping[str, Mapping[str, Any]]) -> None:
    """Write weights and JSON files into a hidden folder beside the final one, whose place it takes when all is written.

    A folder that is there is replaced, or left alone if it holds the same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new = beside / "new"
        new.mkdir()
        save_file(dict(weights), new / WEIGHTS_FILE, metadata={"format": "pt"})
        for name, content in files.items():
            (new / name).write_text(json.dumps(content, indent=1) + "\n")
        if not _is_same(folder, new):
            with suppress(FileNotFoundError):
                folder.rename(beside / "old")
            try:
                new.rename(folder)
            except OSError:  # another process was quicker; what it wrote from the same inputs is as good
                if not _is_same(folder, new):
                    raise
    finally:
        shutil.rmtree(beside)


def _is_same(one: Path, other: Path) -> bool:
    return one.is_dir() and digest_folder(one) == digest_folder(other)
