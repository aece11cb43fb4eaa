"""Every study as assets: a table per step, its hypotheses, its verdict and its page."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.defs import verdicts
from scfm_assets.defs.formats import HTML
from scfm_assets.defs.inputs import all_of
from scfm_assets.defs.studies.inputs import DELIVERIES, Where, checkpoint_of
from scfm_assets.engine.declare import STUDY, Check, Facts, Job, Node, Reads, asset, everything, same
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Space
from scfm_assets.studies import Study, discover, inputs
from scfm_assets.studies.freshness import code_of_page, code_of_tables
from scfm_assets.studies.inputs import OF_MODELS, Input
from scfm_assets.studies.kept import Kept
from scfm_assets.tables.columns import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.studies.settings import StudySettings
    from scfm_assets.studies.study import Step

SPACES = {"whole": Space.WHOLE, "tissue": Space.TISSUE, "slice": Space.SLICE}
SPACES |= {"model": Space.WHOLE, "model slice": Space.SLICE}


def studies(catalog: Catalog) -> dict[str, Study]:
    """The studies of a catalog by name: all that there are, but those that it sets to null."""
    return {name: study for name, study in discover().items() if settings_of(catalog, study) is not None}


def settings_of(catalog: Catalog, study: Study) -> StudySettings | None:
    """What the catalog sets of a study, with all defaults; None where it does without the study."""
    return getattr(catalog.studies, study.name)


def nodes(catalog: Catalog) -> list[Node]:
    """Declare all assets of all studies, and the table of everybody's tests."""
    known = studies(catalog)
    return [*(node for study in known.values() for node in _nodes(catalog, study)), verdicts.tests_node(catalog, known)]


def asset_of(study: Study, step: Step, model: str | None) -> str:
    """Name the asset of a step: ``<study>/<table>``, and of a model ``<study>/<table>/<model>``."""
    return "/".join(part for part in (study.name, step.table.name, model) if part)


def page_of(study: Study) -> str:
    """Name the asset that is a study's part of the report."""
    return f"{study.name}/page"


def _nodes(catalog: Catalog, study: Study) -> list[Node]:
    steps = [_step_node(catalog, study, step, model) for step in study.steps for model in _models_of(catalog, step)]
    return [*steps, _hypotheses(catalog, study), _verdict(catalog, study, steps), _page(catalog, study)]


def _asset_of_study(name: str, **declared: Any) -> Callable[[Callable[..., Any]], Node]:
    """Declare an asset that is made on request, and once for all unless it says otherwise."""
    return asset(name, **{"space": Space.WHOLE, "tags": [STUDY], "kinds": ["parquet"], "on_request": True, **declared})


def _models_of(catalog: Catalog, step: Step) -> list[str | None]:
    """The models that a step is made for; those with hidden states only where it reads embeddings."""
    if step.per not in OF_MODELS:
        return [None]
    hidden = inputs.EMBEDDINGS in step.reads
    return [name for name, entry in catalog.models.items() if entry.hidden_states or not hidden]


def _code_of_page(study: Study) -> str:
    from scfm_assets.report import studies as drawn_by

    return code_of_page(study, Path(drawn_by.__file__))


def _reads_table(catalog: Catalog, study: Study, step: Step, into: Space) -> dict[str, Reads]:
    """How a step's table is read from a place of some space; of one per model, the tables of all models."""
    space = SPACES[step.per]
    fits = space is into or space is Space.WHOLE or (space is Space.TISSUE and into is Space.SLICE)
    read = same if fits else everything
    models = _models_of(catalog, step)
    return {"/".join((step.table.name, model or "")): read(asset_of(study, step, model)) for model in models}


def _table(study: Study, step: Step, loaded: Mapping[str, Any]) -> pa.Table:
    """Put the rows of a step's table under each other, whichever places and models they are of."""
    import pyarrow as pa

    from scfm_assets.tables.schema import arrow_schema

    name = study.tables[step.table.name].name
    pieces = [rows for parameter, rows in loaded.items() if parameter.rpartition("/")[0] == step.table.name]
    tables = [rows if isinstance(rows, pa.Table) else all_of(name, rows) for rows in pieces]
    return tables[0] if len(tables) == 1 else pa.concat_tables([arrow_schema(name).empty_table(), *tables])


def _step_node(catalog: Catalog, study: Study, step: Step, model: str | None) -> Node:
    where = Where(catalog, SPACES[step.per], model)
    deliveries = [DELIVERIES[read] for read in step.reads if isinstance(read, Input)]
    reads: dict[str, Reads] = {}
    for read in step.reads:
        if isinstance(read, Table):
            reads |= _reads_table(catalog, study, study.step_of(read), where.space)
        else:
            reads |= DELIVERIES[read].reads(where)
    watches = dict.fromkeys(name for delivery in deliveries for name in delivery.watches(where))

    @_asset_of_study(
        asset_of(study, step, model),
        space=where.space,
        reads=reads,
        watches=[*watches, *([] if model is None or watches else checkpoint_of(where))],
        code=partial(code_of_tables, study),
        config=lambda catalog, _: [
            settings.model_dump(mode="json") if (settings := settings_of(catalog, study)) else None,
            *(delivery.config(replace(where, catalog=catalog)) for delivery in deliveries),
        ],
        table=study.tables[step.table.name].name,
        simulated=(lambda _, __: True) if study.is_simulated(step) else None,
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        computes=step.computes or inputs.COMPUTE in step.reads,
        pool=step.pool,
    )
    def made(job: Job, **loaded: Any) -> pa.Table:
        function = study.resolve(step.function)
        arguments = [
            _table(study, study.step_of(read), loaded)
            if isinstance(read, Table)
            else DELIVERIES[read].give(job, where, loaded)
            for read in step.reads
        ]
        rows = function(settings_of(job.catalog, study), *arguments, **_offered(job, step, function))
        return rows if model is None else _with_model(job, rows, model)

    made.body.__doc__ = step.table.doc
    return made


