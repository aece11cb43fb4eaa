"""Scaling curves: forms, fits with intervals, and the table of all curves."""

from scfm_assets.core.curves.checks import ceilings_inside, largest_predicted
from scfm_assets.core.curves.conclusion import Conclusion, HeldOut, conclude, held_out
from scfm_assets.core.curves.fit import CurveFit, WithLimits, fit_curves
from scfm_assets.core.curves.forms import FORMS
from scfm_assets.core.curves.scaling import left_out, scaling_table
from scfm_assets.core.curves.series import CellSet
from scfm_assets.core.curves.table import read_points

__all__ = [
    "FORMS",
    "CellSet",
    "Conclusion",
    "CurveFit",
    "HeldOut",
    "WithLimits",
    "ceilings_inside",
    "conclude",
    "fit_curves",
    "held_out",
    "largest_predicted",
    "left_out",
    "read_points",
    "scaling_table",
]
