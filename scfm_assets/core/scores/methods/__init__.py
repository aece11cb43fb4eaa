"""Further edge scores from counts, each in a module of its own, and the choice among all of them by name."""

from scfm_assets.core.scores.methods.mutual_information import MUTUAL_INFORMATION
from scfm_assets.core.scores.methods.partial_correlation import PARTIAL_CORRELATION

FURTHER_METHODS = (PARTIAL_CORRELATION, MUTUAL_INFORMATION)