def _offered(job: Job, step: Step, function: Callable[..., Any]) -> dict[str, Any]:
    """What a function may take by name: progress, and what a killed run has left."""
    offered: dict[str, Any] = {"progress": partial(job.progress, unit=step.unit)}
    if step.resumable and job.halfway is not None:
        offered["kept"] = Kept(job.halfway.parts)
    return {name: value for name, value in offered.items() if name in signature(function).parameters}


def _with_model(job: Job, rows: pa.Table, model: str) -> pa.Table:
    """Say in every row which model and checkpoint it is of."""
    digest = checkpoints.checkpoint_digest(job.catalog, model)
    job.say(checkpoint=digest)
    for name, value in (("model", model), ("checkpoint", digest)):
        if name not in rows.column_names:
            rows = rows.append_column(name, [[value] * rows.num_rows])
    return rows


def _reads_tables(catalog: Catalog, study: Study) -> dict[str, Reads]:
    reads = [_reads_table(catalog, study, step, Space.WHOLE) for step in study.steps]
    return {parameter: read for of_step in reads for parameter, read in of_step.items()}


def _tables(study: Study, loaded: Mapping[str, Any]) -> dict[str, pa.Table]:
    return {step.table.name: _table(study, step, loaded) for step in study.steps}


def _hypotheses(catalog: Catalog, study: Study) -> Node:
    @_asset_of_study(
        f"{study.name}/hypotheses",
        reads=_reads_tables(catalog, study),
        code=partial(code_of_tables, study),
        table="hypotheses",
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
    )
    def hypotheses(_: Job, **loaded: Any) -> pa.Table:
        """One row: one hypothesis of the study and what the data say of it, before any adjustment."""
        from scfm_assets.core.statistics import hypotheses_table

        return hypotheses_table(study.resolve(study.tests)(_tables(study, loaded)))

    return hypotheses


def _adjusted(hypotheses: pa.Table) -> pa.Table:
    """Judge a study's tests as `tests` does: families are of one study, so these q_family and verdicts are the same."""
    from scfm_assets.core.statistics import tests_of, tests_table

    return tests_table(tests_of(hypotheses)).drop_columns("q_global")


def _verdict(catalog: Catalog, study: Study, steps: Sequence[Node]) -> Node:
    def answered(_: Job, rows: pa.Table) -> tuple[bool, str]:
        (row,) = rows.to_pylist()
        return row["holds"] is not False, f"{row['answer']}: {row['sentence']}"

    def answer(_: Job, rows: pa.Table) -> Facts:
        (row,) = rows.to_pylist()
        return Facts({"rows": 1, "answer": row["answer"], "sentence": row["sentence"]})

    @_asset_of_study(
        f"{study.name}/verdict",
        reads={**_reads_tables(catalog, study), "hypotheses": same(f"{study.name}/hypotheses")},
        code=partial(code_of_tables, study),
        config=lambda _, __: study.question,
        table="verdicts",
        simulated=lambda catalog, place: any(node.simulated(catalog, place) for node in steps),
        facts=answer,
        checks=[Check("verdict_holds", study.question, answered, blocking=False)],
    )
    def verdict(_: Job, hypotheses: pa.Table, **loaded: Any) -> pa.Table:
        """One row: what the study asks, and what its numbers answer by the thresholds that it states."""
        import pyarrow as pa

        result = study.resolve(study.verdict)(_tables(study, loaded), _adjusted(hypotheses))
        return pa.Table.from_pylist([{"study": study.name, "question": study.question, **asdict(result)}])

    return verdict


def _page(catalog: Catalog, study: Study) -> Node:
    def thumbnails(job: Job, _: str) -> Facts:
        from scfm_assets.figures.files import thumbnail_markdown

        drawn = job.inputs["figures"]
        return Facts({"figures": len(drawn)}, {name: thumbnail_markdown(figure) for name, figure in drawn.items()})

    @_asset_of_study(
        page_of(study),
        reads={
            **_reads_tables(catalog, study),
            **{name: same(f"{study.name}/{name}") for name in ("hypotheses", "verdict")},
        },
        code=partial(_code_of_page, study),
        config=lambda _, __: [study.title, study.question],
        format=HTML,
        facts=thumbnails,
        kinds=["html"],
    )
    def page(job: Job, hypotheses: pa.Table, verdict: pa.Table, **loaded: Any) -> str:
        """The study's part of the report: its question and answer, its figures, its tests."""
        from scfm_assets.report.studies import study_page

        (answer,) = verdict.to_pylist()
        # Drawn once: the thumbnails of the UI are these, too.
        job.inputs["figures"] = figures = study.resolve(study.figures)(_tables(study, loaded))
        return study_page(study.name, study.title, answer, figures, _adjusted(hypotheses))

    return page
