"""Tokens straight from counts on disk, block by block, in little memory."""

from scfm_assets.core.disk_tokens.count_rows import open_counts
from scfm_assets.core.disk_tokens.token_file import write_tokens

__all__ = ["open_counts", "write_tokens"]
