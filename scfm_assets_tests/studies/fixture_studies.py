"""Studies that tests make up: in a package of their own, put into a platform without Dagster."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scfm_assets.cli.new_study import write_study
from scfm_assets.defs.studies import assets as study_assets
from scfm_assets.engine.declare import Job
from scfm_assets.engine.make import materialize
from scfm_assets.engine.platform import Platform
from scfm_assets.resources.store import Store
from scfm_assets.studies import _load
from scfm_assets.studies.study import Study
from scfm_assets.tables.platform import TABLES


def scaffolded(folder: Path, name: str = "made_up") -> Path:
    """The folder of a new study in a package of its own."""
    package = folder / "other_package"
    package.mkdir()
    (package / "__init__.py").touch()
    write_study(name, package)
    return package / name


@contextmanager
def loaded(study_folder: Path) -> Iterator[Study]:
    """The study in a folder as it is written now; its tables are declared as long as this lasts."""
    root, package = study_folder.parents[1], f"other_package.{study_folder.name}"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        patch.setattr(sys, "dont_write_bytecode", True)
        for module in [name for name in sys.modules if name.split(".")[0] == "other_package"]:
            patch.delitem(sys.modules, module)
        importlib.invalidate_caches()
        study = _load(package)
        for table in study.tables.values():
            patch.setitem(TABLES, table.name, table)
        patch.setattr(study_assets, "studies", lambda _: {study.name: study})
        patch.setattr(study_assets, "settings_of", lambda _, of: of.settings())
        try:
            yield study
        finally:
            for module in [name for name in sys.modules if name.split(".")[0] == "other_package"]:
                del sys.modules[module]


def with_study(platform: Platform, study: Study) -> Platform:
    """The platform with one study more."""
    nodes = {node.asset: node for node in study_assets._nodes(platform.catalog, study)}
    return Platform(platform.catalog, platform.grid, platform.sources, {**platform.nodes, **nodes}, platform.compute)


def make(platform: Platform, store: Store, asset: str, **options: Any) -> list[Any]:
    """Make all outputs of an asset, and read them."""
    node, values = platform.nodes[asset], []
    for place in platform.grid.places(node.space):
        job = Job(platform.catalog, platform.grid, place, store, platform.compute)
        manifest, _ = materialize(platform, node, job, **options)
        values.append(store.read(manifest, node.format))
    return values


def stale(platform: Platform, store: Store) -> set[str]:
    """Assets with a stored output that would be made anew."""
    return {
        name
        for name, node in platform.nodes.items()
        for place in platform.grid.places(node.space)
        if store.manifest(name, place) is not None and platform.plan(node, place, store).kept is None
    }
