"""Scaling curves: forms, fits with intervals, and the table of all curves."""

from scfm_assets.core.curves.fit import fit_curves, is_flat
from scfm_assets.core.curves.forms import FORMS
from scfm_assets.core.curves.scaling import left_out, scaling_table
from scfm_assets.core.curves.table import format_fits, read_points

__all__ = ["FORMS", "fit_curves", "format_fits", "is_flat", "left_out", "read_points", "scaling_table"]
