"""Blocks of keys that a user writes in YAML: kinds of values, and errors that name file, line and what is allowed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo

from scfm_assets.catalog.hub_address import HubAddress
from scfm_assets.catalog.yaml_lines import Lines, line_of, parse
from scfm_assets.errors import ScfmError
from scfm_assets.studies.settings import Block, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic_core import ErrorDetails

# Kinds of values.

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
"""What can be a name: it becomes a folder and a part of keys."""

NAMES = "Names begin with a letter and hold letters, digits, '_' and '-' only, at most 63: they become folders."


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        refuse(f"{value!r} cannot be a name", NAMES)
    return value


def _path(value: Any, info: ValidationInfo, at: tuple[str, ...] = ()) -> Path:
    if not isinstance(value, str) or not value:
        refuse(f"a path is wanted, found {value!r}", at=at)
    if "$" in value.removeprefix("${SCFM_DATA}"):
        remedy = "Write the path itself, or relative to the catalog's folder."
        refuse(f"{value!r} holds a variable other than a leading ${{SCFM_DATA}}", remedy, at=at)
    if value.startswith("${SCFM_DATA}"):
        root = os.environ.get("SCFM_DATA")
        if not root:
            remedy = "Set it to the folder that holds your data: export SCFM_DATA=/path/to/data"
            refuse(f"{value!r} needs the environment variable SCFM_DATA, which is not set", remedy, at=at)
        value = f"{Path(root).absolute()}{value.removeprefix('${SCFM_DATA}')}"
    folder = Path((info.context or {}).get("folder", ".")).absolute()
    return Path(os.path.normpath(folder / Path(value).expanduser()))


def file_or_hub(value: Any, info: ValidationInfo, at: tuple[str, ...] = ()) -> Path | str:
    """Take a path, or an address on the hub as it is; `at` is the key at fault below the value that is validated."""
    if not isinstance(value, str) or not value.startswith("hf:"):
        return _path(value, info, at)
    try:
        HubAddress.parse(value)
    except ScfmError as error:
        refuse(f"{value!r}: {error.problem}", error.remedy or "", at=at)
    return value


def one_of(names: Callable[[], Collection[str]]) -> AfterValidator:
    """Validator of a name that must be registered when the catalog is read."""

    def check(value: str) -> str:
        if value not in (allowed := names()):
            refuse(f"{value!r} is not allowed", f"Allowed: {', '.join(map(repr, allowed))}.")
        return value

    return AfterValidator(check)


Name = Annotated[str, AfterValidator(_name)]
FilePath = Annotated[Path, BeforeValidator(_path)]
FileOrHub = Annotated[Path | str, BeforeValidator(file_or_hub)]
Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|first)$")]
"""A SHA-256, or ``first``: that of the content that is met first."""
Url = Annotated[str, Field(pattern=r"^(https?|file)://\S+$")]
CountsPlace = Annotated[str, Field(pattern=r"^(auto|X|raw\.X|layers/.+)$")]


# Reading.

SomeBlock = TypeVar("SomeBlock", bound=Block)


def read(
    kind: type[SomeBlock], path: Path, folder: Path | None = None, **defaults: Any
) -> tuple[SomeBlock, dict[str, Any]]:
    """Read a YAML file as one block.

    Parameters
    ----------
    kind
        The block.
    path
        The file.
    folder
        What relative paths in it are relative to; without it, the file's own folder.
    defaults
        Keys added where the file does not say them.

    Returns
    -------
    block, data
        The block and the plain data that it was made of.

    Raises
    ------
    ScfmError
        If the file cannot be read, or anything in it is wrong: file, line, key, and what is allowed.
    """
    place = str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScfmError(place, f"cannot be read: {error}") from error
    data, lines = parse(text, place)
    if isinstance(data, dict):
        data = defaults | data
    try:
        return kind.model_validate(data, context={"folder": folder or path.parent}), data
    except ValidationError as error:
        raise _explain(error.errors(include_url=False), lines, place) from None


_WANTED = {
    "missing": "is required",
    "string_type": "a text is wanted (numbers and dates need quotes)",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "bool_type": "true or false is wanted",
    "tuple_type": "a list is wanted",
    "dict_type": "a block of keys is wanted",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
_PATTERNS = {
    "sha256": "64 lower-case hexadecimal digits are wanted, or `first`",
    "url": "a URL that begins with https://, http:// or file:// is wanted",
    "counts": "auto, X, raw.X or layers/<name> is wanted",
}


def _explain(errors: list[ErrorDetails], lines: Lines, place: str) -> ScfmError:
    """Turn pydantic's errors into one of ours that begins with the first in the file and names the others."""
    (line, key, problem, remedy), *others = sorted(_told(error, lines) for error in errors)
    more = [f"{place}:{line}: {key}: {problem}" for line, key, problem, _ in others[:9]]
    remedies = ([remedy] if remedy else []) + (["Also wrong:", *more] if more else [])
    return ScfmError(f"{place}:{line}", f"{key}: {problem}", "\n".join(remedies) or None)


def _told(error: ErrorDetails, lines: Lines) -> tuple[int, str, str, str]:
    context = error.get("ctx", {})
    loc = (*(part for part in error["loc"] if part != "[key]"), *context.get("at", ()))
    kind, value, remedy = error["type"], error["input"], context.get("remedy", "")
    if kind == "refused":
        problem = error["msg"]
    elif kind == "missing":
        problem = _WANTED[kind]
    elif kind == "literal_error":
        problem, remedy = f"{value!r} is not allowed", f"Allowed: {context['expected']}."
    elif kind == "string_pattern_mismatch":
        problem = f"{_PATTERNS[str(loc[-1])]}, found {value!r}"
    else:
        problem = f"{_WANTED.get(kind) or error['msg']}, found {value!r}"
    return line_of(lines, loc), ".".join(map(str, loc)) or "the file", problem, remedy
