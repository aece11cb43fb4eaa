"""What a user declares: atlases, models, networks and the experiment, read from a YAML file and checked whole.

Loading looks at the file alone: whether the atlases and checkpoints that it names exist is asked when they are used,
so that a laptop without the data can still load, draw and plan a catalog.
"""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr, field_validator, model_validator

from scfm_assets.catalog.checkpoint_folders import dropped_models
from scfm_assets.catalog.model import Model
from scfm_assets.catalog.studies import Studies, check_studies
from scfm_assets.catalog.yaml_blocks import (
    Block,
    Count,
    CountsPlace,
    Distinct,
    FilePath,
    Flag,
    Name,
    Sha256,
    Share,
    Text,
    Url,
    Whole,
    read,
    refuse,
)
from scfm_assets.core.base import digest_json
from scfm_assets.errors import ScfmError
from scfm_assets.home import PACKAGE, home

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SHIPPED = PACKAGE / "catalogs"
"""Catalogs that come with the package."""

Direction = Literal["tf_queries", "tf_keys"]
Universe = Literal["all_pairs", "tf_grid", "observed", "expression_matched", "degree_matched"]
Method = Literal["pearson", "spearman", "partial_correlation", "mutual_information", "grnboost"]
"""What scores edges from counts; nulls need not be asked for."""
IntervalKind = Literal["pairs", "tfs", "cells"]


def _check_sha(record: Atlas | Network) -> None:
    if (record.url is None) != (record.sha256 is None):
        refuse(
            "url and sha256 belong together: what is fetched must be known beforehand",
            "Write both, or name a file instead. `sha256: first` trusts what is met first, and nothing else later.",
        )


