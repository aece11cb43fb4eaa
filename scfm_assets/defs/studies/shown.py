"""What the report tells of the studies that have a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.defs.scaling import all_of
from scfm_assets.defs.studies.studies import studies
from scfm_assets.engine.declare import Reads, everything

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.platform import Later
    from scfm_assets.report.studies import StudyShown

TESTS = "tests"


def reads(catalog: Catalog) -> dict[str, Reads]:
    """Give the inputs that `shown` takes: the tables of all studies by name, their verdicts, and all tests."""
    wanted = {TESTS: everything("tests")}
    for study in studies(catalog).values():
        wanted |= {study.name: everything(study.ends[1])}
        wanted |= {table: everything(asset) for table, asset in study.tables.items()}
    return wanted


def shown(catalog: Catalog, inputs: Mapping[str, Later]) -> list[StudyShown]:
    """Gather the studies that have a verdict."""
    import pyarrow.compute as pc

    from scfm_assets.report.studies import StudyShown

    found, tests = [], all_of(TESTS, inputs[TESTS])
    for study in studies(catalog).values():
        for row in all_of("verdicts", inputs[study.name]).to_pylist():
            tables = {table: all_of(table, inputs[table]) for table in study.tables}
            own = tests.filter(pc.field("study") == study.name)
            told = {name: row[name] for name in ("question", "answer", "sentence", "holds")}
            found.append(StudyShown(study.name, study.title, **told, figures=study.figures(tables), tests=own))
    return found
