"""All benchmarks, and how one is run and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets_bench import attention, curve, machine, metrics, tokenize, warehouse
from scfm_assets_bench.measure import threads_limited_to
from scfm_assets_bench.record import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from scfm_assets_bench.record import Result
    from scfm_assets_bench.settings import BenchSettings, Tell


@dataclass(frozen=True)
class Bench:
    """One benchmark.

    Attributes
    ----------
    name
        As users call it.
    run
        Gives its results one by one.
    notes
        What is in each side, in words.
    clock
        What its seconds are.
    """

    name: str
    run: Callable[[BenchSettings, Tell], Iterator[Result]]
    notes: tuple[str, ...]
    clock: str = "process CPU time"


BENCHES = (
    Bench("attention", attention.run, attention.NOTES),
    Bench("tokenize", tokenize.run, tokenize.NOTES),
    Bench("metrics", metrics.run, metrics.NOTES),
    Bench("curve", curve.run, curve.NOTES),
    Bench("warehouse", warehouse.run, warehouse.NOTES, clock="wall time"),
)


def run_json(benches: Sequence[Bench], settings: BenchSettings, *, say: Tell, tell: Tell) -> None:
    """Say one JSON object per result, as soon as it is there."""
    with threads_limited_to(settings.threads):
        tell(machine.facts(settings.threads))
        for bench in benches:
            for result in bench.run(settings, tell):
                say(result.to_json())


def run_tables(benches: Sequence[Bench], settings: BenchSettings, *, tell: Tell) -> None:
    """Show a table per benchmark, with the machine and what is in each side."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    with threads_limited_to(settings.threads):
        console.print(machine.facts(settings.threads), soft_wrap=True)
        if settings.quick:
            console.print("quick: small sizes, no figures to quote", style="yellow")
        for bench in benches:
            _show(console, bench, settings, tell)


def _show(console: Console, bench: Bench, settings: BenchSettings, tell: Tell) -> None:
    results: list[Result] = []
    try:
        for result in bench.run(settings, tell):
            results.append(result)  # noqa: PERF402 - kept one by one: a run may be stopped in the middle
    finally:  # what was measured before Ctrl-C is shown, too
        if results:
            console.print()
            title = f"{bench.name}: seconds are {bench.clock}, median over repeats"
            console.print(table(results, title=title))
            for note in bench.notes:
                console.print(f"  {note}", style="dim", soft_wrap=True, markup=False)