class Atlas(Block):
    """Raw counts of one tissue: where they are and which parts of the file hold what."""

    file: FilePath | None = None
    url: Url | None = None
    sha256: Sha256 | None = None
    simulated: Flag = False
    scanpy: Literal["pbmc68k_reduced"] | None = None
    counts: CountsPlace = "auto"
    cell_type: Text | None = "cell_type"
    donor: Text | None = None
    batch: Text | None = None
    assay: Text | None = None
    gene_id: Text | None = None
    symbol: Text | None = None
    organism: Name = "human"
    gene_table: FilePath | None = None
    symbol_case: Literal["given", "organism"] = "given"
    duplicates: Literal["refuse", "sum"] = "refuse"
    drop_empty: Flag = False
    drop_unlabelled: Flag = False
    where: dict[Text, Distinct[Text]] = Field(default_factory=dict)
    min_genes: Whole = 0
    min_cells: Whole = 0
    recover: Literal["log1p_cp10k"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _simulated_organism(cls, data: Any) -> Any:
        return _organism_of_simulated(data)

    @field_validator("where", mode="before")
    @classmethod
    def _values_as_text(cls, value: Any) -> Any:
        """Take one wanted value for a list of one; `true` and `3` stand for what obs shows as True and 3."""
        if not isinstance(value, dict):
            return value
        lists = {column: wanted if isinstance(wanted, list) else [wanted] for column, wanted in value.items()}
        return {
            column: [str(each) if isinstance(each, (bool, int)) else each for each in listed]
            for column, listed in lists.items()
        }

    @model_validator(mode="after")
    def _one_source(self) -> Atlas:
        self.exactly_one("file", "url", "simulated", "scanpy")
        _check_sha(self)
        if self.drop_unlabelled and self.cell_type is None:
            refuse("no column of labels is declared, so that every cell would be left out", at=("drop_unlabelled",))
        return self

    @property
    def source(self) -> str:
        """One of file, url, simulated, scanpy."""
        return self.exactly_one("file", "url", "simulated", "scanpy")


class Simulation(Block):
    """The simulated world of all simulated tissues: `core.simulate.WorldSpec`, and how many cells each tissue has."""

    n_genes: Count = 400
    n_tfs: Count = 30
    n_cells: Count = 1000
    n_cell_types: Annotated[tuple[Count, ...], Field(min_length=1)] = (5, 4, 6)
    shared: Share = 0.7
    n_targets: Annotated[float, Field(ge=1)] = 20.0
    targets_cv: Annotated[float, Field(ge=0)] = 0.3
    repressed: Share = 0.3
    seed: Whole = 0

    def world(self) -> dict[str, Any]:
        """Give the fields of `WorldSpec` but for its tissues, which are the catalog's simulated ones."""
        return self.model_dump(exclude={"n_cells"})


class Network(Block):
    """A reference network: the edges that are held to be true."""

    file: FilePath | None = None
    url: Url | None = None
    sha256: Sha256 | None = None
    simulated: Flag = False
    format: Literal["trrust", "dorothea", "collectri", "omnipath", "beeline", "decoupler", "table"] = "table"
    columns: dict[Literal["tf", "target", "sign", "confidence", "tissue"], Text] = Field(default_factory=dict)
    organism: Name = "human"
    ids: Literal["symbol", "ensembl"] = "symbol"
    confidence: Distinct[Text] | None = None
    where: dict[Text, Distinct[Text]] = Field(default_factory=dict)
    gene_table: FilePath | None = None
    dates: Literal["refuse", "repair", "drop"] = "refuse"
    version: Text | None = None
    licence: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _simulated_organism(cls, data: Any) -> Any:
        return _organism_of_simulated(data)

    @field_validator("where", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Take one wanted value for a list of one."""
        if not isinstance(value, dict):
            return value
        return {column: [wanted] if isinstance(wanted, str) else wanted for column, wanted in value.items()}

    @model_validator(mode="after")
    def _one_source(self) -> Network:
        self.exactly_one("file", "url", "simulated")
        _check_sha(self)
        if self.columns and self.format != "table":
            refuse(
                f"format {self.format} knows its columns", "Name columns with `format: table` only.", at=("columns",)
            )
        return self

    @property
    def source(self) -> str:
        """One of file, url, simulated."""
        return self.exactly_one("file", "url", "simulated")


class Intervals(Block):
    """How the intervals of metrics are made, each kind with rows of its own.

    Pairs are drawn `resamples` times; each TF, and each group of `experiment.cell_groups`, is left out in turn.
    """

    kinds: Distinct[IntervalKind] = get_args(IntervalKind)
    resamples: Annotated[int, Field(strict=True, ge=20)] = 1000
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Experiment(Block):
    """What is measured: the ladder of cell counts, the repeats, the panel and what is reported."""

    n_cells: tuple[Count, ...]
    repeats: Count = 1
    seed: Whole = 0
    panel: Annotated[int, Field(strict=True, ge=2)] = 1000
    directions: Distinct[Direction] = get_args(Direction)
    direction: Direction = "tf_queries"
    methods: Distinct[Method] = ("pearson", "spearman", "partial_correlation", "mutual_information")
    universes: Distinct[Universe] = get_args(Universe)
    intervals: Intervals = Intervals()
    cell_groups: Whole = 10

    @field_validator("n_cells", mode="after")
    @classmethod
    def _rising(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values:
            refuse("at least one cell count is wanted")
        for i, (before, after) in enumerate(pairwise(values), 1):
            if after <= before:
                refuse(
                    f"{after} is repeated" if after in values[:i] else f"{after} follows {before}",
                    "Cell counts rise, each said once.",
                    at=(i,),
                )
        return values

    @field_validator("cell_groups", mode="after")
    @classmethod
    def _enough_groups(cls, value: int) -> int:
        if 0 < value < 10:
            refuse(f"{value} groups of cells say little", "Use 10 or more, or 0 for no intervals over cells.")
        return value

    @model_validator(mode="after")
    def _curve_direction(self) -> Experiment:
        if self.direction not in self.directions:
            refuse(f"{self.direction} is not among directions {', '.join(self.directions)}", at=("direction",))
        return self


def _organism_of_simulated(data: Any) -> Any:
    """Keep simulated genes apart from real ones: atlas and network must be of one organism to meet."""
    if isinstance(data, dict) and data.get("simulated") is True:
        return {"organism": "simulated"} | data
    return data


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
            refuse(
                "'baselines' stands for the baselines in every table",
                "Give the model another name.",
                at=("models", "baselines"),
            )
        self._check_simulation()
        check_studies(self.studies, self.atlases)
        return self

    def _check_simulation(self) -> None:
        users = [("atlases", tissue) for tissue in self.simulated_tissues]
        users += [("networks", name) for name, network in self.networks.items() if network.simulated]
        users += [("models", name) for name, model in self.models.items() if model.control and model.config is None]
        if users and self.simulation is None:
            refuse(
                "needs the simulated world, which the catalog does not declare",
                "Add a block `simulation:` (scfm_assets/catalogs/demo.yaml shows one).",
                at=users[0],
            )
        if users and not self.simulated_tissues:
            refuse(
                "needs the simulated world, which has no tissue", "Add an atlas with `simulated: true`.", at=users[0]
            )
        most = self.experiment.n_cells[-1]
        if users and self.simulation is not None and self.simulation.n_cells < most:
            refuse(
                f"{self.simulation.n_cells} cells are fewer than the largest cell count {most}",
                f"Simulate at least {most}.",
                at=("simulation", "n_cells"),
            )


def _distinct_folders(block: str, names: dict[str, Any]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if (twin := seen.setdefault(name.casefold(), name)) != name:
            refuse(
                f"{name!r} and {twin!r} would share a folder where file names ignore case",
                "Rename one.",
                at=(block, name),
            )


def load(name_or_path: str | Path, *, dropped: Collection[str] | None = None) -> Catalog:
    """Read and check a catalog, and add the models that lie in the folder it watches.

    Parameters
    ----------
    name_or_path
        Path of a YAML file; or a bare name, looked up under ``catalogs/`` of `home` and among the shipped ones.
        Relative paths in a shipped catalog mean what they would in a copy under ``catalogs/`` of `home`.
    dropped
        Models of the watched folder to add; by default all that are there.

    Raises
    ------
    ScfmError
        If there is no such catalog or anything in it is wrong: file, line, key, and what is allowed. What is wrong in
        the watched folder is told by `Catalog.left_out`.
    """
    return _with_dropped(_declared(_find(name_or_path)), dropped)


def current(*, dropped: Collection[str] | None = None) -> Catalog:
    """Load the catalog that ``SCFM_CATALOG`` names (default: demo); its file is read again when it changes."""
    path = _find(os.environ.get("SCFM_CATALOG") or "demo")
    known_by = (path, path.stat().st_mtime_ns, os.environ.get("SCFM_DATA"), home())
    return _with_dropped(_declared_once(*known_by), dropped)


@lru_cache(maxsize=8)
def _declared_once(path: Path, _mtime_ns: int, _data: str | None, _home: Path) -> Catalog:
    return _declared(path)


def _declared(path: Path) -> Catalog:
    folder = home() / "catalogs" if path.parent == SHIPPED else path.parent
    catalog, data = read(Catalog, path, folder, name=path.stem)
    catalog._path = path
    catalog._digest = digest_json(_decisive(data))
    return catalog


def _decisive(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what models say about themselves: it decides nothing."""
    models = data.get("models") or {}
    told = {name: {key: said for key, said in entry.items() if key != "about"} for name, entry in models.items()}
    return {**data, "models": told} if models else data


def _with_dropped(catalog: Catalog, only: Collection[str] | None) -> Catalog:
    """Add the models of the watched folder to a catalog; what is wrong with one concerns no other."""
    found = dropped_models(
        catalog.watched, Model, _model_files, taken=catalog.models, marks=home() / "models", only=only
    )
    if not found.models and not found.left_out:
        return catalog
    merged = catalog.model_copy(update={"models": {**catalog.models, **found.models}})
    merged._dropped, merged._left_out = tuple(found.models), found.left_out
    if found.said:
        merged._digest = digest_json([catalog.digest, found.said])
    return merged


def _model_files(folder: Path, entry: Model) -> list[Path]:
    from scfm_assets.families import FAMILIES

    return FAMILIES[entry.family].digest_inputs(folder, entry.options)


def _find(name_or_path: str | Path) -> Path:
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ScfmError(name, "there is no such catalog file")
        return path
    folders = (home() / "catalogs", SHIPPED)
    for folder in folders:
        if (path := folder / f"{name}.yaml").is_file():
            return path
    known = ", ".join(sorted({file.stem for folder in folders for file in folder.glob("*.yaml")}))
    raise ScfmError(name, "there is no catalog of this name", f"Known: {known}. Or give the path of a YAML file.")
