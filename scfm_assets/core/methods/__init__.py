"""Edge scores from counts that cost more than `scfm_assets.core.baselines.METHODS`: nobody runs them unasked.

`boosting.grnboost` makes a record once the TFs are known.
"""

from scfm_assets.core.methods.mutual_information import MUTUAL_INFORMATION
from scfm_assets.core.methods.partial_correlation import PARTIAL_CORRELATION

FURTHER_METHODS = (PARTIAL_CORRELATION, MUTUAL_INFORMATION)
