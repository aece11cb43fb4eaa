"""What all studies have in common: the assets that end a study, and where its tests and its verdict go.

A study is a module of `core/studies` that computes, a module beside this one that declares, and one `Study` record. Its
measured tables are ``<study>_*`` in SQL; this module adds ``<study>/hypotheses`` and ``<study>/verdict``, and the asset
`tests`, which adjusts the hypotheses of everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from scfm_assets.defs.scaling import all_of, checkpoints_of
from scfm_assets.defs.verdicts import HYPOTHESES
from scfm_assets.engine.declare import STUDY, Check, Facts, Job, Node, Reads, asset, everything, same
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.statistics import Test
    from scfm_assets.engine.platform import Later
    from scfm_assets.studies.study_verdict import StudyVerdict


@dataclass(frozen=True)
class Study:
    """One study of a catalog.

    Attributes
    ----------
    name
        First part of its assets' keys, and of its tables' names.
    title, question
        What people read.
    measured
        Its own assets, each with a table; of one per tissue the rows of all tissues are taken together.
    hypotheses
        Tables by name -> tests, in families that the study declares.
    verdict
        Tables by name -> the answer.
    figures
        Tables by name -> figures by name, the most important one first.
    """

    name: str
    title: str
    question: str
    measured: tuple[Node, ...]
    hypotheses: Callable[[Mapping[str, pa.Table]], list[Test]]
    verdict: Callable[[Mapping[str, pa.Table]], StudyVerdict]
    figures: Callable[[Mapping[str, pa.Table]], Mapping[str, Figure]]

    @property
    def tables(self) -> dict[str, str]:
        """Its tables, and the asset that each is."""
        return {str(node.table): node.asset for node in self.measured}

    @property
    def ends(self) -> tuple[str, str]:
        """The assets that end it: hypotheses and verdict."""
        return f"{self.name}/hypotheses", f"{self.name}/verdict"


def measured(
    name: str,
    *,
    space: Space = Space.WHOLE,
    reads: Mapping[str, Reads] | None = None,
    config: Callable[[Catalog, Place], Any] = lambda _catalog, _place: None,
    simulated: Callable[[Catalog, Place], bool] | None = lambda _catalog, _place: True,
) -> Callable[[Callable[..., pa.Table]], Node]:
    """Declare a table that a study measures: ``<study>/<what>``, in SQL ``<study>_<what>``, made on request.

    Other parameters are those of `asset`; what a study measures is simulated unless it says otherwise.
    """
    return asset(
        name,
        space=space,
        reads=reads,
        config=config,
        table=name.replace("/", "_"),
        simulated=simulated,
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        kinds=["parquet"],
        tags=[STUDY],
        on_request=True,
    )


def nodes(study: Study) -> list[Node]:
    """Declare all assets of a study."""
    to_tests, to_verdict = study.ends
    of_tables = {
        str(node.table): same(node.asset) if node.space is Space.WHOLE else everything(node.asset)
        for node in study.measured
    }

    @asset(
        to_tests,
        space=Space.WHOLE,
        reads=of_tables,
        table="hypotheses",
        facts=lambda _, rows: Facts({"rows": rows.num_rows}),
        kinds=["parquet"],
        tags=[STUDY],
        on_request=True,
    )
    def hypotheses(_: Job, **tables: pa.Table | Later) -> pa.Table:
        """One row: one hypothesis of the study and what the data say of it, before any adjustment."""
        from scfm_assets.core.statistics import hypotheses_table

        return hypotheses_table(study.hypotheses(whole(tables)))

    def answered(_: Job, rows: pa.Table) -> tuple[bool, str]:
        (row,) = rows.to_pylist()
        return row["holds"] is not False, f"{row['answer']}: {row['sentence']}"

    @asset(
        to_verdict,
        space=Space.WHOLE,
        reads=of_tables,
        table="verdicts",
        simulated=lambda catalog, place: any(node.simulated(catalog, place) for node in study.measured),
        facts=lambda job, rows: _facts(study, job, rows),
        checks=[Check("verdict_holds", study.question, answered, blocking=False)],
        kinds=["parquet"],
        tags=[STUDY],
        on_request=True,
    )
    def verdict(_: Job, **tables: pa.Table | Later) -> pa.Table:
        """One row: what the study asks, and what its numbers answer by the thresholds that it states."""
        from dataclasses import asdict

        return pa.Table.from_pylist(
            [{"study": study.name, "question": study.question, **asdict(study.verdict(whole(tables)))}]
        )

    return [*study.measured, hypotheses, verdict]


def whole(tables: Mapping[str, pa.Table | Later]) -> dict[str, pa.Table]:
    """Put the rows of tables that several places hold under each other."""
    return {name: rows if isinstance(rows, pa.Table) else all_of(name, rows) for name, rows in tables.items()}


def _facts(study: Study, job: Job, rows: pa.Table) -> Facts:
    from scfm_assets.figures import files as plot_files

    (row,) = rows.to_pylist()
    figures = study.figures(whole({name: job.inputs[name] for name in study.tables}))
    shown = {name: plot_files.thumbnail_markdown(figure) for name, figure in figures.items()}
    return Facts({"rows": 1, "answer": row["answer"], "sentence": row["sentence"]}, shown)


def tests_node(catalog: Catalog, studies: Mapping[str, Study]) -> Node:
    """Declare the table of all tests."""

    @asset(
        "tests",
        space=Space.WHOLE,
        reads={
            "methods": everything(HYPOTHESES),
            **{name: everything(study.ends[0]) for name, study in studies.items()},
        },
        watches=checkpoints_of(catalog),
        table="tests",
        facts=_counted,
        kinds=["parquet"],
        tags=[STUDY],
    )
    def tests(_: Job, **told: Later) -> pa.Table:
        """One row: one hypothesis of one study, adjusted inside its family and over all rows of the table."""
        from scfm_assets.core.statistics import tests_of, tests_table

        of_all = [rows[place] for rows in told.values() for place in rows]
        return tests_table([test for rows in of_all for test in tests_of(rows)])

    return tests


def _counted(_: Job, rows: pa.Table) -> Facts:
    verdicts: list[Any] = rows["verdict"].to_pylist()
    return Facts(
        {"rows": rows.num_rows, **{verdict.replace(" ", "_"): verdicts.count(verdict) for verdict in verdicts}}
    )
