"""Points from a table, fits into a table: the way in and out of `curves` for the command line and for SQL."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scfm_assets.core.curves.fit import MIN_POINTS, CurveFit, WithLimits, fit_curves
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from scfm_assets.core.curves.conclusion import Conclusion, HeldOut
    from scfm_assets.core.curves.least_squares import Points

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


class Columns(NamedTuple):
    """Points of one curve, arrays of shape (points,)."""

    n: np.ndarray
    y: np.ndarray
    sigma: np.ndarray | None


def read_points(path: Path, x: str, y: str, sigma: str | None = None) -> Columns:
    """Read the points of one curve from a .csv, .tsv or .parquet file.

    Parameters
    ----------
    path
        The table, with a header line.
    x, y
        Columns of cell counts and of values.
    sigma
        Column of the standard deviations of y, up to a common factor; None for equal weights.

    Raises
    ------
    ScfmError
        File missing or of another kind; column missing; a value that is not a number, is not finite or (x, sigma) not
        positive; fewer than four different x.
    """
    import pyarrow as pa

    if not path.is_file():
        raise ScfmError(str(path), "no such file", "Name a .csv, .tsv or .parquet file with a header line.")
    try:
        return points_of(_read(path), x, y, sigma, place=str(path))
    except pa.ArrowInvalid as error:
        problem = f"cannot be read as a table: {error}"
        raise ScfmError(str(path), problem, "Every line must have as many fields as the header.") from error


def points_of(table: pa.Table, x: str, y: str, sigma: str | None = None, *, place: str = "table") -> Columns:
    """Take the points of one curve out of a table; arguments and errors as for `read_points`."""
    n = _numbers(table, x, place, positive=True)
    values = _numbers(table, y, place, positive=False)
    spread = None if sigma is None else _numbers(table, sigma, place, positive=True)
    if (different := len(np.unique(n))) < MIN_POINTS:
        column, problem = f"{place}, column '{x}'", f"{different} different values in {len(n)} rows"
        raise ScfmError(column, problem, f"A curve needs at least {MIN_POINTS} different cell counts.")
    return Columns(n, values, spread)


def fit_table(table: pa.Table, x: str, y: str, sigma: str | None = None) -> tuple[CurveFit, ...]:
    """Fit all forms to two columns of a table; arguments and errors as for `read_points`."""
    return fit_curves(*points_of(table, x, y, sigma))


def as_row(fit: CurveFit) -> dict[str, Any]:
    """Columns of the table `scaling_curves` that a fit fills; limits the points do not set are None."""
    parameters = {name: {"value": e.value, "lo": e.lo, "hi": e.hi} for name, e in fit.parameters.items()}
    asymptote = fit.asymptote
    return {
        "form": fit.form.name,
        "formula": fit.form.formula,
        "parameters": json.dumps(parameters),
        "n_points": fit.n_points,
        "r2": fit.r2,
        "aicc": fit.aicc,
        "weight": fit.weight,
        "loo_rmse": fit.loo_rmse,
        "asymptote": asymptote and asymptote.value,
        "asymptote_lo": asymptote and asymptote.lo,
        "asymptote_hi": asymptote and asymptote.hi,
        "characteristic_n": fit.characteristic_n and fit.characteristic_n.value,
        "characteristic_n_lo": fit.characteristic_n and fit.characteristic_n.lo,
        "characteristic_n_hi": fit.characteristic_n and fit.characteristic_n.hi,
        "chance": fit.chance,
        "verdict": fit.verdict,
    }


def of_curve(conclusion: Conclusion, held_out: HeldOut | None, points: Points) -> dict[str, Any]:
    """Columns of the table `scaling_curves` that all forms of a curve share."""
    trend, last = conclusion.trend, points.n == points.n.max()
    return {
        "errors": "nested" if points.freedom else "independent",
        **_limits_of("curve_asymptote", conclusion.asymptote),
        **_limits_of("networks_asymptote", conclusion.asymptote_of_networks, with_value=False),
        **_limits_of("curve_n", conclusion.characteristic_n),
        **_limits_of("change", trend.change),
        "change_p": trend.p,
        "is_flat": conclusion.is_flat,
        "conclusion": conclusion.sentence,
        "largest_n": int(points.n.max()),
        "largest_n_value": float(points.y[last].mean()),
        **_limits_of("held_out", held_out and held_out.predicted),
        "held_out_inside": held_out and held_out.inside,
    }


def _limits_of(name: str, number: WithLimits | None, *, with_value: bool = True) -> dict[str, float | None]:
    value = {name: number and number.value} if with_value else {}
    return {**value, f"{name}_lo": number and number.lo, f"{name}_hi": number and number.hi}


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix not in SEPARATORS:
        raise ScfmError(str(path), f"unknown kind of table '{path.suffix}'", "Allowed: .csv, .tsv, .txt, .parquet.")
    parse = pc.ParseOptions(delimiter=SEPARATORS[path.suffix])
    with pc.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    # as text, so that an error can name the value as it stands in the file
    return pc.read_csv(
        path,
        parse_options=parse,
        convert_options=pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )


def _numbers(table: pa.Table, column: str, place: str, *, positive: bool) -> np.ndarray:
    if column not in table.column_names:
        remedy = f"Columns: {', '.join(table.column_names)}."
        raise ScfmError(place, f"no column '{column}'", remedy)
    where, allowed = f"{place}, column '{column}'", "positive numbers" if positive else "finite numbers"
    numbers = np.empty(table.num_rows)
    for row, value in enumerate(table.column(column).to_pylist()):
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError):
            numbers[row] = math.nan
        if not math.isfinite(numbers[row]) or (positive and numbers[row] <= 0):
            problem = f"{'nothing' if value in (None, '') else repr(value)} in row {row + 1}"
            raise ScfmError(where, problem, f"Only {allowed} are allowed in this column.")
    return numbers
