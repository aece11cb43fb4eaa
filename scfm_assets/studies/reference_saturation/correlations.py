"""The methods of the study: those of core that know the cells and nothing of their number."""

from __future__ import annotations

from scfm_assets.core.scores import METHODS

CORRELATIONS = {method.name: method.function for method in METHODS if not method.null}
