"""What `scfm pretrain` tells while it works: a line per evaluation, how far it has come, what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from scfm_assets_pretrain.objectives import NATS

if TYPE_CHECKING:
    from pathlib import Path

    from rich.status import Status

    from scfm_assets_pretrain.loop import TrainingProgress


class Reporter:
    """Writes what happens to the terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.status: Status | None = None

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def tell(self, news: TrainingProgress | str) -> None:
        """Tell a sentence, or how far the training has come."""
        if isinstance(news, str):
            self._stop()
            self.console.print(news, markup=False, soft_wrap=True)
            return
        pace = f"{news.tokens_per_second:,.0f} tokens/s, {news.seconds_left:,.0f} s left"
        if news.point is None:
            if self.status is None:
                self.status = self.console.status("")
                self.status.start()
            self.status.update(f"step {news.step:,} of {news.steps:,}, loss {news.loss:.3f}, {pace}")
            return
        self._stop()
        point = news.point
        losses = f"loss {point.training:7.3f}   held out {point.held_out:7.3f}"
        self.console.print(f"step {point.step:>7,} of {news.steps:,}   {losses}   [dim]{pace}[/]", soft_wrap=True)

    def sum_up(self, record: dict[str, Any], folder: Path) -> None:
        """Show what the training came to and where it is."""
        self._stop()
        loss, (name, baseline) = record["held_out_loss"], next(iter(record["baselines"].items()))
        last = record["losses"][-1]
        self.console.print(
            f"[bold]held-out loss {loss:.3f}[/] {record.get('unit', NATS)} per masked gene against {baseline:.3f} for "
            f"the {name.replace('_', ' ')}; "
            f"{last['tokens']:,} tokens in {last['seconds']:,.0f} s ({last['cpu_seconds']:,.0f} s of CPU)",
            soft_wrap=True,
        )
        for label, path in (
            ("model", folder),
            ("revisions", folder / "revisions"),
            ("loss curve", folder / "training.png"),
        ):
            self.console.print(f"{label:<10} {path}", soft_wrap=True, markup=False)

    def _stop(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None
