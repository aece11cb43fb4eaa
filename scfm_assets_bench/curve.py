"""A whole scaling curve, end to end: nine numbers of cells, two repeats, every layer, an interval for each point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.errors import ScfmError
from scfm_assets_bench import memory, naive
from scfm_assets_bench.engine import sum_blocks
from scfm_assets_bench.measure import once
from scfm_assets_bench.models import SHAPES, Shape, collecting_encoder, masked_language_model
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated import PANEL, BenchCells, draw_cells, spread_lengths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from transformers import BertForMaskedLM, BertModel

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.networks import NetworkTable
    from scfm_assets_bench.settings import BenchSettings, Tell

BENCH = "curve"

LADDER = (25, 50, 100, 150, 200, 300, 500, 750, 1000)
REPEATS = 2
EDGES_PER_TF = 8

NOTES = (
    "Both sides start from tokenized cells and a loaded model and end with AUROC and a 95 % interval (resampled "
    "pairs) for every number of cells, repeat and layer.",
    "typical: every point and repeat is forwarded anew (BertForMaskedLM, eager, batch 8, np.add.at), then "
    "roc_auc_score for each resample.",
    "ours: each cell of the union of all points is forwarded once, increments are summed, then evaluated; its sums "
    "hold lifted attention too, its evaluation three more metrics.",
    "Scaled down alike: cells by --scale, candidate pairs (TFs x 1000 genes) by the same share of 1000 x 1000; numbers "
    "of points, layers and resamples, and the length of cells, are those of the whole curve. All of it is run: nothing "
    "is extrapolated. The repeats share no cell.",
    "CPU time of one run of the typical side; ours is the mean of a run before and one after it.",
)


@dataclass(frozen=True)
class CurvePlan:
    """What is run.

    Attributes
    ----------
    shape
        The model.
    n_cells
        Numbers of cells, ascending.
    lengths
        Tokens of each cell of the atlas: enough for all repeats.
    n_tfs
        TFs of the network.
    resamples
        Per point, repeat and layer.
    n_panel
        Genes of the panel.
    batch
        BenchCells per batch of the typical side.
    """

    shape: Shape
    n_cells: tuple[int, ...]
    lengths: tuple[int, ...]
    n_tfs: int
    resamples: int = 200
    n_panel: int = PANEL
    batch: int = 8


@dataclass(frozen=True)
class Curve:
    """Results of one side, and the CPU seconds of its two parts.

    Attributes
    ----------
    auroc
        Value, lower and upper limit of each (n_cells, repeat, layer).
    forward, evaluation
        Seconds.
    """

    auroc: Mapping[tuple[int, int, int], tuple[float, float, float]]
    forward: float
    evaluation: float

    @property
    def seconds(self) -> float:
        """Both parts."""
        return self.forward + self.evaluation


def plan_of(settings: BenchSettings) -> CurvePlan:
    """Scale the curve down.

    Raises
    ------
    ScfmError
        If two of the nine numbers of cells become the same.
    """
    n_cells = tuple(round(n * settings.scale) for n in LADDER)
    if n_cells[0] < 1 or len(set(n_cells)) < len(LADDER) or settings.scale > 1:
        problem = f"{settings.scale} makes {', '.join(map(str, n_cells))} of the nine numbers of cells"
        raise ScfmError("--scale", problem, "Use 0.04 to 1: the nine must differ.")
    low, high = (100, 250) if settings.quick else (500, 1500)
    shape = SHAPES[settings.model or "v1-6l"]
    lengths = spread_lengths(low, high, REPEATS * n_cells[-1])
    batch = memory.batch_that_fits(shape, lengths, 8)
    n_tfs = round(PANEL * settings.scale)
    return CurvePlan(shape, n_cells, lengths, n_tfs, resamples=20 if settings.quick else 200, batch=batch)


def run(settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Run both sides and compare them: whole, and each part."""
    yield from compare(plan_of(settings), tell)


