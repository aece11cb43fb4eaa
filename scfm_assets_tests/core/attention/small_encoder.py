"""A small BERT whose attention is far from even, cells for it, and sums of its attention the plain way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import BertConfig, BertModel

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.passes import register, stream
from scfm_assets.core.attention.sums import AttentionSums
from scfm_assets.core.tokens.encode import Tokens

VOCABULARY, N_PANEL, N_LAYERS, N_HEADS, HIDDEN, POSITIONS = 700, 300, 3, 4, 32, 420
CLS, EOS = 2, 3
TOLERANCE = 2e-5
"""Relative to transformers' own maps in float32."""


def a_bert(implementation: str, seed: int = 0, spread: float = 0.25) -> BertModel:
    """Weights wide enough that attention is far from even."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        initializer_range=spread,
    )
    config._attn_implementation = implementation
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertModel(config, add_pooling_layer=False).eval()


def ours(seed: int = 0) -> BertModel:
    return a_bert(register(), seed)


def a_panel() -> np.ndarray:
    """Every second token from 4 on, in shuffled order; cls and eos are never in the panel."""
    panel = np.full(VOCABULARY, -1, dtype=np.int32)
    genes = np.arange(4, VOCABULARY, 2)[:N_PANEL]
    panel[np.random.default_rng(1).permutation(genes)] = np.arange(N_PANEL)
    return panel


def cells_of(lengths: Sequence[int], seed: int = 0, *, special: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = [rng.permutation(np.arange(4, VOCABULARY))[:length] for length in lengths]
    return [np.concatenate([[CLS], cell, [EOS]]) if special else cell for cell in cells]


def ragged(panel_of_token: np.ndarray, *, special: bool) -> list[np.ndarray]:
    """Long and short cells, more than one chunk of panel genes, none, only one, and no token at all."""
    cells = cells_of([400, 5, 130, 60, 257, 2, 90], special=special)
    none = np.flatnonzero(panel_of_token < 0)[4:50]
    one = np.concatenate([np.flatnonzero(panel_of_token == 7), none[:20]])
    single = np.flatnonzero(panel_of_token == 3)
    only = np.flatnonzero(panel_of_token >= 0)[:150]
    empty = np.empty(0, dtype=np.int64)
    return [*cells[:3], none, one, single, only, empty, *cells[3:]]


# What transformers itself says --------------------------------------------------------------------------------------


def padded(cells: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask of a batch as long as its longest cell."""
    width = max(len(cell) for cell in cells)
    ids = torch.tensor([[*cell.tolist(), *[0] * (width - len(cell))] for cell in cells])
    return ids, torch.tensor([[1] * len(cell) + [0] * (width - len(cell)) for cell in cells])


def naive(
    model: BertModel,
    cells: Sequence[np.ndarray],
    panel_of_token: np.ndarray,
    layers: Sequence[int],
    *,
    n_panel: int = N_PANEL,
    heads: Sequence[tuple[int, int]] = (),
    aggregation: str = "mean",
    in_one_batch: bool = False,
) -> AttentionSums:
    """Sum transformers' own maps of all heads and tokens, and its hidden states, in float64."""
    parts = [*((layer, None) for layer in layers), *heads]
    plain, lifted = np.zeros((2, len(parts), n_panel, n_panel))
    pairs, hidden = np.zeros((n_panel, n_panel), np.int32), np.zeros((len(layers), n_panel, HIDDEN))
    filled = [cell for cell in cells if len(cell)]
    for batch in [filled] if in_one_batch else [[cell] for cell in filled]:
        ids, mask = padded(batch)
        asked = {"attention_mask": mask} if in_one_batch else {}
        with torch.no_grad():
            found = model(ids, output_attentions=True, output_hidden_states=True, **asked)
        assert (len(found.attentions), len(found.hidden_states)) == (N_LAYERS, N_LAYERS + 1)
        for index, cell in enumerate(batch):
            genes = panel_of_token[cell]
            at = np.flatnonzero(genes >= 0)
            where = np.ix_(genes[at], genes[at])
            pairs[where] += 1
            for place, (layer, head) in enumerate(parts):
                maps = found.attentions[layer - 1][index].double()
                whole = maps.mean(0) if aggregation == "mean" else maps.amax(0)
                attention = (whole if head is None else maps[head - 1]).numpy()[np.ix_(at, at)]
                plain[place][where] += attention
                lifted[place][where] += attention * len(cell)
            for place, layer in enumerate(layers):
                hidden[place][genes[at]] += found.hidden_states[layer][index].double().numpy()[at]
    return AttentionSums(tuple(layers), plain, lifted, pairs, len(cells), tuple(heads), None, hidden)


# What the engine says -----------------------------------------------------------------------------------------------


def listener(
    n_cells: int, panel_of_token: np.ndarray, layers: Sequence[int] = (1, 2, 3), **asked
) -> AttentionCollector:
    """A collector that sums all cells into one block if nothing else is asked."""
    n_panel = asked.pop("n_panel", N_PANEL)
    block_of_cell = asked.pop("block_of_cell", np.zeros(n_cells, dtype=np.int32))
    return AttentionCollector(panel_of_token, n_panel, layers, block_of_cell, asked.pop("n_blocks", 1), **asked)


def heard(
    encoder: BertModel,
    cells: Sequence[np.ndarray],
    panel_of_token: np.ndarray,
    layers: Sequence[int] = (1, 2, 3),
    *,
    machine: Machine | None = None,
    **asked,
) -> AttentionCollector:
    """The collector that has listened to all cells."""
    collector = listener(len(cells), panel_of_token, layers, **asked)
    stream(encoder, Tokens.of(cells), collector, machine=machine)
    return collector


def collected(
    encoder: BertModel,
    cells: Sequence[np.ndarray],
    panel_of_token: np.ndarray,
    layers: Sequence[int] = (1, 2, 3),
    **asked,
) -> AttentionSums:
    return heard(encoder, cells, panel_of_token, layers, **asked).blocks[0]


def assert_equal(found: AttentionSums, expected: AttentionSums, tolerance: float = TOLERANCE) -> None:
    """Counts equal; attention relative to each sum; hidden states, which cross zero, relative to the largest."""
    assert (found.parts, found.n_cells) == (expected.parts, expected.n_cells)
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    assert found.plain.dtype == found.lifted.dtype == np.float32
    assert found.pairs.dtype == np.int32
    seen = expected.pairs > 0
    for mine, theirs in ((found.plain, expected.plain), (found.lifted, expected.lifted)):
        assert not mine[:, ~seen].any()
        np.testing.assert_allclose(mine[:, seen], theirs[:, seen], rtol=tolerance, atol=0)
    if found.hidden is not None:
        assert expected.hidden is not None
        assert found.hidden.dtype == np.float32
        largest = np.abs(expected.hidden).max(initial=0)
        np.testing.assert_allclose(found.hidden, expected.hidden, rtol=0, atol=tolerance * largest)


def bits(collector: AttentionCollector) -> dict[str, bytes]:
    """Everything a collector holds, to be compared to the bit."""
    return {name: array.tobytes() for name, array in collector.to_tensors().items()}
