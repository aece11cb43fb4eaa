"""The platform, merged once: every asset of the chosen catalog, its sources, checks and resources."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

# Observable sources, multi-dimensional mappings and partitioned checks are what this platform stands on, and still
# called beta or preview.
for warning in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=warning)

from scfm_assets import catalog as catalogs  # noqa: E402
from scfm_assets import home as homes  # noqa: E402
from scfm_assets.defs import (  # noqa: E402
    atlas,
    baselines,
    comparison,
    evaluation,
    models,
    networks,
    reliability,
    report,
    scaling,
    selection,
    universes,
    verdicts,
)
from scfm_assets.defs.automation import automated  # noqa: E402
from scfm_assets.defs.bind import dagster_asset, dagster_source  # noqa: E402
from scfm_assets.defs.studies import studies  # noqa: E402
from scfm_assets.engine.platform import Platform  # noqa: E402
from scfm_assets.partitions import Grid  # noqa: E402
from scfm_assets.resources import kubernetes  # noqa: E402
from scfm_assets.resources.compute import Compute  # noqa: E402
from scfm_assets.resources.store import StoreFolder  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from scfm_assets.catalog import Catalog


def platform(catalog: Catalog) -> Platform:
    """Declare every asset of a catalog."""
    nodes = [
        *atlas.nodes(catalog),
        *networks.nodes(catalog),
        *(node for model in catalog.models for node in models.nodes(catalog, model)),
        *(node for model in catalog.models for node in comparison.nodes(catalog, model)),
        *baselines.nodes(catalog),
        *universes.nodes(catalog),
        *evaluation.nodes(catalog),
        *verdicts.nodes(catalog),
        *(node for model in catalog.models for node in selection.nodes(catalog, model)),
        *reliability.nodes(catalog),
        *scaling.nodes(catalog),
        *studies.nodes(catalog),
        *report.nodes(catalog),
    ]
    sources = [
        atlas.raw(catalog),
        *(networks.network_source(catalog, name) for name in catalog.networks),
        *(models.checkpoint(catalog, model) for model in catalog.models),
    ]
    return Platform(
        catalog=catalog,
        grid=Grid(tuple(catalog.atlases), tuple(catalog.experiment.n_cells)),
        sources={source.asset: source for source in sources},
        nodes={node.asset: node for node in nodes},
        compute=Compute.from_environment(),
    )


def build(catalog: Catalog, home: Path) -> dg.Definitions:
    """Turn a catalog into Dagster definitions that write below `home`."""
    declared = platform(catalog)
    assets = [dagster_asset(declared, node) for node in declared.nodes.values()]
    definitions = dg.Definitions(
        assets=[*assets, *(dagster_source(declared, source) for source in declared.sources.values())],
        resources={"store": StoreFolder(home=str(home)), "compute": declared.compute},
        executor=kubernetes.executor(),
    )
    return dg.Definitions.merge(definitions, automated(declared, home))


DROPPED = "scfm/dropped_models"


def location() -> dg.Definitions:
    """Give the definitions of the current catalog.

    A run takes the models of the watched folder that were there when Dagster loaded this location, though others may
    have come since: what it is to do was planned without them.
    """
    context = DefinitionsLoadContext.get()
    planned = None
    if context.load_type is DefinitionsLoadType.RECONSTRUCTION and DROPPED in context.reconstruction_metadata:
        planned = json.loads(context.reconstruction_metadata[DROPPED])
    catalog = catalogs.current(dropped=planned)
    for folder, reason in catalog.left_out.items():
        logging.getLogger("dagster").warning("no model of the platform: %s: %s", catalog.watched / folder, reason)
    return build(catalog, homes.home()).with_reconstruction_metadata({DROPPED: json.dumps(catalog.dropped)})


defs = location()