def compare(plan: CurvePlan, tell: Tell) -> Iterator[Result]:
    """Run ours, the typical side, and ours again."""
    tell("curve: building models")
    cells = draw_cells(plan.shape, plan.lengths, n_panel=plan.n_panel)
    published, encoder = masked_language_model(plan.shape), collecting_encoder(plan.shape)
    naive.typical(published, cells.first(1), batch=1)
    sum_blocks(encoder, cells.first(1), np.zeros(1, np.int32), 1)
    tell("curve: ours")
    before = ours(plan, encoder, cells, tell)
    theirs = typical(plan, published, cells, tell)
    tell("curve: ours again")
    after = ours(plan, encoder, cells, tell)
    error = max(abs(theirs.auroc[point][0] - after.auroc[point][0]) for point in theirs.auroc)
    forwards = f"{REPEATS * sum(plan.n_cells):,} forwards", f"{REPEATS * plan.n_cells[-1]:,}"
    name = f"{plan.shape.name}, {len(plan.n_cells)} points x {REPEATS} repeats x {plan.shape.layers} layers"
    for part, words in (
        ("seconds", f"{name}, {plan.resamples} resamples, up to {plan.n_cells[-1]} cells: end to end"),
        ("forward", f"{name}: attention sums ({forwards[0]} typical, {forwards[1]} ours)"),
        ("evaluation", f"{name}: scores, AUROC and intervals"),
    ):
        our_seconds, their_seconds = mean([getattr(before, part), getattr(after, part)]), getattr(theirs, part)
        yield Result(
            BENCH,
            words,
            f"typical, batch {plan.batch}",
            ratio=their_seconds / our_seconds,
            seconds=our_seconds,
            baseline_seconds=their_seconds,
            error=error if part != "forward" else None,
        )


def typical(plan: CurvePlan, model: BertForMaskedLM, cells: BenchCells, tell: Tell) -> Curve:
    """Forward and evaluate every point and repeat on its own."""
    tfs, targets = edges(plan)
    members, auroc, forward, evaluation = cell_sets(plan), {}, 0.0, 0.0
    for n_cells in plan.n_cells:
        for repeat in range(REPEATS):
            tell(f"curve, typical: {n_cells} cells, repeat {repeat + 1} of {REPEATS}")
            chosen = cells.take(members[n_cells][repeat].tolist())
            sums = once(lambda c=chosen: naive.typical(model, c, batch=plan.batch))
            values = once(lambda s=sums.value: _evaluate_typically(plan, s, tfs, targets))
            forward, evaluation = forward + sums.cpu, evaluation + values.cpu
            auroc |= {(n_cells, repeat, layer): value for layer, value in values.value.items()}
    return Curve(auroc, forward, evaluation)


def _evaluate_typically(
    plan: CurvePlan, sums: naive.NaiveSums, tfs: np.ndarray, targets: np.ndarray
) -> dict[int, tuple[float, float, float]]:
    from sklearn.metrics import roc_auc_score

    candidate = np.ones((len(tfs), plan.n_panel), bool)
    candidate[np.arange(len(tfs)), tfs] = False
    label = np.zeros_like(candidate)
    np.put_along_axis(label, targets, True, axis=1)  # noqa: FBT003 - a value, no switch
    is_positive, pairs = label[candidate], sums.pairs[tfs]
    values = {}
    for layer, plain in enumerate(sums.plain, start=1):
        scores = np.divide(plain[tfs], pairs, out=np.zeros(pairs.shape, np.float32), where=pairs > 0)[candidate]
        rng = np.random.default_rng(layer)
        draws = naive.bootstrap_pairs(is_positive, scores, resamples=plan.resamples, rng=rng)
        low, high = np.quantile(draws, [0.025, 0.975])
        values[layer] = float(roc_auc_score(is_positive, scores)), float(low), float(high)
    return values


def ours(plan: CurvePlan, encoder: BertModel, cells: BenchCells, tell: Tell) -> Curve:
    """Forward the cells that each point adds, once for all repeats; add them to the sums so far and evaluate."""
    panel, network = panel_table(plan), network_of(plan)
    so_far = SumsSoFar()
    auroc, forward, evaluation, base = {}, 0.0, 0.0, 0
    for n_cells in plan.n_cells:
        tell(f"curve, ours: {n_cells} cells")
        work = once(lambda n=n_cells, b=base: so_far.add(plan, encoder, cells, base=b, n_cells=n))
        values = once(lambda n=n_cells: _evaluate(plan, n, so_far.sums, panel, network))
        forward, evaluation = forward + work.cpu, evaluation + values.cpu
        auroc |= values.value
        base = n_cells
    return Curve(auroc, forward, evaluation)


