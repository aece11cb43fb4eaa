"""One line of a benchmark, as JSON and as a row of a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One case against one baseline.

    Attributes
    ----------
    bench, case, baseline
        What was measured, on what, against what.
    ratio
        Baseline over ours: of the seconds, or of what the case names instead (peak memory, error).
    seconds, baseline_seconds
        Process CPU time, median over repeats; wall time where the case says so.
    error
        Largest error of ours, relative unless the case says otherwise.
    peak_bytes, baseline_peak_bytes
        Peak resident memory above the loaded model, or of the whole process where the case says so.
    roofline_share
        Seconds that the arithmetic needs at the rates measured in this run, over our seconds.
    """

    bench: str
    case: str
    baseline: str
    ratio: float | None = None
    seconds: float | None = None
    baseline_seconds: float | None = None
    error: float | None = None
    peak_bytes: int | None = None
    baseline_peak_bytes: int | None = None
    roofline_share: float | None = None

    def to_json(self) -> str:
        """Write one line; what does not apply is null."""
        return json.dumps(asdict(self), allow_nan=False)


def table(results: Sequence[Result], *, title: str) -> Table:
    """Lay results out for a terminal."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    drawn.add_column("case", overflow="fold")
    drawn.add_column("against", overflow="fold")
    for name in ("ratio", "our s", "their s", "error", "our peak", "their peak", "of limit"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for result in results:
        drawn.add_row(
            result.case,
            result.baseline,
            _ratio(result.ratio),
            _written(result.seconds, "{:.4g}"),
            _written(result.baseline_seconds, "{:.4g}"),
            _written(result.error, "{:.1e}"),
            _written(result.peak_bytes, "{:,.0f} MB", scale=1e6),
            _written(result.baseline_peak_bytes, "{:,.0f} MB", scale=1e6),
            _written(result.roofline_share, "{:.0%}"),
        )
    return drawn


def _ratio(value: float | None) -> str:
    return _written(value, "{:,.0f}x" if value is not None and value >= 100 else "{:.3g}x")


def _written(value: float | None, form: str, *, scale: float = 1.0) -> str:
    return "" if value is None else form.format(value / scale)
