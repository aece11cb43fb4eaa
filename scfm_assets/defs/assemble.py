"""The platform, merged once: every asset of a catalog, its sources, checks and resources."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

import dagster as dg

from scfm_assets import catalog as catalogs
from scfm_assets import home as homes
from scfm_assets.defs import (
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
    studies,
    universes,
    verdicts,
)
from scfm_assets.defs.automation import automated
from scfm_assets.defs.bind import dagster_asset, dagster_source
from scfm_assets.engine.dagster_internals import planned_with, reuse_engines
from scfm_assets.engine.platform import Platform
from scfm_assets.partitions import Grid
from scfm_assets.resources import kubernetes
from scfm_assets.resources.compute import Compute
from scfm_assets.resources.store import StoreFolder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scfm_assets.catalog import Catalog

DROPPED = "scfm/dropped_models"


def platform(catalog: Catalog, variables: Mapping[str, str] | None = None) -> Platform:
    """Declare every asset of a catalog; `variables` say where forward passes run, by default those of the process."""
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
        compute=Compute.from_environment(os.environ if variables is None else variables),
    )


def build(platform: Platform, home: Path) -> dg.Definitions:
    """Turn a platform into Dagster definitions that write below `home`."""
    reuse_engines()
    assets = [dagster_asset(platform, node) for node in platform.nodes.values()]
    definitions = dg.Definitions(
        assets=[*assets, *(dagster_source(platform, source) for source in platform.sources.values())],
        resources={"store": StoreFolder(home=str(home)), "compute": platform.compute},
        executor=kubernetes.executor(),
    )
    return dg.Definitions.merge(definitions, automated(platform, home))


def assemble(
    catalog: Catalog, home: Path, variables: Mapping[str, str] | None = None
) -> tuple[Platform, dg.Definitions]:
    """Declare every asset of a catalog, for us and for Dagster; see `platform`."""
    declared = platform(catalog, variables)
    return declared, build(declared, home)


def location() -> dg.Definitions:
    """Definitions of the current catalog.

    A run takes the models of the watched folder that were there when Dagster loaded this location, though others may
    have come since: what it is to do was planned without them.
    """
    planned = planned_with(DROPPED)
    catalog = catalogs.current(dropped=None if planned is None else json.loads(planned))
    for folder, reason in catalog.left_out.items():
        logging.getLogger("dagster").warning("no model of the platform: %s: %s", catalog.watched / folder, reason)
    _, definitions = assemble(catalog, homes.home())
    return definitions.with_reconstruction_metadata({DROPPED: json.dumps(catalog.dropped)})