class SumsSoFar:
    """The sums of each repeat, and blocks of cells that join a repeat at a larger number of cells."""

    def __init__(self) -> None:
        self.sums: dict[int, AttentionSums] = {}
        self.waiting: list[tuple[int, int, AttentionSums]] = []

    def add(self, plan: CurvePlan, encoder: BertModel, cells: BenchCells, *, base: int, n_cells: int) -> None:
        """Forward what lies between two numbers of cells and add it."""
        from scfm_assets.core.sampling import increment

        added = increment(_cell_set_table(plan, n_cells), base)
        blocks = sum_blocks(encoder, cells.take(added.cells.tolist()), added.block_of_cell, len(added.blocks))
        for block, belongs in zip(blocks, added.blocks, strict=True):
            self.waiting.extend((start, repeat, block) for repeat, start in belongs)
        for _, repeat, block in [each for each in self.waiting if each[0] <= n_cells]:
            # The first sum is a new array: a block may join several repeats.
            self.sums[repeat] = self.sums[repeat].add_(block) if repeat in self.sums else block + zeros_like(block)
        self.waiting = [each for each in self.waiting if each[0] > n_cells]


def zeros_like(sums: AttentionSums) -> AttentionSums:
    """Attention sums over no cell."""
    return type(sums).zeros(sums.layers, len(sums.pairs))


def _evaluate(
    plan: CurvePlan, n_cells: int, sums: Mapping[int, AttentionSums], panel: pa.Table, network: NetworkTable
) -> dict[tuple[int, int, int], tuple[float, float, float]]:
    from scfm_assets.core.evaluation import Intervals, evaluate
    from scfm_assets.core.scores import TF_QUERIES, from_attention
    from scfm_assets.core.universes import TF_GRID

    scores = from_attention(sums, panel)
    plain = [place for place, key in enumerate(scores.keys) if key.method == "attention"]
    scores = replace(scores, keys=tuple(scores.keys[place] for place in plain), scores=scores.scores[plain])
    rows = evaluate(
        scores,
        [network],
        (TF_GRID,),
        tissue="simulated",
        n_cells=n_cells,
        model=plan.shape.name,
        checkpoint=None,
        simulated=True,
        directions=(TF_QUERIES,),
        intervals=Intervals(kinds=("pairs",), resamples=plan.resamples),
    ).table.to_pylist()
    return {
        (n_cells, row["repeat"], row["layer"]): (row["value"], row["lo"], row["hi"])
        for row in rows
        if row["metric"] == "auroc"
    }


def _orders(plan: CurvePlan) -> np.ndarray:
    from scfm_assets.core.sampling import cell_orders

    names = [f"cell{cell:06d}" for cell in range(len(plan.lengths))]
    return cell_orders(["one type"] * len(names), names, repeats=REPEATS, length=plan.n_cells[-1], seed=0)


def _cell_set_table(plan: CurvePlan, n_cells: int) -> pa.Table:
    from scfm_assets.core.sampling import cell_set_table

    return cell_set_table(_orders(plan), n_cells, plan.n_cells)


def cell_sets(plan: CurvePlan) -> dict[int, dict[int, np.ndarray]]:
    """Cells of each number of cells and repeat: nested, as ours has them."""
    orders = _orders(plan)
    return {n: {repeat: orders[repeat, :n] for repeat in range(REPEATS)} for n in plan.n_cells}


def edges(plan: CurvePlan) -> tuple[np.ndarray, np.ndarray]:
    """Draw a network: panel indices of its TFs (n_tfs,), ascending, and of their targets (n_tfs, EDGES_PER_TF)."""
    rng = np.random.default_rng(2)
    tfs = np.sort(rng.choice(plan.n_panel, plan.n_tfs, replace=False))
    others = [rng.choice(np.delete(np.arange(plan.n_panel), tf), EDGES_PER_TF, replace=False) for tf in tfs]
    return tfs, np.stack(others)


def panel_table(plan: CurvePlan) -> pa.Table:
    """Name the genes of the panel."""
    import pyarrow as pa

    ids = [f"ENSG{gene:011d}" for gene in range(plan.n_panel)]
    return pa.table({"gene_id": ids, "symbol": [f"GENE{gene}" for gene in range(plan.n_panel)]})


def network_of(plan: CurvePlan) -> NetworkTable:
    """Write the edges as a network."""
    import pyarrow as pa

    from scfm_assets.core.networks import NetworkSpec, tidy_network

    ids = panel_table(plan)["gene_id"].to_numpy()
    tfs, targets = edges(plan)
    raw = pa.table({"tf": ids[np.repeat(tfs, targets.shape[1])], "target": ids[targets.ravel()]})
    return tidy_network(raw, NetworkSpec("simulated", ids="ensembl"))
