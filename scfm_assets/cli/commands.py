"""`scfm`: run, look, ask, check."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scfm_assets.cli.bench import bench
from scfm_assets.cli.lineage import lineage
from scfm_assets.cli.new_study import new_study
from scfm_assets.cli.options import catalog_option, choose
from scfm_assets.cli.pretrain import pretrain
from scfm_assets.cli.sql import sql
from scfm_assets.cli.store import prune, status
from scfm_assets.cli.validate import validate
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scfm_assets.home import RunSettings


class Group(click.Group):
    """Commands whose mendable errors are told in words, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ScfmError as error:
            click.secho(str(error), fg="red", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            message = "interrupted: what was finished is kept, the same command goes on from there"
            click.secho(message, fg="yellow", err=True)
            ctx.exit(130)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="scfm_assets")
def main() -> None:
    """Do single-cell foundation models know gene regulation?

    Everything is written below SCFM_HOME (default: data/). The catalog says what is measured: `scfm run` takes the
    embedded demo, `scfm run --catalog my.yaml` takes yours (scfm_assets/catalogs/local_files.yaml is a template).
    """  # noqa: D400 - it is a question


def _compute_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say where forward passes run."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="Threads of a forward pass on the CPU."),
        click.option("--memory", metavar="SIZE", help="Memory beside the loaded model, as 8GiB."),
        click.option("--precision", type=click.Choice(["fp32", "tf32", "bf16"]), help="fp32 (the default) is exact."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where forward passes run."),
    ):
        command = option(command)
    return command


def _settings(catalog: str | None, **compute: object) -> RunSettings:
    """Read the environment; options of `_compute_options` stand under the variables of the compute resource."""
    from scfm_assets.home import RunSettings
    from scfm_assets.resources.compute import SETTINGS

    given = {SETTINGS[name]: str(value) for name, value in compute.items() if value is not None}
    return RunSettings.from_environment(catalog, **given)


@main.command()
@catalog_option
@click.option(
    "--select", metavar="ASSETS", help="Only these, in Dagster's selection syntax: 'key:\"models/planted/*\"'."
)
@click.option("--force", is_flag=True, help="Recompute what is fresh, too.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes that share the tissues.  [default: cores, at most 4]"
)
@_compute_options
def run(catalog: str | None, select: str | None, jobs: int | None, *, force: bool, **compute: object) -> None:
    """Materialize everything that is missing or stale, and show the scaling curves.

    What is fresh is kept: a second run computes nothing, a changed atlas recomputes its tissue, a new cell count its
    increment.
    """
    from scfm_assets.engine.console import Console

    started = time.perf_counter()
    settings, chosen = _settings(catalog, **compute), choose(catalog)
    console = Console()
    console.introduce(chosen)

    from scfm_assets.defs.assemble import assemble
    from scfm_assets.engine import runner
    from scfm_assets.engine.dagster_internals import opened_at
    from scfm_assets.resources.files import files_of
    from scfm_assets.resources.store import check_home
    from scfm_assets.warehouse.lineage.projection import sync
    from scfm_assets.warehouse.publish import publish

    home = check_home(settings.home)
    with opened_at(runner.dagster_home(home)) as instance:
        outcome = runner.run(
            chosen,
            partial(assemble, variables=dict(settings.variables)),
            home=home,
            instance=instance,
            select=select,
            force=force,
            jobs=jobs or min(4, os.cpu_count() or 1, len(chosen.atlases)),
            show=console.show,
        )
        warehouse = publish(home, files_of(home.absolute()), fill=partial(sync, instance))
    console.sum_up(outcome, chosen, home, warehouse, seconds=time.perf_counter() - started)
    if not outcome.success:
        sys.exit(1)


@main.command()
@catalog_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@_compute_options
def ui(catalog: str | None, port: int, **compute: object) -> None:
    """Open the platform in Dagster's UI, with its daemon, on 127.0.0.1."""
    from scfm_assets.engine import runner
    from scfm_assets.engine.dagster_internals import opened_at
    from scfm_assets.engine.serve import serve
    from scfm_assets.resources.store import check_home

    settings = _settings(catalog, **compute)
    choose(catalog)
    home = runner.dagster_home(check_home(settings.home))
    with opened_at(home) as instance:
        sys.exit(serve(home, instance, port, click.echo, variables=settings.variables))


@main.command()
@catalog_option
@click.option("--open/--no-open", "show", default=False, help="Open it in the browser.")
def report(catalog: str | None, *, show: bool) -> None:
    """Say where the report of the last run is, and open it if asked."""
    from scfm_assets import home as homes

    choose(catalog)
    page = homes.home() / "report" / "index.html"
    if not page.is_file():
        raise ScfmError(str(page), "there is no report yet", "`scfm run` makes it.")
    click.echo(page)
    if show:
        click.launch(str(page))


@main.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--x", required=True, help="Column with the number of cells.")
@click.option("--y", required=True, help="Column with the metric.")
@click.option("--sigma", help="Column with the standard deviation of each point; fits are weighted by it.")
def fit(table: Path, x: str, y: str, sigma: str | None) -> None:
    """Fit all forms of scaling curve to TABLE.csv: parameters, R2, AICc and its weights, asymptote, verdict."""
    from scfm_assets.cli.fits import format_fits
    from scfm_assets.core.curves import fit_curves, read_points

    click.echo(format_fits(fit_curves(*read_points(table, x, y, sigma))))


for command in (validate, sql, lineage, status, prune, bench, pretrain, new_study):
    main.add_command(command)
