"""Everything that a user declares, checked whole.

Loading looks at the file alone: whether the atlases and checkpoints that it names exist is asked when they are used,
so that a laptop without the data can still load, draw and plan a catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from scfm_assets.catalog.entries import Atlas, Network, Simulation
from scfm_assets.catalog.experiment import Experiment
from scfm_assets.catalog.model import Model
from scfm_assets.catalog.studies import Studies, check_studies
from scfm_assets.catalog.yaml_blocks import FilePath, Name
from scfm_assets.home import home
from scfm_assets.studies.settings import Block, refuse


class Catalog(Block):
    """Everything one experiment is made of."""

    name: Name
    title: str = ""
    atlases: dict[Name, Atlas]
    models: dict[Name, Model] = Field(default_factory=dict)
    checkpoints: FilePath | None = None
    networks: dict[Name, Network] = Field(default_factory=dict)
    simulation: Simulation | None = None
    experiment: Experiment
    studies: Studies = Studies()

    _path: Path = PrivateAttr(default=Path())
    _digest: str = PrivateAttr(default="")
    _dropped: tuple[str, ...] = PrivateAttr(default=())
    _left_out: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def watched(self) -> Path:
        """The folder in which a folder with a ``model.yaml`` is a model."""
        return self.checkpoints or home() / "checkpoints"

    @property
    def dropped(self) -> tuple[str, ...]:
        """Models that the file does not name: they lie in the watched folder."""
        return self._dropped

    @property
    def left_out(self) -> Mapping[str, str]:
        """Folders in the watched folder that are no models, and why."""
        return self._left_out

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def digest(self) -> str:
        """Digest of what is declared, whatever the comments, the order of keys and the place of the data."""
        return self._digest

    @property
    def simulated_tissues(self) -> tuple[str, ...]:
        """Tissues of the simulated world, in the catalog's order."""
        return tuple(tissue for tissue, atlas in self.atlases.items() if atlas.simulated)

    @model_validator(mode="after")
    def _consistent(self) -> Catalog:
        if not self.atlases:
            refuse("at least one atlas is wanted", at=("atlases",))
        for block in ("atlases", "models", "networks"):
            _distinct_folders(block, getattr(self, block))
        if "baselines" in self.models:
            problem = "'baselines' stands for the baselines in every table"
            refuse(problem, "Give the model another name.", at=("models", "baselines"))
        self._check_simulation()
        check_studies(self.studies, self.atlases)
        return self

    def _check_simulation(self) -> None:
        users = [("atlases", tissue) for tissue in self.simulated_tissues]
        users += [("networks", name) for name, network in self.networks.items() if network.simulated]
        users += [("models", name) for name, model in self.models.items() if model.control and model.config is None]
        if users and self.simulation is None:
            remedy = "Add a block `simulation:` (scfm_assets/catalogs/demo.yaml shows one)."
            refuse("needs the simulated world, which the catalog does not declare", remedy, at=users[0])
        if users and not self.simulated_tissues:
            remedy = "Add an atlas with `simulated: true`."
            refuse("needs the simulated world, which has no tissue", remedy, at=users[0])
        most = self.experiment.n_cells[-1]
        if users and self.simulation is not None and self.simulation.n_cells < most:
            problem = f"{self.simulation.n_cells} cells are fewer than the largest cell count {most}"
            refuse(problem, f"Simulate at least {most}.", at=("simulation", "n_cells"))


def _distinct_folders(block: str, names: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if (twin := seen.setdefault(name.casefold(), name)) != name:
            problem = f"{name!r} and {twin!r} would share a folder where file names ignore case"
            refuse(problem, "Rename one.", at=(block, name))
