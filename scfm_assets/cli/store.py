"""`scfm status` and `scfm prune`: what the store holds, and what of it can go."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal as size

from scfm_assets.cli.options import catalog_option, choose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scfm_assets.engine.housekeeping import AssetStatus, Leftover


@click.command()
@catalog_option
@click.option("--why", is_flag=True, help="Name every slice that is stale or missing, and say why.")
def status(catalog: str | None, *, why: bool) -> None:
    """Show what is materialized, stale, missing, and how large it is. Nothing is computed."""
    from scfm_assets.defs.assemble import platform
    from scfm_assets.engine import housekeeping
    from scfm_assets.home import home
    from scfm_assets.resources.store import Store

    statuses = housekeeping.status(platform(choose(catalog)), Store(home()))
    click.echo(_table(statuses))
    if why:
        for standing in (s for asset in statuses for s in asset.standings if s.state is not housekeeping.State.FRESH):
            because = f" ({standing.why})" if standing.why else ""
            click.echo(f"{standing.asset} {standing.place}: {standing.state.value}{because}")
    elif any(s.state is not housekeeping.State.FRESH for asset in statuses for s in asset.standings):
        click.echo("`scfm status --why` says why; `scfm run` makes what is stale or missing.")


@click.command()
@catalog_option
@click.option("--yes", is_flag=True, help="Remove. Without it nothing is touched.")
@click.option("--keep", type=click.IntRange(min=0), default=1, show_default=True, help="Earlier checkpoints to keep.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Age from which a half-written file is taken for dead.",
)
def prune(catalog: str | None, keep: int, hours: float, *, yes: bool) -> None:
    """Remove arrays of superseded checkpoints and what killed writers left. Tables always stay.

    A checkpoint that comes back after its arrays were removed is computed anew. Shows what it would free unless told
    --yes.
    """
    from scfm_assets.defs.assemble import platform
    from scfm_assets.engine import housekeeping
    from scfm_assets.home import home
    from scfm_assets.resources.store import Store

    store = Store(home())
    leftovers = housekeeping.leftovers(platform(choose(catalog)), store, keep=keep, age=hours * 3600)
    for line in _reasons(leftovers):
        click.echo(line)
    if not leftovers:
        click.echo("nothing to remove")
    elif yes:
        click.echo(f"freed {size(housekeeping.remove(store, leftovers))}")
    else:
        click.echo(f"would free {size(sum(leftover.size for leftover in leftovers))}; `scfm prune --yes` does it")


def _table(statuses: Iterable[AssetStatus]) -> str:
    from scfm_assets.engine.housekeeping import State
    from scfm_assets.warehouse.text_table import text_table

    head, assets = ["asset", "fresh", "stale", "missing", "size", "of earlier checkpoints"], list(statuses)
    rows = [
        [asset.asset, *(str(asset.count(s) or ".") for s in State), size(asset.bytes_now), size(asset.bytes_before)]
        for asset in assets
    ]
    sums = [sum(asset.count(state) for asset in assets) for state in State]
    total = [size(sum(getattr(asset, name) for asset in assets)) for name in ("bytes_now", "bytes_before")]
    rows.append(["all", *map(str, sums), *total])
    return "\n".join(text_table(head, rows, right=range(1, len(head))))


def _reasons(leftovers: Iterable[Leftover]) -> Iterable[str]:
    """Sum leftovers up by what they are."""
    why_of = attrgetter("why")
    for why, files in groupby(sorted(leftovers, key=why_of), key=why_of):
        alike = list(files)
        yield f"{size(sum(leftover.size for leftover in alike)):>8}  {len(alike):>4} files  {why}"
