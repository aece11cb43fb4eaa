"""What `scfm run` tells while it works: one line per asset and slice, how far long work has come, a summary."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import console as rich_console
from rich.table import Table

from scfm_assets.engine.declare import Failed, Progress

if TYPE_CHECKING:
    from pathlib import Path

    from rich.status import Status

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.runner import Outcome
    from scfm_assets.engine.worker import Event
    from scfm_assets.partitions import Place

SHOWN = ("cells", "forward_passes", "rows", "genes", "score_matrices")
"""Facts that are worth a word on an asset's line."""

HEADLINES = """
with largest as (
    select * from metrics_latest
    where metric = 'auroc' and universe = 'tf_grid' and interval = 'network'
    qualify n_cells = max(n_cells) over (partition by tissue)
), fixed as (
    select distinct tissue, model, layer, direction, ceiling from scaling_curves_latest
    where metric = 'auroc' and universe = 'tf_grid'
)
select l.tissue, l.network, l.model, l.method, l.layer, avg(l.value) as value, avg(l.lo) as lo, avg(l.hi) as hi,
       min(l.n_pos) as n_pos, avg(l.positive_coverage) as seen, max(f.ceiling) as ceiling, max(l.n_cells) as n_cells
from largest l join fixed f
    on l.tissue = f.tissue and l.model = f.model and l.layer is not distinct from f.layer and l.direction = f.direction
group by l.tissue, l.network, l.model, l.method, l.layer
order by l.tissue, l.network, l.model, value desc
"""


class Console:
    """Writes what happens to the terminal."""

    def __init__(self, terminal: rich_console.Console | None = None) -> None:
        self.terminal = terminal or rich_console.Console(highlight=False)
        self.status: Status | None = None
        self.begun: dict[Place, tuple[float, int]] = {}
        self.now: dict[Place, str] = {}

    def introduce(self, catalog: Catalog) -> None:
        """Say what is going to be measured."""
        experiment = catalog.experiment
        self.terminal.print(f"[bold]{catalog.name}[/]  {catalog.title}")
        self.terminal.print(
            f"tissues {', '.join(catalog.atlases)}; models {', '.join(catalog.models) or 'none'}; "
            f"cells {', '.join(map(str, experiment.n_cells))}; {experiment.repeats} repeats",
            style="dim",
            soft_wrap=True,
        )
        for folder, reason in catalog.left_out.items():
            message = f"{catalog.watched / folder} is no model yet: {reason}"
            self.terminal.print(message, style="yellow", markup=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        """Tell one event."""
        if isinstance(event, Progress):
            self._progress(event)
            return
        self._stop()
        self.begun.pop(event.place, None)
        self.now.pop(event.place, None)
        about = f"{event.place!s:<22} {event.asset:<36}"
        if isinstance(event, Failed):
            self.terminal.print(f"{about} [bold red]failed[/]", soft_wrap=True)
            self.terminal.print(f"    {event.error}", style="red", markup=False, soft_wrap=True)
        elif not event.kept:
            facts = ", ".join(f"{event.facts[k]:,} {k.replace('_', ' ')}" for k in SHOWN if k in event.facts)
            self.terminal.print(f"{about} {event.seconds:6.2f} s  [dim]{facts}[/]", soft_wrap=True)
            if "sentence" in event.facts:
                answer = f"    {event.facts['answer']}: {event.facts['sentence']}"
                self.terminal.print(answer, markup=False, soft_wrap=True)

    def sum_up(self, outcome: Outcome, catalog: Catalog, home: Path, warehouse: Path, *, seconds: float) -> None:
        """Show the headline numbers, what was done, and where to look next."""
        self._stop()
        self._headlines(warehouse, catalog)
        blocked = sorted(outcome.blocked, key=lambda b: str(b[1].tissue))
        for tissue, places in groupby(blocked, key=lambda b: b[1].tissue):
            assets = sorted({asset for asset, _ in places})
            listed = f"{', '.join(assets[:4])}{' ...' if len(assets) > 4 else ''}"
            message = f"{tissue or 'all tissues'}: not made, for want of what they read: {listed}"
            self.terminal.print(message, style="yellow")
        counts = f"{len(outcome.computed)} computed, {len(outcome.failed)} failed, {len(outcome.blocked)} not made"
        nothing = " (everything was fresh)" if not (outcome.computed or outcome.failed or outcome.blocked) else ""
        self.terminal.print(f"[bold]{counts}{nothing}[/] in {seconds:.1f} s")
        self.terminal.print(f"report     {home / 'report' / 'index.html'}", soft_wrap=True)
        self.terminal.print(f'SQL        {warehouse}  (scfm sql "from metrics limit 5")', soft_wrap=True, markup=False)
        self.terminal.print("Dagster    scfm ui")

    def _headlines(self, warehouse: Path, catalog: Catalog) -> None:
        import duckdb

        with duckdb.connect(str(warehouse), read_only=True) as con:
            views = con.execute("select view_name from duckdb_views() where not internal").fetchall()
            rows = con.execute(HEADLINES).fetchall() if {("metrics",), ("scaling_curves",)} <= set(views) else []
        rows = [row for row in rows if row[0] in catalog.atlases]
        for (tissue, network), group in groupby(rows, key=lambda row: row[:2]):
            self._headline(tissue, network, list(group))

    def _headline(self, tissue: str, network: str, rows: list[tuple[Any, ...]]) -> None:
        n_pos, n_cells, seen = rows[0][8], rows[0][11], rows[0][9]
        about = f"{n_pos} edges, {seen:.0%} seen; tf_grid; interval over TFs and targets"
        title = f"{tissue}, {n_cells} cells: AUROC on {network} ({about})"
        table = Table(title=title, title_justify="left", box=None, header_style="dim")
        for name in ("model", "method", "layer", "AUROC", "95 % interval", "ceiling"):
            table.add_column(name, justify="left" if name in {"model", "method"} else "right")
        for _, _, model, method, layer, value, lo, hi, _, _, ceiling, _ in rows:
            interval = "" if lo is None else f"{lo:.3f} to {hi:.3f}"
            known = "" if ceiling is None else f"{ceiling:.3f}"
            table.add_row(model, method, "" if layer is None else str(layer), f"{value:.3f}", interval, known)
        self.terminal.print(table)

    def _progress(self, event: Progress) -> None:
        if self.status is None:
            self.status = self.terminal.status("")
            self.status.start()
        begun, first = self.begun.setdefault(event.place, (time.perf_counter(), event.done))
        rate = (event.done - first) / max(time.perf_counter() - begun, 1e-9)
        left = (event.total - event.done) / max(rate, 1e-9)
        so_far = f"{event.done} of {event.total} {event.unit}"
        self.now[event.place] = f"{event.place}: {so_far}, {rate:.3g}/s, {left:.0f} s left"
        self.status.update("   ".join(self.now.values()))

    def _stop(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None
