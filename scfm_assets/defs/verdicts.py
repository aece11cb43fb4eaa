"""What each method is worth, against what expression alone and random weights would score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.defs import baselines, universes
from scfm_assets.defs.evaluation import with_left_out
from scfm_assets.defs.inputs import (
    ATTENTION,
    CELL_SETS,
    SCORES,
    all_of,
    checkpoints_of,
    control_of_model,
    direction_of,
    layer_of_model,
    scores_and_universes,
    scores_of,
)
from scfm_assets.defs.rows import donors_of
from scfm_assets.engine.declare import STUDY, Check, Facts, Job, Node, asset, everything
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.evaluation import Contender, Scored
    from scfm_assets.core.universes import TissueUniverses
    from scfm_assets.engine.make import StoredValues


HYPOTHESES = "evaluation/hypotheses"


def declared(catalog: Catalog, _: Place) -> dict[str, Any]:
    """The part of the catalog that the comparison depends on."""
    experiment = catalog.experiment
    of_models = {model: [layer, controls_of(catalog, model)] for model, layer in layer_of_model(catalog).items()}
    controls = control_of_model(catalog)
    return {"direction": experiment.direction, "level": experiment.intervals.level, "of": of_models, "are": controls}


def controls_of(catalog: Catalog, model: str) -> tuple[str, ...]:
    """Name the models that are random controls of the same family and options; the layer is compared by its number."""
    entry = catalog.models[model]
    return tuple(
        name
        for name, other in catalog.models.items()
        if name != model and other.control == "random" and (other.family, other.words) == (entry.family, entry.words)
    )


def _scored(job: Job, inputs: dict[str, Any]) -> list[Scored]:
    from scfm_assets.core.evaluation import Scored

    scored = [Scored(baselines.MODEL, inputs[SCORES + baselines.MODEL], "baseline")]
    roles: dict[str, Any] = control_of_model(job.catalog)
    for model, layer in layer_of_model(job.catalog).items():
        if SCORES + model not in inputs:
            continue
        scores = with_left_out(inputs[SCORES + model], inputs.get(ATTENTION + model))
        digest = checkpoints.checkpoint_digest(job.catalog, model)
        controls = controls_of(job.catalog, model)
        scored.append(Scored(model, scores, roles.get(model, "model"), digest, layer, controls))
    return scored


def contenders_of(job: Job, inputs: dict[str, Any]) -> list[Contender]:
    """The methods of one slice, by the scores (and attention sums) of the models that are there."""
    from scfm_assets.core.evaluation import contenders
    from scfm_assets.core.scores import NULLS

    nulls = {method.name for method in NULLS}
    return contenders(_scored(job, inputs), nulls, direction_of(job.catalog))


def slices(
    job: Job, of_all: dict[str, StoredValues], *, largest_first: bool = False
) -> Iterator[tuple[int, list[Contender]]]:
    """The methods of every slice that is stored, one slice at a time."""
    for n_cells in reversed(job.grid.counts) if largest_first else job.grid.counts:
        place = Place(job.tissue, n_cells)
        here = {name: scores[place] for name, scores in of_all.items() if place in scores}
        if SCORES + baselines.MODEL in here:
            yield n_cells, contenders_of(job, here)


def _verdict_rows(job: Job, comparison: pa.Table) -> pa.Table:
    from scfm_assets.core.evaluation import verdicts

    return verdicts(comparison, level=job.catalog.experiment.intervals.level)


def _facts(job: Job, comparison: pa.Table) -> Facts:
    from scfm_assets.core.evaluation import counted, rows_judged
    from scfm_assets.figures import files as plot_files
    from scfm_assets.figures import methods as plot_methods

    if comparison.num_rows == 0:
        return Facts({"rows": 0})
    judged = _verdict_rows(job, comparison)
    shown = {row["universe"] for row in rows_judged(judged)}
    figure = plot_methods.forest(judged, f"Methods in {job.place}", **({"universe": min(shown)} if shown else {}))
    facts = {f"verdicts_{network}": summary for network, summary in counted(judged).items()}
    return Facts({"rows": comparison.num_rows, **facts}, {"methods": plot_files.thumbnail_markdown(figure)})


def _random_beats_no_null(job: Job, comparison: pa.Table) -> tuple[bool, str]:
    from scfm_assets.core.evaluation import random_beats_no_null

    return random_beats_no_null(_verdict_rows(job, comparison))


def nodes(catalog: Catalog) -> list[Node]:
    """Declare the comparison of methods."""

    @asset(
        "evaluation/method_comparison",
        space=Space.SLICE,
        reads={**scores_and_universes(catalog), **CELL_SETS},
        watches=checkpoints_of(catalog),
        config=declared,
        table="method_comparison",
        publishes={"method_verdicts": _verdict_rows},
        facts=_facts,
        checks=[
            Check(
                "random_weights_beat_no_null",
                "No method beats all gene-level nulls with random weights: it would not be learning that does it.",
                _random_beats_no_null,
                blocking=False,
            )
        ],
        kinds=["parquet"],
    )
    def method_comparison(job: Job, **inputs: Any) -> pa.Table:
        """One row: how one method differs from one null, or from its random control, over the same pairs."""
        from scfm_assets.core.evaluation import compare_methods
        from scfm_assets.core.universes import grounds_of

        grounds, level = grounds_of(inputs["universes"]), job.catalog.experiment.intervals.level
        donors = donors_of(inputs["cell_sets"])
        return compare_methods(contenders_of(job, inputs), grounds, level=level, donors=donors)

    @asset(
        "evaluation/cell_count_comparison",
        space=Space.TISSUE,
        reads={**{name: everything(read.asset) for name, read in scores_of(catalog).items()}, **universes.READS},
        watches=checkpoints_of(catalog),
        config=declared,
        table="cell_count_comparison",
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        kinds=["parquet"],
    )
    def cell_count_comparison(job: Job, universes: TissueUniverses, **scores: StoredValues) -> pa.Table:
        """One row: how far one method at one number of cells is from itself at the largest, over one network."""
        from scfm_assets.core.evaluation import compare_cell_counts
        from scfm_assets.core.metrics import TF_GRID
        from scfm_assets.core.universes import grounds_of

        grounds, level = grounds_of(universes, TF_GRID.name), job.catalog.experiment.intervals.level
        return compare_cell_counts(slices(job, scores, largest_first=True), grounds, level=level)

    @asset(
        "evaluation/degree_matched",
        space=Space.TISSUE,
        reads={**{name: everything(read.asset) for name, read in scores_of(catalog).items()}, **universes.READS},
        watches=checkpoints_of(catalog),
        config=lambda catalog, place: [declared(catalog, place), sorted(catalog.experiment.universes)],
        table="degree_matched",
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        kinds=["parquet"],
    )
    def degree_matched(job: Job, universes: TissueUniverses, **scores: StoredValues) -> pa.Table:
        """One row: one method on a network's edges, and on those of many random networks with its degrees."""
        from scfm_assets.core.evaluation import degree_matched_table
        from scfm_assets.core.metrics import DEGREE_MATCHED, TF_GRID
        from scfm_assets.core.universes import grounds_of

        wanted = DEGREE_MATCHED in job.catalog.experiment.universes
        grounds = grounds_of(universes, TF_GRID.name) if wanted else []
        return degree_matched_table(slices(job, scores), grounds, tissue=job.tissue)

    @asset(
        HYPOTHESES,
        space=Space.TISSUE,
        reads={
            "comparisons": everything("evaluation/method_comparison"),
            **{name: everything(read.asset) for name, read in scores_of(catalog).items()},
            **universes.READS,
        },
        watches=checkpoints_of(catalog),
        config=lambda catalog, _: catalog.experiment.intervals.level,
        table="hypotheses",
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        kinds=["parquet"],
    )
    def hypotheses(job: Job, comparisons: StoredValues, universes: TissueUniverses, **scores: StoredValues) -> pa.Table:
        """One row: whether a method beats every null, or permuted labels, at the largest n_cells, before adjustment."""
        from scfm_assets.core.evaluation import chance_tests, hypotheses
        from scfm_assets.core.metrics import TF_GRID
        from scfm_assets.core.statistics import hypotheses_table
        from scfm_assets.core.universes import grounds_of

        judged = _verdict_rows(job, all_of("method_comparison", comparisons))
        _, contenders = next(slices(job, scores, largest_first=True), (0, []))
        by_chance = chance_tests(contenders, grounds_of(universes, TF_GRID.name), tissue=job.tissue)
        return hypotheses_table([*hypotheses(judged), *by_chance])

    return [method_comparison, cell_count_comparison, degree_matched, hypotheses]


def tests_node(catalog: Catalog, studies: Iterable[str]) -> Node:
    """Declare the table of all tests: those of methods, and of each study by its name."""

    @asset(
        "tests",
        space=Space.WHOLE,
        reads={
            "methods": everything(HYPOTHESES),
            **{name: everything(f"{name}/hypotheses") for name in studies},
        },
        watches=checkpoints_of(catalog),
        table="tests",
        facts=_counted,
        kinds=["parquet"],
        tags=[STUDY],
    )
    def tests(_: Job, **hypotheses: StoredValues) -> pa.Table:
        """One row: one hypothesis of one study, adjusted inside its family and over all rows of the table."""
        from scfm_assets.core.statistics import tests_of, tests_table

        of_all = [rows[place] for rows in hypotheses.values() for place in rows]
        return tests_table([test for rows in of_all for test in tests_of(rows)])

    return tests


def _counted(_: Job, rows: pa.Table) -> Facts:
    verdict_words: list[str] = rows["verdict"].to_pylist()
    counts = {word.replace(" ", "_"): verdict_words.count(word) for word in verdict_words}
    return Facts({"rows": rows.num_rows, **counts})
