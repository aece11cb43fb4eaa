"""The studies of a catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.defs.studies import reference_saturation, study, synthetic_truth

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.defs.studies.study import Study
    from scfm_assets.engine.declare import Node

DECLARED = (reference_saturation.study, synthetic_truth.study)
"""What gives the study of a catalog, None where the catalog does without it; in the report's order."""


def studies(catalog: Catalog) -> dict[str, Study]:
    """Give the studies of a catalog by name."""
    found = (declared(catalog) for declared in DECLARED)
    return {study.name: study for study in found if study is not None}


def nodes(catalog: Catalog) -> list[Node]:
    """Declare all assets of all studies, and the table of everybody's tests."""
    known = studies(catalog)
    return [*(node for own in known.values() for node in study.nodes(own)), study.tests_node(catalog, known)]
