"""What a study is: one record, from which its assets, tables, checks and pages follow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scfm_assets.errors import ScfmError
from scfm_assets.studies.inputs import IN_TISSUES, MODEL_SLICE, OF_MODELS, SLICE, WHOLE, Input
from scfm_assets.tables.columns import N_CELLS, SCORED_BY, SIMULATED, TISSUE, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scfm_assets.studies.settings import StudySettings

Per = Literal["whole", "tissue", "slice", "model", "model slice"]
MODEL_COLUMNS = tuple(column for column in SCORED_BY if column.name in {"model", "checkpoint"})


@dataclass(frozen=True)
class StudyVerdict:
    """The answer to a study's question, by thresholds that the study states.

    Attributes
    ----------
    answer
        In a word or two: yes, no, underpowered, ...
    sentence
        The answer with the numbers that it rests on.
    holds
        Whether it came out as it would for sound methods and a sound reference; None if the numbers say neither.
    """

    answer: str
    sentence: str
    holds: bool | None


@dataclass(frozen=True)
class Controls:
    """Tables whose answer is known, for the contract suite.

    Attributes
    ----------
    positive, negative
        ``"module:function"`` that returns tables by their short names: of a planted effect, to which the study must
        answer ``yes``, and of none, to which it must not.
    """

    positive: str
    negative: str


@dataclass(frozen=True)
class Step:
    """One table of a study, and how it is made.

    Attributes
    ----------
    table
        Declared in the study's ``tables.py``, without the study's name and without `simulated`; the platform adds
        those, and tissue, n_cells, model and checkpoint where the step is made for each of them.
    function
        ``"module:function"`` below the study's folder: (settings, *inputs, progress=...) -> rows of the table, as
        `Table.rows` makes them.
    reads
        Inputs: tables of other steps of the study, and what `scfm_assets.studies.inputs` offers.
    per
        Where it is made: once, or for each tissue, slice, model, or model and slice.
    simulated
        Whether the rows stand on simulated cells whatever the atlases are; so does what is made of them.
    resumable
        Whether the function takes `kept` (`scfm_assets.studies.kept.Kept`), in which it leaves what it has finished.
    computes, pool
        Whether numbers depend on the precision of the machine; the pool that limits how many steps run at once.
    unit
        What progress counts.
    """

    table: Table
    function: str
    reads: tuple[Table | Input, ...] = ()
    per: Per = WHOLE
    simulated: bool = False
    resumable: bool = False
    computes: bool = False
    pool: str | None = None
    unit: str = "parts"

    def __post_init__(self) -> None:
        """Refuse inputs that are not to be had where the step is made."""
        for read in self.reads:
            if isinstance(read, Input) and self.per not in read.places:
                place, problem = f"step {self.table.name}", f"reads {read.name}, which no step per {self.per} can have"
                raise ScfmError(place, problem, f"Make it per {' or '.join(read.places)}.")


@dataclass(frozen=True)
class Study:
    """One study: a folder whose ``__init__`` holds this record under the name ``STUDY``.

    Attributes
    ----------
    title, question
        What people read.
    settings
        What a user may set of it.
    steps
        Its tables, those that are read before those that read them.
    families
        Family of tests -> what is tested, the smallest effect of interest, one- or two-sided.
    tests
        ``"module:function"``: tables by short name -> `scfm_assets.core.statistics.Test`s, all of declared families.
    verdict
        ``"module:function"``: tables, and the tests as rows of `tests`, adjusted inside their families -> StudyVerdict.
    figures
        ``"module:function"``: tables -> figures by name, the most important one first.
    controls
        Tables whose answer is known.
    version
        Raise it by hand where results change that the digest of the code does not see: another library.
    package
        The folder as a package; `discover` fills it in.
    """

    title: str
    question: str
    settings: type[StudySettings]
    steps: tuple[Step, ...]
    families: Mapping[str, str]
    tests: str
    verdict: str
    figures: str
    controls: Controls
    version: str = "1"
    package: str = field(default="")

    @property
    def name(self) -> str:
        """The folder's name: first part of its assets' keys and of its tables' names."""
        return self.package.rpartition(".")[2]

    @cached_property
    def folder(self) -> Path:
        """Where the study is."""
        return Path(str(import_module(self.package).__file__)).parent

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Its tables as the platform stores them, by short name."""
        return {step.table.name: _stored_table(self.name, step) for step in self.steps}

    def step_of(self, table: Table) -> Step:
        """The step that makes a table.

        Raises
        ------
        ScfmError
            If none does.
        """
        for step in self.steps:
            if step.table.name == table.name:
                return step
        place, problem = f"study {self.name}", f"no step makes the table {table.name}"
        raise ScfmError(place, problem, "Add a `Step` that does.")

    def is_simulated(self, step: Step) -> bool:
        """Whether a step, or one whose table it reads, stands on simulated cells."""
        return step.simulated or any(
            self.is_simulated(self.step_of(read)) for read in step.reads if isinstance(read, Table)
        )

    def resolve(self, function: str) -> Callable[..., Any]:
        """Import ``"module:function"`` from below the study's folder.

        Raises
        ------
        ScfmError
            If there is no such function.
        """
        module, _, name = function.partition(":")
        try:
            return getattr(import_module(f"{self.package}.{module}"), name)
        except (AttributeError, ModuleNotFoundError) as error:
            place = f"study {self.name}"
            raise ScfmError(place, f"{function!r} is not there: {error}") from error


def _stored_table(study: str, step: Step) -> Table:
    """Add to a declared table what the platform knows: the study's name, where its rows belong, whether simulated."""
    table, of_model = step.table, MODEL_COLUMNS if step.per in OF_MODELS else ()
    place = [*[TISSUE] * (step.per in IN_TISSUES), *[N_CELLS] * (step.per in {SLICE, MODEL_SLICE}), *of_model]
    declared = {column.name for column in table.columns}
    added = tuple(column for column in place if column.name not in declared)
    key = (*(column.name for column in place if column.name not in table.key), *table.key) if table.key else ()
    by_model = tuple(column.name for column in of_model)
    return replace(
        table,
        name=f"{study}_{table.name}",
        columns=(*added, *table.columns, SIMULATED),
        key=key,
        files_by=(*by_model, *(name for name in table.files_by if name not in by_model)),
    )
