"""The assets of the platform, one file for each group."""

import warnings

import dagster as dg

# Observable sources, multi-dimensional mappings and partitioned checks are what this platform stands on, and still
# called beta or preview.
for warning in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=warning)
