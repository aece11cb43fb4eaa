"""`scfm bench`: figures of this machine, against baselines that are named."""

from __future__ import annotations

import click

BENCHES = ("attention", "tokenize", "metrics", "curve", "warehouse")
MODELS = ("v1-6l", "v1-12l", "v2-104m")


@click.command()
@click.argument("which", type=click.Choice([*BENCHES, "all"]), default="all")
@click.option("--model", type=click.Choice(MODELS), help="Only this shape of model.  [default: what each case needs]")
@click.option("--json", "as_json", is_flag=True, help="One object per line on standard output.")
@click.option("--repeats", type=click.IntRange(min=1), help="Times each side is measured.  [default: 3 to 5]")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of each side.")
@click.option("--quick", is_flag=True, help="Small sizes, in two minutes: a first look, no figures to quote.")
@click.option("--full", is_flag=True, help="Tokenize 200,000 cells from disk, not 20,000: 3 GB of temporary files.")
@click.option(
    "--scale",
    type=click.FloatRange(0.04, 1.0),
    default=0.04,
    show_default=True,
    help="Share of the whole curve's cells and candidate pairs that `curve` runs.",
)
def bench(
    which: str,
    model: str | None,
    repeats: int | None,
    threads: int,
    scale: float,
    *,
    as_json: bool,
    quick: bool,
    full: bool,
) -> None:
    """Compare the engine with what people write today: time, peak memory, error, share of the machine's limit.

    Both sides run in one process in turn; seconds are process CPU time, medians over repeats. Every line names its
    baseline. `warehouse` asks lineage and SQL at the sizes of a year's work, in wall time. `all` takes about 30 minutes
    on two quiet cores, `--quick` three.
    """
    from scfm_assets_bench import suite
    from scfm_assets_bench.settings import BenchSettings

    settings = BenchSettings(model=model, repeats=repeats, threads=threads, quick=quick, full=full, scale=scale)
    chosen = [each for each in suite.BENCHES if which in {each.name, "all"}]

    def tell(words: str) -> None:
        click.echo(words, err=True)

    try:
        if as_json:
            suite.run_json(chosen, settings, say=click.echo, tell=tell)
        else:
            suite.run_tables(chosen, settings, tell=tell)
    except KeyboardInterrupt:
        click.secho("stopped: what was printed before is complete", fg="yellow", err=True)
        raise SystemExit(130) from None
