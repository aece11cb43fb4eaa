"""Attention sums: the engine against two ways in which people get them, and what it saves beside time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from scfm_assets_bench import memory, naive, roofline
from scfm_assets_bench.engine import sum_attention
from scfm_assets_bench.measure import Timed, interleaved
from scfm_assets_bench.models import SHAPES, Shape, base_encoder, collecting_encoder, masked_language_model
from scfm_assets_bench.processes import DiedError
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated import PANEL, BenchCells, draw_cells, spread_lengths
from scfm_assets_bench.workers import two_workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transformers import BertModel

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets_bench.settings import BenchSettings, Tell

BENCH = "attention"

NOTES = (
    "typical: BertForMaskedLM as published, eager, output_attentions=True, padded to the longest cell of the batch, "
    "head mean in torch, np.add.at.",
    "careful: base encoder, eager, one cell at a time, A[ix] += P.",
    "Both baselines sum plain attention only; ours sums plain and lifted attention and checks row sums in the same "
    "time.",
    "Weights are random, cells simulated, the panel the 1000 most detected genes. Loading models and tokens is in "
    "neither side.",
    "Two workers need two idle cores: their wall time on a busy machine says nothing (see its load above).",
    "Peaks are resident memory above the loaded model, each in a fresh process that had passed one short cell before.",
)


@dataclass(frozen=True)
class AttentionCase:
    """Cells of one kind through one model.

    Attributes
    ----------
    shape
        The model.
    words
        The kind of cells, in words.
    lengths
        Tokens of each cell.
    batch
        BenchCells per batch of the typical side, fewer where memory is short.
    exact
        BenchCells that are also passed in float64.
    repeats
        Times each side is measured, unless the user says.
    n_panel
        Genes of the panel.
    """

    shape: Shape
    words: str
    lengths: tuple[int, ...]
    batch: int = 8
    exact: int = 4
    repeats: int = 5
    n_panel: int = PANEL

    @property
    def name(self) -> str:
        """How results call it."""
        return f"{self.shape.name}, {self.words}"


def cases(settings: BenchSettings) -> list[AttentionCase]:
    """Choose the cases: those of one model, or of all."""
    v1, v1_12, v2 = (SHAPES[key] for key in ("v1-6l", "v1-12l", "v2-104m"))
    if settings.quick:
        shape = SHAPES[settings.model or "v1-6l"]
        return [AttentionCase(shape, "200-500 tokens", spread_lengths(200, 500, 4), batch=4, exact=1, repeats=2)]
    short, long = spread_lengths(500, 1500, 8), (2048,) * 8
    every = [
        AttentionCase(v1, "500-1500 tokens", short),
        AttentionCase(v1, "2048 tokens", long, exact=2),
        AttentionCase(v1_12, "500-1500 tokens", short, exact=2, repeats=3),
        # Eight maps of 12 layers x 12 heads x 2048 x 2048 would take 19 GB.
        AttentionCase(v2, "2048 tokens", (2048,) * 2, batch=2, exact=1, repeats=3),
    ]
    return [case for case in every if settings.model in {None, _key(case.shape)}]


def run(settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Compare every case, then what grows, what is saved and what two processes give."""
    for case in cases(settings):
        yield from compare(case, settings, tell)
    shape = SHAPES[settings.model or "v1-6l"]
    small, repeats = shape is SHAPES["v1-6l"], settings.repeats or (2 if settings.quick else 5)
    few = spread_lengths(200, 500, 2) if settings.quick else spread_lengths(500, 1500, 4 if small else 2)
    yield from layers_wanted(shape, few, repeats=repeats, tell=tell)
    # Larger models take ten times as long for each cell.
    n_cells = (5, 50) if settings.quick else (100, 2000) if small else (20, 200)
    yield flat_memory(shape, n_cells, threads=settings.threads, tell=tell)
    shared = spread_lengths(200, 500, 16) if settings.quick else spread_lengths(500, 1500, 48 if small else 12)
    yield two_workers(shape, shared, repeats=min(repeats, 3), tell=tell)


@dataclass(frozen=True)
class Measured:
    """Times and errors of one case, all from one process."""

    ours: Timed[AttentionSums]
    baselines: Mapping[str, Timed[naive.NaiveSums]]
    rates: roofline.Rates
    share: float
    error: float
    naive_error: float


