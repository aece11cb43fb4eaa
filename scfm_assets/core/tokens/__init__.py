"""Cells as models read them: ranked genes or binned values, from counts in memory."""

from scfm_assets.core.tokens.count_blocks import BUDGET, RowBlock
from scfm_assets.core.tokens.encode import Tokens, tokenize, tokenize_rows
from scfm_assets.core.tokens.value_bins import BEYOND, FEWEST_BINS, MOST_BINS, TIES, Binning, tokenize_binned

__all__ = [
    "BEYOND",
    "BUDGET",
    "FEWEST_BINS",
    "MOST_BINS",
    "TIES",
    "Binning",
    "RowBlock",
    "Tokens",
    "tokenize",
    "tokenize_binned",
    "tokenize_rows",
]
