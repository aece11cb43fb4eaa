"""`scfm`: run, look, ask, check."""

from scfm_assets.cli.commands import main

__all__ = ["main"]