def compare(case: AttentionCase, settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Compare the engine with both baselines: time, memory, error, share of the limit."""
    batch = memory.batch_that_fits(case.shape, case.lengths, case.batch)
    measured = measure(case, batch, settings, tell)

    def peak_of(side: str) -> int | None:
        tell(f"{case.name}: peak memory, {side}")
        given = {"batch": batch, "n_panel": case.n_panel, "threads": settings.threads}
        try:
            return memory.peak_of(side, case.shape, case.lengths, **given)
        except DiedError as error:  # times were measured all the same
            tell(f"{case.name}: peak memory of {side} is not known: {error}")
            return None

    peaks = {side: peak_of(side) for side in ("ours", *measured.baselines)}
    for name, side in measured.baselines.items():
        check_same_pairs(case.name, measured.ours.value, side.value)
        yield Result(
            BENCH,
            case.name,
            f"typical, batch {batch}" if name == "typical" else name,
            ratio=side.cpu / measured.ours.cpu,
            seconds=measured.ours.cpu,
            baseline_seconds=side.cpu,
            error=measured.error,
            peak_bytes=peaks["ours"],
            baseline_peak_bytes=peaks[name],
            roofline_share=measured.share,
        )
    yield Result(
        BENCH,
        f"{case.name}: peak memory of typical over ours",
        f"typical, batch {batch}",
        ratio=peaks["typical"] / peaks["ours"] if peaks["typical"] and peaks["ours"] else None,
        peak_bytes=peaks["ours"],
        baseline_peak_bytes=peaks["typical"],
    )
    yield Result(
        BENCH,
        f"{case.name}: error of eager float32 over ours, both against float64",
        "careful",
        ratio=measured.naive_error / measured.error if measured.error else None,
        error=measured.error,
    )
    rates = f"{measured.rates.flops / 1e9:.0f} GFLOP/s and {measured.rates.exps / 1e9:.2f} G exp/s"
    yield Result(
        BENCH,
        f"{case.name}: share of the limit at {rates}",
        "limit",
        ratio=measured.share,
        seconds=measured.ours.cpu,
        baseline_seconds=measured.share * measured.ours.cpu,
        roofline_share=measured.share,
    )


def measure(case: AttentionCase, batch: int, settings: BenchSettings, tell: Tell) -> Measured:
    """Run all sides of a case in turn, with the rates of the machine before and after; no model outlives it."""
    shape, length = case.shape, int(np.median(case.lengths))
    tell(f"{case.name}: building models")
    cells = draw_cells(shape, case.lengths, n_panel=case.n_panel)
    encoder, eager, published = collecting_encoder(shape), base_encoder(shape, "eager"), masked_language_model(shape)
    rates = roofline.measure_rates(shape, length)
    short = cells.take([int(np.argmin(cells.lengths))])
    warm = sum_attention(encoder, cells), naive.careful(eager, short), naive.typical(published, short, batch=1)
    del warm
    sides = {
        "ours": lambda: sum_attention(encoder, cells),
        "typical": lambda: naive.typical(published, cells, batch=batch),
        "careful": lambda: naive.careful(eager, cells),
    }
    timed = interleaved(sides, repeats=settings.repeats or case.repeats, tell=tell, what=case.name)
    rates = rates.best(roofline.measure_rates(shape, length))
    ours = cast("Timed[AttentionSums]", timed.pop("ours"))
    tell(f"{case.name}: error against float64")
    share = roofline.limit_seconds(shape, cells, rates) / ours.cpu
    baselines = cast("Mapping[str, Timed[naive.NaiveSums]]", timed)
    return Measured(ours, baselines, rates, share, *errors(encoder, eager, cells.first(case.exact)))


def errors(encoder: BertModel, eager: BertModel, cells: BenchCells) -> tuple[float, float]:
    """Largest relative errors of the engine (plain and lifted) and of eager float32, against float64."""
    exact, ours, theirs = naive.reference(eager, cells), sum_attention(encoder, cells), naive.careful(eager, cells)
    seen = exact.pairs > 0
    check_same_pairs("float64", ours, exact)
    ours_error = max(
        naive.relative_error(ours.plain, exact.plain, seen),
        naive.relative_error(ours.lifted, cast("np.ndarray", exact.lifted), seen),
    )
    return ours_error, naive.relative_error(theirs.plain, exact.plain, seen)


def check_same_pairs(what: str, ours: AttentionSums, theirs: naive.NaiveSums) -> None:
    """Refuse to compare times of sides that did not count the same."""
    if not np.array_equal(ours.pairs, theirs.pairs):
        message = f"{what}: {(ours.pairs != theirs.pairs).sum()} pairs of genes are counted differently"
        raise RuntimeError(message)


def layers_wanted(
    shape: Shape, lengths: tuple[int, ...], *, repeats: int, tell: Tell, n_panel: int = PANEL
) -> Iterator[Result]:
    """Show what it saves to want fewer layers: the pass ends after the last one, the others are not summed."""
    cells, encoder = draw_cells(shape, lengths, n_panel=n_panel), collecting_encoder(shape)
    half = shape.layers // 2
    chosen = {f"layers 1-{half}": range(1, half + 1), f"layer {half} alone": (half,), "layer 1 alone": (1,)}
    sides = {"all layers": lambda: sum_attention(encoder, cells)}
    sides |= {name: lambda layers=layers: sum_attention(encoder, cells, layers) for name, layers in chosen.items()}
    sum_attention(encoder, cells.first(1))
    what = f"{shape.name}, {min(lengths)}-{max(lengths)} tokens"
    timed = interleaved(sides, repeats=repeats, tell=tell, what=what)
    every = timed.pop("all layers")
    for name, part in timed.items():
        all_layers = f"all {shape.layers} layers"
        yield Result(
            BENCH,
            f"{what}: {name}",
            all_layers,
            ratio=every.cpu / part.cpu,
            seconds=part.cpu,
            baseline_seconds=every.cpu,
        )


def flat_memory(shape: Shape, n_cells: tuple[int, int], *, threads: int, tell: Tell) -> Result:
    """Show that memory does not grow with the number of cells: peaks of few and of many."""
    few, many = n_cells
    lengths, what = spread_lengths(100, 250, many), f"{shape.name}, 100-250 tokens"
    peaks = []
    for n in n_cells:
        tell(f"{what}: peak memory of {n:,} cells")
        peaks.append(memory.peak_of("ours", shape, lengths[:n], threads=threads))
    base, peak = peaks
    return Result(
        BENCH,
        f"{what}: peak memory of {many:,} cells over that of {few}",
        f"ours, {few} cells",
        ratio=peak / max(base, 1),
        peak_bytes=peak,
        baseline_peak_bytes=base,
    )


def _key(shape: Shape) -> str:
    return next(key for key, known in SHAPES.items() if known is shape)
