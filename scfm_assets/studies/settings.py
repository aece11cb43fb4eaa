"""What a user may set of a study: a frozen block of keys with defaults and bounds, the only place where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, NoReturn, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


def refuse(problem: str, remedy: str = "", *, at: tuple[str | int, ...] = ()) -> NoReturn:
    """Refuse a value inside a validator.

    Parameters
    ----------
    problem
        What is wrong, with the value.
    remedy
        What is allowed, and what to do.
    at
        Path of the key at fault below the block that is being validated.
    """
    kind = "refused"
    raise PydanticCustomError(kind, "{problem}", {"problem": problem, "remedy": remedy, "at": list(at)})


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse repeated values."""
    repeated = list(dict.fromkeys(str(value) for value in values if values.count(value) > 1))
    if repeated:
        refuse(f"{', '.join(repeated)} is said more than once")
    return values


def rising(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse values that do not rise."""
    for i, (before, after) in enumerate(pairwise(values), 1):
        if after <= before:
            refuse(f"{after} follows {before}", "Values rise.", at=(i,))
    return values


def names_of(registry: str, *more: str) -> AfterValidator:
    """Validate names against a registry, which is imported when a value is given and not before.

    Parameters
    ----------
    registry
        ``"module:attribute"``: names, or records that have one, or a function that returns either.
    more
        Further names that are allowed.
    """

    def known(values: tuple[str, ...]) -> tuple[str, ...]:
        module, _, attribute = registry.partition(":")
        entries: Any = getattr(import_module(module), attribute)
        entries = entries() if callable(entries) else entries
        allowed = (*more, *(getattr(entry, "name", entry) for entry in entries))
        for i, value in enumerate(values):
            if value not in allowed:
                refuse(f"{value!r} is not allowed", f"Allowed: {', '.join(allowed)}.", at=(i,))
        return values

    return AfterValidator(known)


Item = TypeVar("Item")
Distinct = Annotated[tuple[Item, ...], Field(min_length=1), AfterValidator(distinct)]
"""A list of at least one value, none said twice."""
Count = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
"""A share that is neither nothing nor everything."""
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Rising = AfterValidator(rising)


class Block(BaseModel):
    """A frozen block that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        allowed = f"Allowed here: {', '.join(cls.model_fields)}."
        if not isinstance(data, dict):
            refuse(f"a block of keys is wanted, found {data!r}", allowed)
        for key in data:
            if key not in cls.model_fields:
                refuse("unknown key", allowed, at=(key,))
        return data

    def exactly_one(self, *names: str) -> str:
        """Name the one field of ``names`` that is given; refuse none and several."""
        given = [name for name in names if getattr(self, name) not in {None, False}]
        if len(given) != 1:
            refuse(f"exactly one of {', '.join(names)} is wanted, found {' and '.join(given) or 'none'}")
        return given[0]


class StudySettings(Block):
    """Settings of a study: a subclass declares its fields, each with a default, its bounds and a docstring."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @classmethod
    def tiny(cls) -> Self:
        """Settings under which every step takes a moment: for tests."""
        return cls()

    def changed(self, **changes: Any) -> Self:
        """The same settings with some changed, validated anew."""
        return type(self).model_validate({**self.model_dump(), **changes})

    def check(self, atlases: Mapping[str, Any]) -> None:
        """Refuse (`refuse`) what the rest of a catalog does not allow; `at` is the key below this block.

        Parameters
        ----------
        atlases
            The catalog's atlases by tissue.
        """
