"""What a user declares of a model; what its family lets him say is the family's own affair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr, ValidationInfo, field_validator, model_validator

from scfm_assets.catalog.yaml_blocks import FileOrHub, Flag, Text, Whole, file_or_hub, one_of
from scfm_assets.families import FAMILIES
from scfm_assets.studies.settings import Block, Count, distinct, refuse

if TYPE_CHECKING:
    from scfm_assets.families import Option

OptionValue = Any
"""A path or an address, a word, a number or a flag: what the family's option of that name takes."""


class Expect(Block):
    """The fingerprint that a checkpoint must have; what is left out is not asked."""

    layers: Count | None = None
    heads: Count | None = None
    hidden: Count | None = None
    parameters: Count | None = None
    vocabulary: Count | None = None
    max_tokens: Count | None = None

    def as_dict(self) -> dict[str, int]:
        """The expectations that are declared."""
        return self.model_dump(exclude_none=True)


class Model(Block):
    """A checkpoint of a family with its options, or a control that is built here and whose answer is known.

    `layer` (1 is the first block) is the one that has a scaling curve; it is fixed here, before any score is seen.
    """

    family: Annotated[str, one_of(lambda: FAMILIES)] = "geneformer"
    checkpoint: FileOrHub | None = None
    control: Literal["planted", "random"] | None = None
    options: dict[str, OptionValue] = Field(default_factory=dict)
    config: FileOrHub | None = None
    seed: Whole = 0
    layer: Count | None = None
    layers: Literal["all"] | tuple[Count, ...] = "all"
    aggregation: Literal["mean", "max"] = "mean"
    heads: tuple[tuple[Count, Count], ...] = ()
    attention: Literal["softmax", "rank_normalised"] = "softmax"
    hidden_states: Flag = False
    expect: Expect = Expect()
    about: dict[Text, StrictStr | StrictInt | StrictFloat] = Field(default_factory=dict)
    """What whoever made it wants to say: it decides nothing."""

    @field_validator("options", mode="before")
    @classmethod
    def _options(cls, value: Any, info: ValidationInfo) -> Any:
        if "family" not in info.data:  # it was refused already
            return {}
        known = {option.name: option for option in FAMILIES[info.data["family"]].options}
        allowed = f"Allowed here: {', '.join(known)}."
        if not isinstance(value, dict):
            refuse(f"a block of keys is wanted, found {value!r}", allowed)
        for key in value:
            if key not in known:
                refuse("unknown key", allowed, at=(key,))
        return {key: _option(known[key], given, info) for key, given in value.items() if given is not None}

    @field_validator("layers", mode="before")
    @classmethod
    def _layers(cls, value: Any) -> Any:
        if value == "all":
            return value
        if not isinstance(value, list) or not value or any(type(v) is not int or v < 1 for v in value):
            refuse(f"'all' or a list of layer numbers from 1 is wanted, found {value!r}")
        return tuple(sorted(distinct(tuple(value))))

    @field_validator("heads", mode="after")
    @classmethod
    def _heads(cls, values: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple(sorted(distinct(values)))

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        source = self.exactly_one("checkpoint", "control")
        family = FAMILIES[self.family]
        if self.config is not None and (self.control != "random" or family.random is None):
            who = "only `control: random` takes" if family.random else f"family {family.name} has no random control for"
            refuse(f"{who} an architecture", at=("config",))
        if self.control is not None and self.config is None and self.family != "geneformer":
            remedy = "Name a checkpoint or its configuration as `config`, with `control: random`."
            refuse(f"a control of family {family.name} needs an architecture", remedy, at=("control",))
        kind = "checkpoint" if source == "checkpoint" else "config" if str(self.config).endswith(".json") else None
        for option in family.options:
            if kind in option.needed_by and option.name not in self.options:
                refuse(f"a {family.name} model with `{kind}` needs options.{option.name}", option.doc)
        if self.attention == "rank_normalised" and self.aggregation == "max":
            refuse("ranks of attention are averaged over heads", "Use `aggregation: mean`.", at=("aggregation",))
        if self.layers != "all":
            listed = ", ".join(map(str, self.layers))
            if self.layer is not None and self.layer not in self.layers:
                refuse(f"layer {self.layer} is not among layers {listed}", at=("layer",))
            for i, (layer, head) in enumerate(self.heads):
                if layer not in self.layers:
                    refuse(f"head {head} of layer {layer}: the layer is not among layers {listed}", at=("heads", i))
        return self

    @property
    def files(self) -> dict[str, str]:
        """Options that name files, as text: paths, or addresses on the hub."""
        kinds = {option.name: option.kind for option in FAMILIES[self.family].options}
        return {name: str(value) for name, value in self.options.items() if kinds[name] == "file"}

    @property
    def words(self) -> dict[str, OptionValue]:
        """Options that name no file: they decide what is computed, wherever the data lie."""
        return {name: value for name, value in self.options.items() if name not in self.files}


def _option(option: Option, value: Any, info: ValidationInfo) -> OptionValue:
    """Take one option as its family wants it."""

    def refuse_value(what: str) -> None:
        refuse(f"{what} is wanted, found {value!r}", option.doc, at=(option.name,))

    match option.kind:
        case "file":
            return file_or_hub(value, info, (option.name,))
        case "choice" if value not in option.choices:
            refuse(f"{value!r} is not allowed", f"Allowed: {', '.join(map(repr, option.choices))}.", at=(option.name,))
        case "count" if type(value) is not int or value < 1:
            refuse_value("a whole number above zero")
        case "flag" if type(value) is not bool:
            refuse_value("true or false")
        case "text" if not isinstance(value, str) or not value:
            refuse_value("a text")
    return value
