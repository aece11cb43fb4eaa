"""Encoders from folders as transformers writes them, loaded without running anything and without inventing a weight."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from transformers import BertConfig, BertModel
from transformers.activations import ACT2FN

from scfm_assets.core.attention import register
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import check_bert, config_file, read_json, weights_file
from scfm_assets.families.weights import loaded, read_weights

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

SUPPORTED = {"is_decoder": False, "add_cross_attention": False, "position_embedding_type": "absolute"}
"""Entries that may be missing, and must not say anything else."""

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
    state = {name.removeprefix("bert."): tensor for name, tensor in read_weights(path).items()}
    state = {name: tensor for name, tensor in state.items() if not name.startswith(HEADS)}
    return loaded(partial(new_bert, config), path, state, config=config_file(folder).name)


def new_bert(config: BertConfig) -> BertModel:
    """Make an encoder with our attention, without pooler."""
    config._attn_implementation = register()
    return BertModel(config, add_pooling_layer=False)


def read_config(folder: Path) -> BertConfig:
    """Read what an encoder needs from config.json; entries of other versions of transformers do not matter.

    Raises
    ------
    ScfmError
        File missing or unreadable, not a BERT encoder, a size missing or not a positive whole number.
    """
    path = config_file(folder)
    raw = read_json(path)
    check_bert(str(path), raw, SIZES, remedy="This family needs a BERT encoder: model_type 'bert'.")
    if raw["hidden_size"] % raw["num_attention_heads"]:
        problem = (
            f"hidden_size {raw['hidden_size']} is not a multiple of num_attention_heads {raw['num_attention_heads']}"
        )
        raise ScfmError(str(path), problem)
    for name, allowed in SUPPORTED.items():
        if raw.get(name) not in {None, allowed}:
            raise ScfmError(str(path), f"{name} is {raw[name]!r}", f"Only {allowed!r} is supported.")
    used = {name: raw.get(name, default) for name, default in OPTIONAL.items()}
    if used["hidden_act"] not in ACT2FN:
        raise ScfmError(str(path), f"hidden_act is {used['hidden_act']!r}", f"Known are {', '.join(sorted(ACT2FN))}.")
    return BertConfig(**{name: raw[name] for name in SIZES}, **used)
