"""What a user declares of data: atlases, the simulated world, and reference networks."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from scfm_assets.catalog.yaml_blocks import CountsPlace, FilePath, Flag, Name, Sha256, Text, Url, Whole
from scfm_assets.studies.settings import Block, Count, Distinct, Share, refuse

WITH_SHA256 = "Write both, or name a file instead. `sha256: first` trusts what is met first, and nothing else later."


class Sourced(Block):
    """Data from one of several sources."""

    sources: ClassVar[tuple[str, ...]] = ("file", "url", "simulated")

    file: FilePath | None = None
    url: Url | None = None
    sha256: Sha256 | None = None
    simulated: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _simulated_organism(cls, data: Any) -> Any:
        """Keep simulated genes apart from real ones: atlas and network must be of one organism to meet."""
        if isinstance(data, dict) and data.get("simulated") is True:
            return {"organism": "simulated"} | data
        return data

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        self.exactly_one(*self.sources)
        if (self.url is None) != (self.sha256 is None):
            refuse("url and sha256 belong together: what is fetched must be known beforehand", WITH_SHA256)
        return self

    @property
    def source(self) -> str:
        """One of `sources`."""
        return self.exactly_one(*self.sources)


class Atlas(Sourced):
    """Raw counts of one tissue: where they are and which parts of the file hold what."""

    sources: ClassVar[tuple[str, ...]] = (*Sourced.sources, "scanpy")

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

    @field_validator("where", mode="before")
    @classmethod
    def _values_as_text(cls, value: Any) -> Any:
        """Take one wanted value for a list of one; `true` and `3` stand for what obs shows as True and 3."""
        if not isinstance(value, dict):
            return value
        lists = {column: given if isinstance(given, list) else [given] for column, given in value.items()}
        return {
            column: [str(each) if isinstance(each, (bool, int)) else each for each in listed]
            for column, listed in lists.items()
        }

    @model_validator(mode="after")
    def _labels(self) -> Atlas:
        if self.drop_unlabelled and self.cell_type is None:
            refuse("no column of labels is declared, so that every cell would be left out", at=("drop_unlabelled",))
        return self


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
        """Fields of `WorldSpec` but for its tissues, which are the catalog's simulated ones."""
        return self.model_dump(exclude={"n_cells"})


class Network(Sourced):
    """A reference network: the edges that are held to be true."""

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

    @field_validator("where", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """Take one wanted value for a list of one."""
        if not isinstance(value, dict):
            return value
        return {column: [given] if isinstance(given, str) else given for column, given in value.items()}

    @model_validator(mode="after")
    def _columns_of_a_table(self) -> Network:
        if self.columns and self.format != "table":
            remedy = "Name columns with `format: table` only."
            refuse(f"format {self.format} knows its columns", remedy, at=("columns",))
        return self
