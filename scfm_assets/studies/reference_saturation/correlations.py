"""The methods of the study: correlations, which know the cells and nothing of their number."""

from __future__ import annotations

from scfm_assets.core.scores import METHODS

CORRELATIONS = {name: METHODS[name].function for name in ("pearson", "spearman")}
