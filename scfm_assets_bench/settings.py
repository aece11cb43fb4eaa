"""What a user may choose about a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Tell = Callable[[str], None]
"""Where a benchmark says what it is doing."""


@dataclass(frozen=True)
class BenchSettings:
    """Choices that all benchmarks share.

    Attributes
    ----------
    model
        Key of `models.SHAPES`; None for each benchmark's own.
    repeats
        Times that each side is measured; None for each case's own.
    threads
        Threads of each side.
    quick
        Small sizes: a first look, no figures to quote.
    full
        Sizes that need gigabytes of disk, too.
    scale
        Share of the whole curve's cells and candidate pairs that `curve` runs.
    """

    model: str | None = None
    repeats: int | None = None
    threads: int = 1
    quick: bool = False
    full: bool = False
    scale: float = 0.04
