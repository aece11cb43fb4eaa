"""Random-weight encoders in the shapes of the published Geneformer models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import BertConfig, BertForMaskedLM, BertModel

SPREAD = 1.4
"""Standard deviation of the weights times the root of their number: attention is then far from even. At the 0.02 of
fresh models every token attends to all others alike, and no test of exactness would see much."""


@dataclass(frozen=True)
class Shape:
    """What decides the cost of an encoder.

    Attributes
    ----------
    name
        As people call the model.
    layers, hidden, heads, intermediate
        Of the transformer; the activation is ReLU.
    vocabulary, positions
        Rows of the two embeddings.
    special
        Tokens with ids below this are no genes: pad and mask, in the second generation also cls and eos.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    special: int

    @property
    def framed(self) -> bool:
        """Whether a cell starts with cls (2) and ends with eos (3)."""
        return self.special == 4


SHAPES = {
    "v1-6l": Shape("V1-6L", 6, 256, 4, 512, 25426, 2048, special=2),
    "v1-12l": Shape("V1-12L", 12, 512, 8, 1024, 25426, 2048, special=2),
    "v2-104m": Shape("V2-104M", 12, 768, 12, 3072, 20275, 4096, special=4),
}


def config_of(shape: Shape) -> BertConfig:
    """Configuration of a shape."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        hidden_act="relu",
        max_position_embeddings=shape.positions,
        initializer_range=SPREAD / shape.hidden**0.5,
        pad_token_id=0,
    )


def base_encoder(shape: Shape, implementation: str, *, seed: int = 0) -> BertModel:
    """Build the bare encoder with one kind of attention; the weights depend on shape and seed only."""
    import torch
    from transformers import BertModel

    config = config_of(shape)
    config._attn_implementation = implementation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BertModel(config, add_pooling_layer=False).eval()


def collecting_encoder(shape: Shape, *, seed: int = 0) -> BertModel:
    """Build the encoder that the engine runs."""
    from scfm_assets.core.attention import register

    return base_encoder(shape, register(), seed=seed)


def masked_language_model(shape: Shape, *, seed: int = 0) -> BertForMaskedLM:
    """Build what `from_pretrained` of the published checkpoints gives: encoder and language-model head, eager."""
    import torch
    from transformers import BertForMaskedLM

    config = config_of(shape)
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForMaskedLM(config).eval()
    model.bert.load_state_dict(base_encoder(shape, "eager", seed=seed).state_dict())
    return model
