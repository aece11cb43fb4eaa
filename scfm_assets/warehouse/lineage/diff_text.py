"""A comparison of two materializations, in words."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scfm_assets.warehouse.lineage.ancestry import Materialization
    from scfm_assets.warehouse.lineage.diff import StepComparison


def as_text(found: StepComparison) -> str:
    """Tell a comparison in words."""
    rows = [
        row
        for each in found.differences
        for row in ((each.kind, each.what, each.how), *((each.kind, f"  {file}", how) for file, how in each.files))
    ]
    lines = [
        f"{found.a.asset} {found.a.place}".rstrip(),
        *(
            f"  {name}  {side.id}  made {side.made_at:%Y-%m-%d %H:%M:%S} UTC, content {(side.version or '')[:12]}"
            for name, side in (("A", found.a), ("B", found.b))
        ),
        *("", "What differs, from A to B", *(_columns(rows) or ["  nothing that is recorded"])),
        *("", "What is the same", *_columns([(kind, what, "") for kind, what in found.same])),
        *("", "What came of it", *_results(found)),
    ]
    return "\n".join(lines)


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    """Align kind, what and how; say a kind once."""
    kinds = max((len(kind) for kind, _, _ in rows), default=0)
    names = max((len(what) for _, what, how in rows if how), default=0)
    lines, before = [], None
    for kind, what, how in rows:
        lines.append(f"  {'' if kind == before else kind:{kinds}}  {what:{names if how else 0}}  {how}".rstrip())
        before = kind
    return lines


def _results(comparison: StepComparison) -> Iterator[str]:
    for steps, words in (
        (comparison.other, "with other content"),
        (comparison.again, "made again with the same content"),
        (comparison.shared, "shared: one and the same materialization"),
    ):
        if steps:
            yield f"  {len(steps):3} {'step' if len(steps) == 1 else 'steps'} {words}"
            if steps is not comparison.shared:
                yield from _by_asset(steps)
    if comparison.unexplained:
        yield "  Of the same code, configuration and inputs, and still of other content:"
        yield from _by_asset(comparison.unexplained)
        yield "  Their device or environment differs, or they are not deterministic."


def _by_asset(steps: Iterable[Materialization]) -> Iterator[str]:
    for (asset, tissue), group in groupby(steps, key=lambda step: (step.asset, step.tissue)):
        counts = ", ".join(str(step.n_cells) for step in group if step.n_cells)
        yield f"        {asset}  {tissue or ''} {counts and f'n={counts}'}".rstrip()
