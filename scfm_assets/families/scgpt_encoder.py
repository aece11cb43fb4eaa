"""The encoder of scGPT in the style of transformers: gene plus value, no positions, blocks that normalise afterwards.

Its tensors have the names of the published state dict, so that a checkpoint is loaded without a table of names and
adapters find what they look for. Attention goes through transformers' ``AttentionInterface``. No
``nn.TransformerEncoderLayer`` is used: its inference fast path computes from the weights alone and would pass by every
hook and adapter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

LARGEST_VALUE = 512
"""scGPT cuts values above this."""

BATCH_NORM_EPS = 6.1e-5
"""That of scGPT's batch normalisation."""


class ScgptConfig(PretrainedConfig):
    """Sizes and kinds of an scGPT encoder.

    Parameters
    ----------
    vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size
        Rows of the gene embedding, embsize, nlayers, nheads and d_hid of scGPT.
    max_position_embeddings
        Longest cell; there are no positions.
    value_style
        'continuous': values pass through two linear maps. 'category': they are rows of an embedding.
    n_values
        Rows of that embedding.
    batch_norm
        Whether gene plus value is shifted and scaled by a batch normalisation's recorded statistics.
    """

    model_type = "scgpt"

    vocab_size: int = 0
    hidden_size: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    intermediate_size: int = 512
    max_position_embeddings: int = 1200
    value_style: str = "continuous"
    n_values: int = 0
    batch_norm: bool = False


class NormalisedEmbedding(nn.Module):
    """Rows of an embedding, normalised: scGPT's genes, and its values where they are categories."""

    def __init__(self, n_rows: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_rows, hidden)
        self.enc_norm = nn.LayerNorm(hidden)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Vectors of whole numbers of any type, shape (..., hidden)."""
        return self.enc_norm(self.embedding(rows.long()))


class ContinuousValues(nn.Module):
    """A value as a vector: two linear maps with a ReLU between them, normalised."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(1, hidden)
        self.linear2 = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Vectors of values, shape (..., hidden)."""
        kept = values.clamp(max=LARGEST_VALUE).to(self.linear1.weight.dtype)
        return self.norm(self.linear2(functional.relu(self.linear1(kept[..., None]))))


class RecordedBatchNorm(nn.Module):
    """A batch normalisation that never looks at the batch: only at the statistics recorded in training.

    Cells that happen to be computed together must not change one another, in no mode.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(hidden)), nn.Parameter(torch.zeros(hidden))
        self.register_buffer("running_mean", torch.zeros(hidden))
        self.register_buffer("running_var", torch.ones(hidden))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Shift and scale each dimension."""
        scale = self.weight * torch.rsqrt(self.running_var + BATCH_NORM_EPS)
        return (states - self.running_mean) * scale + self.bias


class SelfAttention(nn.Module):
    """Queries, keys and values from one linear map, attention by the implementation that the config names."""

    def __init__(self, config: ScgptConfig, layer_idx: int) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.config, self.layer_idx = config, layer_idx
        self.n_heads, self.is_causal = config.num_attention_heads, False
        self.scaling = (hidden // self.n_heads) ** -0.5
        self.Wqkv = nn.Linear(hidden, 3 * hidden)
        self.out_proj = nn.Linear(hidden, hidden)

    def forward(
        self, states: torch.Tensor, mask: torch.Tensor | None, **handed: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The output and, where the implementation has them, the attention weights."""
        n_rows, n_tokens, hidden = states.shape
        parts = self.Wqkv(states).view(n_rows, n_tokens, 3, self.n_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation or "eager", eager_attention_forward
        )
        output, weights = attend(self, query, key, value, mask, scaling=self.scaling, dropout=0.0, **handed)
        return self.out_proj(output.reshape(n_rows, n_tokens, hidden)), weights


class EncoderBlock(nn.Module):
    """Self-attention and two linear maps, each added to its input and normalised afterwards."""

    def __init__(self, config: ScgptConfig, layer_idx: int) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.self_attn = SelfAttention(config, layer_idx)
        self.linear1 = nn.Linear(hidden, config.intermediate_size)
        self.linear2 = nn.Linear(config.intermediate_size, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def forward(
        self, states: torch.Tensor, mask: torch.Tensor | None, **handed: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The states that leave the block and, where there are any, its attention weights."""
        attended, weights = self.self_attn(states, mask, **handed)
        states = self.norm1(states + attended)
        return self.norm2(states + self.linear2(functional.relu(self.linear1(states)))), weights


class Blocks(nn.Module):
    """The blocks, under the name that they have in the published state dict."""

    def __init__(self, config: ScgptConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderBlock(config, layer) for layer in range(config.num_hidden_layers))


class ScgptEncoder(PreTrainedModel):
    """Genes with values as vectors, and the blocks over them."""

    config_class = ScgptConfig
    base_model_prefix = "scgpt"
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: ScgptConfig) -> None:
        super().__init__(config)
        self.encoder = NormalisedEmbedding(config.vocab_size, config.hidden_size)
        if config.value_style == "category":
            self.value_encoder = NormalisedEmbedding(config.n_values, config.hidden_size)
        else:
            self.value_encoder = ContinuousValues(config.hidden_size)
        self.bn = RecordedBatchNorm(config.hidden_size) if config.batch_norm else None
        self.transformer_encoder = Blocks(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,  # noqa: ARG002 - every encoder is handed some; this one has no use
        *,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        **handed: Any,
    ) -> BaseModelOutput:
        """Encode cells.

        Parameters
        ----------
        input_ids, values
            Tokens and what stands beside them, shape (n_cells, n_tokens).
        attention_mask
            1 where there is a token, 0 where a cell is padded.
        position_ids
            Not used.
        output_hidden_states, output_attentions
            Give the states of the embeddings and of every layer; the attention of every layer, where the
            implementation has it.
        handed
            Goes on to the attention function.
        """
        states = self.encoder(input_ids) + self.value_encoder(values)
        if self.bn is not None:
            states = self.bn(states)
        mask = None
        if attention_mask is not None:
            lowest = torch.finfo(states.dtype).min
            mask = (1 - attention_mask[:, None, None].to(states.dtype)) * lowest
        hidden_states, maps = [states], []
        for block in self.transformer_encoder.layers:
            states, weights = block(states, mask, **handed)
            if output_hidden_states:
                hidden_states.append(states)
            if output_attentions:
                maps.append(weights)
        return BaseModelOutput(
            last_hidden_state=states,  # pyright: ignore[reportArgumentType]
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
            attentions=tuple(maps) if output_attentions else None,
        )
