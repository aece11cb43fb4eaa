"""What must hold of curves: known ceilings are inside, and the largest n is what the smaller ones predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scipy.stats import binom

if TYPE_CHECKING:
    import pyarrow as pa

    from scfm_assets.core.base import Passed

SURPRISING = 0.01
"""Chance of so many missed predictions, were each missed one time in twenty, below which the check fails."""


def ceilings_inside(curves: pa.Table) -> Passed:
    """Hold the known ceilings of planted controls against the intervals of the asymptotes that are bounded."""
    known = [row for row in _once_a_curve(curves) if row["ceiling"] is not None]
    bounded = [row for row in known if row["curve_asymptote_lo"] is not None]
    outside = [r for r in bounded if not r["curve_asymptote_lo"] <= r["ceiling"] <= r["curve_asymptote_hi"]]
    said = [
        f"{_named(row)}: ceiling {row['ceiling']:.3f}, asymptote {row['curve_asymptote_lo']:.3f} to "
        f"{row['curve_asymptote_hi']:.3f}"
        for row in bounded
    ]
    said += [f"{_named(row)}: asymptote not bounded" for row in known if row not in bounded]
    return not outside, "; ".join(said) or "no planted control has a curve"


def largest_predicted(curves: pa.Table) -> Passed:
    """Count the curves whose value at the largest n lies outside what the smaller n predict.

    Curves of one tissue share cells, so they miss together: only clearly more misses than intervals may have fail.
    """
    judged = [row for row in _once_a_curve(curves) if row["held_out_inside"] is not None]
    missed = [row for row in judged if not row["held_out_inside"]]
    chance = float(binom.sf(len(missed) - 1, len(judged), 0.05)) if missed else 1.0
    names = ", ".join(map(_named, missed[:5])) + (", ..." if len(missed) > 5 else "")
    return chance >= SURPRISING, f"{len(missed)} of {len(judged)} curves missed" + (f": {names}" if missed else "")


def _once_a_curve(curves: pa.Table) -> list[dict[str, Any]]:
    key = ("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric")
    return list({tuple(row[name] for name in key): row for row in curves.to_pylist()}.values())


def _named(row: dict[str, Any]) -> str:
    return f"{row['model']} {row['method']} {row['universe']} {row['metric']}"
