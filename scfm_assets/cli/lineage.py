"""`scfm lineage`: which data, code and weights made a number, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import click

from scfm_assets.errors import ScfmError


class ShowByDefault(click.Group):
    """A group whose first word may be what is shown, instead of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Read `scfm lineage metrics` as `scfm lineage show metrics`."""
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["show", *args])


@click.group(cls=ShowByDefault)
def lineage() -> None:
    """Say what a number is made of: scfm lineage metrics --tissue lung --n-cells 500 --model planted.

    It is read from the tables lineage, lineage_input, lineage_source and runs of SCFM_HOME/scfm.duckdb, a projection of
    Dagster's records that `scfm run` and the daemon keep up to date. Every row of every other table names its
    materialization: join it with lineage in SQL.
    """


def _chosen_by(command: Callable[..., None]) -> Callable[..., None]:
    """Options that choose rows, one for each column that most tables have."""
    for name, kind, what in reversed(
        (
            ("tissue", str, "Tissue."),
            ("n-cells", int, "Number of cells."),
            ("repeat", int, "Draw of cells, from 0."),
            ("model", str, "Model, or baselines. Other models are named, but not followed."),
            ("checkpoint", str, "First digits of the checkpoint."),
            ("method", str, "What scores the edges: attention, pearson, ..."),
            ("layer", int, "Block of the model."),
            ("direction", str, "tf_queries, tf_keys or symmetric."),
            ("network", str, "Reference network."),
            ("universe", str, "Candidate pairs."),
            ("metric", str, "Metric."),
            ("interval", str, "What the interval is over: pairs, tfs or cells."),
        )
    ):
        command = click.option(f"--{name}", type=kind, metavar="N" if kind is int else "NAME", help=what)(command)
    return command


@lineage.command()
@click.argument("what", metavar="TABLE_OR_ASSET")
@_chosen_by
@click.option("--all", "everything", is_flag=True, help="Follow other models than --model, too.")
@click.option("--full", is_flag=True, help="Print ids and digests whole.")
def show(what: str, *, everything: bool, full: bool, **given: Any) -> None:
    """Print the tree from rows of a table, or from an asset, down to file digests; below it the other revisions.

    TABLE_OR_ASSET is a table (metrics), an asset (atlas/processed; with --model also its last word, as attention), or
    the first digits of a materialization's id. What was printed once is named, not repeated.
    """
    from scfm_assets import home as homes
    from scfm_assets.warehouse.lineage import tree as lineage_tree

    where = {name: value for name, value in given.items() if value is not None}
    click.echo(lineage_tree.show(homes.home(), what, where, everything=everything, full=full))


@lineage.command()
@click.argument("a")
@click.argument("b")
def diff(a: str, b: str) -> None:
    """Say what differs between two materializations of one asset and slice: data, weights, networks, code, ...

    A and B are ids, or their first digits, as `scfm lineage show` prints them. Both are followed down to their files.
    """
    from scfm_assets import home as homes
    from scfm_assets.warehouse.lineage import ancestry
    from scfm_assets.warehouse.lineage import choice as lineage_choice
    from scfm_assets.warehouse.lineage import diff as lineage_diff
    from scfm_assets.warehouse.lineage import diff_text as lineage_diff_text

    with ancestry.lineage_of(homes.home()) as con:
        old, new = (lineage_choice.id_of(con, prefix) or _none_begins(prefix) for prefix in (a, b))
        comparison = lineage_diff.compare(ancestry.ancestors(con, [old, new]), old, new)
    click.echo(lineage_diff_text.as_text(comparison))


def _none_begins(prefix: str) -> NoReturn:
    place, problem = f"materialization {prefix!r}", "there is none that begins like this"
    raise ScfmError(place, problem, "`scfm lineage show` lists them.")


@lineage.command()
def sync() -> None:
    """Bring the tables of lineage up to date with Dagster's records.

    `scfm run` does it when it ends, and the daemon of `scfm ui` from time to time; after a run that was killed, or runs
    from Dagster's own commands without a daemon, do it by hand. It adds what is missing and can be repeated.
    """
    from scfm_assets import home as homes

    home = homes.home()
    if not (home / "dagster").is_dir():
        raise ScfmError(str(home), "nothing ran here yet", "Run `scfm run` first.")

    from scfm_assets.engine import runner
    from scfm_assets.engine.dagster_internals import opened_at
    from scfm_assets.resources.files import files_of
    from scfm_assets.warehouse.lineage.projection import sync_lineage

    with opened_at(runner.dagster_home(home)) as instance:
        added = sync_lineage(home, files_of(home.absolute()), instance)
    click.echo(f"{added:,} rows added to lineage" if added else "lineage is up to date")
