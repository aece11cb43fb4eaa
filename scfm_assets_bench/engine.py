"""Our side: attention sums by the engine's public door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets_bench.simulated import BenchCells


def sum_attention(encoder: PreTrainedModel, cells: BenchCells, layers: Sequence[int] | None = None) -> AttentionSums:
    """Sum plain and lifted attention of all cells, for all layers or some."""
    blocks = sum_blocks(encoder, cells, np.zeros(len(cells.rows), np.int32), 1, layers=layers)
    return blocks[0]


def sum_blocks(
    encoder: PreTrainedModel,
    cells: BenchCells,
    block_of_cell: np.ndarray,
    n_blocks: int,
    *,
    layers: Sequence[int] | None = None,
) -> list[AttentionSums]:
    """Sum attention into blocks of cells."""
    from scfm_assets.core.attention import AttentionCollector, stream

    selected = tuple(layers) if layers else tuple(range(1, encoder.config.num_hidden_layers + 1))
    collector = AttentionCollector(cells.panel_of_token, cells.n_panel, selected, block_of_cell, n_blocks)
    stream(encoder, cells.tokens, collector)
    return collector.blocks
