"""An scGPT checkpoint with random weights: the yardstick beside a real one of the same architecture and vocabulary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from scfm_assets import __version__
from scfm_assets.core.base import seed_from
from scfm_assets.families.control_folder import write_folder
from scfm_assets.families.folder import CONTROL_FILE
from scfm_assets.families.scgpt_files import ARGS_FILE, VOCAB_FILE, Args, read_args, read_tokens

LOGIT_SD = 1.2
"""Standard deviation of the attention logits of every layer, as in the random control of BERT models."""

SD = 0.02
"""Standard deviation of most other weights, as there: larger ones would make all genes alike after some layers."""


def build_random(folder: Path, *, like: Path, vocab: Path | None = None, seed: int = 0) -> None:
    """Write an scGPT checkpoint whose weights are random.

    Parameters
    ----------
    folder
        Where the checkpoint goes; written beside and renamed, replaced if it exists.
    like
        Architecture: a checkpoint folder, or its args.json.
    vocab
        Vocabulary; vocab.json beside the args.json by default.
    seed
        Each tensor has a random stream of its own from it: a deeper model has the same first layers.

    Raises
    ------
    ScfmError
        If args.json or the vocabulary is missing or unreadable.
    """
    from scfm_assets.families.scgpt_checkpoint import config_of
    from scfm_assets.families.scgpt_encoder import ScgptEncoder
    from scfm_assets.families.weights import shapes_of

    file = like / ARGS_FILE if like.is_dir() else like
    args = read_args(file)
    tokens = read_tokens(vocab or file.parent / VOCAB_FILE, args.pad_token)
    config = config_of(args, len(tokens), args.max_seq_len)
    shapes = shapes_of(lambda: ScgptEncoder(config))
    weights = {name: _tensor(name, shape, args, seed) for name, shape in shapes.items()}
    about = {"control": "random", "logit_sd": LOGIT_SD, "sd": SD, "seed": seed, "scfm_version": __version__}
    write_folder(folder, weights, {ARGS_FILE: asdict(args), VOCAB_FILE: tokens, CONTROL_FILE: about})


def _tensor(name: str, shape: tuple[int, ...], args: Args, seed: int) -> np.ndarray:
    """Draw a tensor; LayerNorms and most biases are neutral."""
    if "norm" in name:
        return np.full(shape, float(name.endswith("weight")), np.float32)
    rng = np.random.default_rng(seed_from("weights", seed, name))
    if name.startswith("value_encoder.linear1."):
        # Kinks of the ReLUs all over the bins: without biases, all values above zero would be one vector.
        return rng.uniform(-1, 1, shape).astype(np.float32) * (args.n_bins if name.endswith("bias") else 1)
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    drawn = rng.standard_normal(shape, np.float32) * np.float32(SD)
    if name.endswith("Wqkv.weight"):
        # Inputs of variance v give queries and keys of variance hidden * sd^2 * v per dimension; v is one after a
        # normalisation, and two where a gene and a value are added.
        variance = 2 if ".layers.0." in name else 1
        drawn[: 2 * args.embsize] *= np.float32((LOGIT_SD / args.embsize / variance) ** 0.5 / SD)
    return drawn
