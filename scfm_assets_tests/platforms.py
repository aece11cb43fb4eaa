"""Small real platforms for the tests: a catalog in a temporary folder, run by `scfm run`'s own function."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import yaml
from anndata import AnnData

from scfm_assets import catalog as catalogs
from scfm_assets.defs import assemble
from scfm_assets.engine import runner
from scfm_assets.engine.platform import Platform
from scfm_assets.engine.runner import Outcome
from scfm_assets.resources.store import Store

TINY: dict[str, Any] = {
    "name": "tiny",
    "simulation": {"n_genes": 120, "n_tfs": 8, "n_cells": 110, "n_targets": 8.0, "seed": 3},
    "atlases": {"sim_one": {"simulated": True}, "sim_two": {"simulated": True}},
    "networks": {"truth": {"simulated": True}},
    "models": {
        "planted": {"control": "planted", "layer": 3, "hidden_states": True},
        "random": {"control": "random", "layer": 3},
    },
    "experiment": {
        "n_cells": [10, 20, 30, 40],
        "repeats": 2,
        "panel": 50,
        "universes": ["tf_grid", "observed"],
        "directions": ["tf_queries"],
        "intervals": {"kinds": ["network", "tfs", "targets", "cells", "donors", "pairs"], "resamples": 20},
    },
}

SMALLEST: dict[str, Any] = {
    **TINY,
    "models": {"planted": {"control": "planted", "layer": 3}},
    "experiment": {
        **TINY["experiment"],
        "n_cells": [10],
        "repeats": 1,
        "universes": ["tf_grid"],
        "intervals": {"kinds": ["network"], "resamples": 20},
    },
}
"""All assets, two tissues, the least of everything else: for runs that show where things go, not what comes out."""


@dataclass
class Home:
    """A folder with a catalog, a store and Dagster's records."""

    folder: Path
    instance: dg.DagsterInstance

    def write(self, catalog: dict[str, Any]) -> None:
        (self.folder / "catalog.yaml").write_text(yaml.safe_dump(catalog, sort_keys=False))

    @property
    def catalog(self) -> catalogs.Catalog:
        return catalogs.load(self.folder / "catalog.yaml")

    @property
    def platform(self) -> Platform:
        return assemble.platform(self.catalog)

    @property
    def definitions(self) -> dg.Definitions:
        return assemble.build(self.platform, self.folder)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    def run(self, **options: Any) -> Outcome:
        return runner.run(self.catalog, assemble.assemble, home=self.folder, instance=self.instance, **options)


@contextmanager
def open_home(folder: Path, catalog: dict[str, Any] | None = None) -> Iterator[Home]:
    records = runner.dagster_home(folder)
    if not (records / "storage").exists():
        shutil.copytree(_empty_records(), records, dirs_exist_ok=True)
    with dg.DagsterInstance.local_temp(str(records)) as instance:
        home = Home(folder, instance)
        if catalog is not None:
            home.write(catalog)
        yield home


@cache
def _empty_records() -> Path:
    """Dagster's records of nothing, to be copied: to lay them out takes it a second."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    with dg.DagsterInstance.local_temp(str(folder)):
        return folder


def atlas_file(path: Path, *, cells: int = 90, genes: int = 60, seed: int = 0) -> Path:
    """Write an atlas of random counts with two cell types and two donors."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(1, 1, genes), (cells, genes)).astype(np.int32)
    counts[:, 0] += 1
    counts[0] += 1
    labels = {"cell_type": rng.choice(["T", "B"], cells), "donor": rng.choice(["d1", "d2"], cells)}
    obs = pd.DataFrame(labels, index=[f"cell{i}" for i in range(cells)])
    AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"SIM{i:04d}" for i in range(1, genes + 1)])).write_h5ad(path)
    return path
