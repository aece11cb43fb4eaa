"""Studies as assets: every folder of `scfm_assets.studies`, and how its steps get what they read."""

from scfm_assets.defs.studies.assets import nodes, page_of, studies

__all__ = ["nodes", "page_of", "studies"]
