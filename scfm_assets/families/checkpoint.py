"""Encoders from folders as transformers writes them, loaded without running anything and without inventing a weight."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from transformers import BertConfig, BertModel
from transformers.activations import ACT2FN

from scfm_assets.core.attention import register
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import config_file, weights_file
from scfm_assets.families.weights import check_state, read_weights, stored_as

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
"""Entries of config.json without which no encoder can be built."""

OPTIONAL: dict[str, Any] = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 0}
"""Entries that may be missing, with transformers' own defaults."""

HEADS = ("cls.", "pooler.", "classifier.", "embeddings.position_ids", "embeddings.token_type_ids")
"""Tensors beside the encoder that are not needed: heads, and buffers that old files hold."""


def load_bert(folder: Path) -> tuple[BertModel, str]:
    """Load the encoder of a BERT checkpoint (BertForMaskedLM or BertModel) in float32 with our attention.

    Parameters
    ----------
    folder
        Holds config.json and model.safetensors or pytorch_model.bin.

    Returns
    -------
    BertModel
        In evaluation mode, without pooler, every tensor from the file.
    str
        Type the weights are stored in, such as 'float16'.

    Raises
    ------
    ScfmError
        Folder, config or weights missing or unreadable, another architecture, tensors missing, left over, of other
        shapes than the config says, or not finite.
    """
    config = read_config(folder)
    path = weights_file(folder)
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in _build(config).state_dict().items()}
    state = {name.removeprefix("bert."): tensor for name, tensor in read_weights(path).items()}
    state = {name: tensor for name, tensor in state.items() if not name.startswith(HEADS)}
    check_state(path, state, expected, config=config_file(folder).name)
    return build_bert(config, state), stored_as(state)


def build_bert(config: BertConfig, state: Mapping[str, torch.Tensor]) -> BertModel:
    """Build an encoder with our attention, in float32 and evaluation mode, of weights that fit it."""
    # The weights drawn here are all replaced; the user's own random stream must not notice them.
    with torch.random.fork_rng(devices=[]):
        encoder = _build(config)
    encoder.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
    return encoder.float().eval()


def read_config(folder: Path) -> BertConfig:
    """Read what an encoder needs from config.json; entries of other versions of transformers do not matter.

    Raises
    ------
    ScfmError
        File missing or unreadable, not a BERT encoder, a size missing or not a positive whole number.
    """
    path = config_file(folder)
    try:
        raw = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ScfmError(str(path), f"not readable JSON ({error})") from error
    if not isinstance(raw, dict) or raw.get("model_type") != "bert":
        kind = raw.get("model_type") if isinstance(raw, dict) else type(raw).__name__
        raise ScfmError(str(path), f"model_type is {kind!r}", "This family needs a BERT encoder: model_type 'bert'.")
    for name in SIZES:
        if type(raw.get(name)) is not int or raw[name] < 1:
            raise ScfmError(str(path), f"{name} is {raw.get(name)!r}", "It must be a whole number above zero.")
    if raw["hidden_size"] % raw["num_attention_heads"]:
        problem = (
            f"hidden_size {raw['hidden_size']} is not a multiple of num_attention_heads {raw['num_attention_heads']}"
        )
        raise ScfmError(str(path), problem)
    for name, allowed in (
        ("is_decoder", False),
        ("add_cross_attention", False),
        ("position_embedding_type", "absolute"),
    ):
        if raw.get(name) not in {None, allowed}:
            raise ScfmError(str(path), f"{name} is {raw[name]!r}", f"Only {allowed!r} is supported.")
    used = {name: raw.get(name, default) for name, default in OPTIONAL.items()}
    if used["hidden_act"] not in ACT2FN:
        raise ScfmError(str(path), f"hidden_act is {used['hidden_act']!r}", f"Known are {', '.join(sorted(ACT2FN))}.")
    return BertConfig(**{name: raw[name] for name in SIZES}, **used)


def _build(config: BertConfig) -> BertModel:
    config._attn_implementation = register()
    return BertModel(config, add_pooling_layer=False)
