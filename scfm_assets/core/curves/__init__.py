"""Scaling curves: forms, fits with intervals, and the table of all curves."""

from scfm_assets.core.curves.fit import CurveFit, Estimate, fit_curves, is_flat, summary
from scfm_assets.core.curves.forms import FORMS
from scfm_assets.core.curves.scaling import left_out, scaling_table
from scfm_assets.core.curves.table import read_points

__all__ = [
    "FORMS",
    "CurveFit",
    "Estimate",
    "fit_curves",
    "is_flat",
    "left_out",
    "read_points",
    "scaling_table",
    "summary",
]
