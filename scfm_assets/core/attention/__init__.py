"""Attention of all cells, streamed through a model and summed exactly; what is kept of a pass."""

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.core.attention.embeddings import CellEmbeddings, cell_embeddings
from scfm_assets.core.attention.even import EvenSums, even_sums
from scfm_assets.core.attention.family_model import FamilyModel
from scfm_assets.core.attention.increment_parts import attend_in_parts
from scfm_assets.core.attention.increments import (
    AttentionIncrement,
    Halfway,
    TokenizedCells,
    Wanted,
    attend,
    panel_vectors,
    sum_increments,
    tokenize_increment,
)
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.passes import register, stream
from scfm_assets.core.attention.sums import AttentionSums, GroupSums

__all__ = [
    "AttentionCollector",
    "AttentionIncrement",
    "AttentionSums",
    "CellEmbeddings",
    "EvenSums",
    "FamilyModel",
    "GroupSums",
    "Halfway",
    "Machine",
    "TokenizedCells",
    "Wanted",
    "attend",
    "attend_in_parts",
    "cell_embeddings",
    "even_sums",
    "panel_vectors",
    "register",
    "stream",
    "sum_increments",
    "tokenize_increment",
]
