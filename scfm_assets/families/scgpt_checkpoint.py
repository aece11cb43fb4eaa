"""Weights of scGPT's checkpoint folders, loaded without running anything and without inventing one."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from scfm_assets.core.attention import register
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import weights_file
from scfm_assets.families.scgpt_encoder import ScgptConfig, ScgptEncoder
from scfm_assets.families.scgpt_files import ARGS_FILE, VOCAB_FILE, WEIGHTS, Args
from scfm_assets.families.weights import loaded, read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

HEADS = (
    "decoder.",
    "cls_decoder.",
    "mvc_decoder.",
    "grad_reverse_discriminator.",
    "flag_encoder.",  # marks genes that are to be generated
    "batch_encoder.",  # goes to the decoders alone
    "sim.",
    "creterion_cce.",
)
"""Tensors beside the encoder that are not needed."""

SPELLINGS = (
    (re.compile(r"^module\."), ""),  # saved from several GPUs
    (re.compile(r"\.self_attn\._impl\."), ".self_attn."),  # scGPT's wrapper of flash-attention 2
    (re.compile(r"\.self_attn\.in_proj_"), ".self_attn.Wqkv."),  # PyTorch's own attention
)
"""Names of one tensor in different variants of scGPT -> ours, which is that of the published checkpoints."""

LAYER = re.compile(r"^transformer_encoder\.layers\.(\d+)\.")


def load_encoder(folder: Path, args: Args, n_tokens: int, max_tokens: int) -> tuple[ScgptEncoder, str]:
    """Load the encoder of a checkpoint in float32 with our attention.

    Parameters
    ----------
    folder
        Holds model.safetensors or best_model.pt.
    args
        What its args.json says.
    n_tokens
        Tokens of its vocabulary.
    max_tokens
        Longest cell it will be given.

    Returns
    -------
    ScgptEncoder
        In evaluation mode, every tensor from the file.
    str
        Type the weights are stored in, such as 'float32'.

    Raises
    ------
    ScfmError
        Weights missing or unreadable; tensors missing, left over, of other shapes than args.json and vocabulary say,
        or not finite; a normalisation by batch label.
    """
    path = weights_file(folder, WEIGHTS)
    state = _ours(path, read_weights(path))
    _check_outline(path, state, args, n_tokens)
    config = config_of(args, n_tokens, max_tokens, state)
    return loaded(partial(new_scgpt, config), path, state, config=ARGS_FILE)


def config_of(
    args: Args, n_tokens: int, max_tokens: int, state: Mapping[str, torch.Tensor] | None = None
) -> ScgptConfig:
    """Configuration of an encoder; whether it has a batch normalisation only its tensors tell."""
    rows = None if state is None else state.get("value_encoder.embedding.weight")
    return ScgptConfig(
        vocab_size=n_tokens,
        hidden_size=args.embsize,
        num_hidden_layers=args.nlayers,
        num_attention_heads=args.nheads,
        intermediate_size=args.d_hid,
        max_position_embeddings=max_tokens,
        value_style=args.input_emb_style,
        n_values=args.n_bins + 2 if rows is None else len(rows),  # scGPT's own: bins, padding, mask
        batch_norm=state is not None and any(name.startswith("bn.") for name in state),
    )


def new_scgpt(config: ScgptConfig) -> ScgptEncoder:
    """Make an encoder with our attention."""
    config._attn_implementation = register()
    return ScgptEncoder(config)


def _ours(path: Path, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's tensors under our names."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        ours = name
        for pattern, spelling in SPELLINGS:
            ours = pattern.sub(spelling, ours)
        if ours.startswith(HEADS) or ours == "bn.num_batches_tracked":
            continue
        if ours in tensors:
            raise ScfmError(str(path), f"tensor {ours!r} is there twice, under two names", "Save the checkpoint again.")
        tensors[ours] = tensor
    return tensors


def _check_outline(path: Path, state: Mapping[str, torch.Tensor], args: Args, n_tokens: int) -> None:
    """Refuse in words what a list of tensors would not explain."""
    if any(name.startswith("dsbn.") for name in state):
        problem = "its cells are normalised by batch (tensors 'dsbn'): what it computes depends on labels of batches"
        remedy = "Name a checkpoint that was trained without domain_spec_batchnorm, such as a pretrained one."
        raise ScfmError(str(path), problem, remedy)
    n_layers = len({match.group(1) for name in state if (match := LAYER.match(name))})
    if n_layers != args.nlayers:  # before so many are built
        problem = f"it has {n_layers} layers, {ARGS_FILE} says nlayers {args.nlayers}"
        raise ScfmError(str(path), problem, f"Name the {ARGS_FILE} that belongs to these weights.")
    rows = state.get("encoder.embedding.weight")
    if rows is not None and len(rows) != n_tokens:
        problem = f"it has {len(rows):,} token embeddings, the vocabulary {n_tokens:,} tokens (special ones included)"
        raise ScfmError(str(path), problem, f"Name the {VOCAB_FILE} that the model was trained with.")
    rows = state.get("value_encoder.embedding.weight")
    if rows is not None and args.input_emb_style == "category" and not max(args.n_bins - 1, args.pad_value) < len(rows):
        problem = f"it has {len(rows)} value embeddings, n_bins is {args.n_bins} and pad_value {args.pad_value:g}"
        raise ScfmError(str(path), problem, f"Name the {ARGS_FILE} that belongs to these weights.")
