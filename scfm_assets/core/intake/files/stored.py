"""What lies in an open file, HDF5 or zarr: folders, arrays and attributes, each asked with care.

A file from elsewhere may claim anything. What it says is compared with what it holds, and with the memory that there
is, before anything is read; links are not followed; whatever a library raises becomes an error that names the place.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scfm_assets.core.intake.files.memory import check_memory
from scfm_assets.errors import ScfmError

T = TypeVar("T")

DAMAGED = "It is truncated or damaged: write or fetch it again."
NUMBERS = "biuf"
TEXTS = "SOUT"
_POINTER = 64
"""Bytes of a short text in memory, about."""
_DEEPEST = 8


class ElsewhereError(Exception):
    """What is asked for lies outside its folder, or outside the file."""


@dataclass(frozen=True)
class Library:
    """How one kind of container is asked.

    Attributes
    ----------
    names
        What a folder holds.
    child
        One thing of a folder, None if it is not there; raises for what lies elsewhere.
    is_array
        Whether it is an array, and no folder.
    unsound
        Why an array must not be read, None if it may be.
    """

    names: Callable[[Any], list[str]]
    child: Callable[[Any, str], Any]
    is_array: Callable[[Any], bool]
    unsound: Callable[[Any], str | None]


@dataclass(frozen=True, eq=False)
class StoredNode:
    """A folder or an array in an open file.

    Attributes
    ----------
    path, key
        The file, and the place in it; empty for the top.
    """

    path: Path
    key: str
    raw: Any
    library: Library

    @property
    def place(self) -> str:
        """Where errors point to."""
        return f"{self.path}: {self.key}" if self.key else str(self.path)

    def attempt(self, ask: Callable[[], T]) -> T:
        """Ask the library something."""
        return attempt(self.place, ask)

    # Folders.

    @property
    def is_array(self) -> bool:
        """Whether this is an array, and no folder."""
        return self.library.is_array(self.raw)

    def names(self) -> list[str]:
        """List what a folder holds, in order."""
        return [] if self.is_array else sorted(self.attempt(lambda: self.library.names(self.raw)))

    def get(self, key: str) -> StoredNode | None:
        """The node at a place below this folder, None if there is none."""
        node = self
        for name in key.split("/"):
            raw = None if node.is_array else node.attempt(lambda at=node, name=name: at.library.child(at.raw, name))
            if raw is None:
                return None
            inner = f"{node.key}/{name}" if node.key else name
            if inner.count("/") > _DEEPEST:
                raise damaged(node, "holds folders in folders without end")
            node = StoredNode(self.path, inner, raw, self.library)
        return node

    def need(self, key: str) -> StoredNode:
        """The node at a place below this folder, which must be there."""
        node = self.get(key)
        if node is None:
            raise damaged(self, f"has no {key!r} (it has: {', '.join(map(repr, self.names())) or 'nothing'})")
        return node

    def attribute(self, name: str) -> Any:
        """Value of an attribute, None if there is none."""
        return self.attempt(lambda: self.raw.attrs.get(name))

    def word(self, name: str) -> str:
        """Text of an attribute, empty if there is none."""
        value = self.attribute(name)
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return value if isinstance(value, str) else ""

    # Arrays.

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array, empty for a folder."""
        return tuple(int(n) for n in self.attempt(lambda: self.raw.shape)) if self.is_array else ()

    @property
    def kind(self) -> str:
        """Kind of the array's values as numpy letters them, empty for a folder."""
        return self.attempt(lambda: self.raw.dtype.kind) if self.is_array else ""

    @property
    def n_bytes(self) -> int:
        """Bytes that the array takes in memory."""
        size = int(self.raw.dtype.itemsize) if self.kind not in TEXTS or self.kind == "S" else 0
        return math.prod(self.shape) * (size + (_POINTER if self.kind in TEXTS else 0))

    def vector(self, what: str, kinds: str = NUMBERS) -> StoredNode:
        """The node itself, proven to be a sound array of one dimension and of these kinds."""
        if len(self.shape) != 1 or self.kind not in kinds:
            actual = f"an array of shape {self.shape} and type {self.raw.dtype}" if self.is_array else "a folder"
            raise damaged(self, f"is {actual}, not {what}")
        self.check()
        return self

    def check(self) -> None:
        """Refuse an array that claims more than the file holds, or than there is memory for."""
        problem = self.attempt(lambda: self.library.unsound(self.raw))
        if problem is not None:
            raise damaged(self, problem)

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read an array, or some of its first dimension, in the machine's own byte order."""
        stop = self.shape[0] if stop is None else stop
        check_memory(self.place, self.n_bytes * (stop - start) // max(self.shape[0], 1))
        return self.attempt(lambda: native(np.asarray(self.raw[start:stop])))

    def texts(self) -> np.ndarray:
        """Read an array of texts as an object array; bytes that are no UTF-8 stay recognisable as such."""
        return np.array([_text(value) for value in self.read().tolist()], dtype=object)


def damaged(where: StoredNode | Path, problem: str) -> ScfmError:
    """The error of a file that is not what it should be, at a place in it or as a whole."""
    return ScfmError(where.place if isinstance(where, StoredNode) else str(where), problem, DAMAGED)


def attempt(place: str, ask: Callable[[], T]) -> T:
    """Ask a library something: whatever it raises over a user's file is about that file."""
    try:
        return quietly(ask)
    except ScfmError:
        raise
    except ElsewhereError as error:
        raise ScfmError(place, f"{error}, which is not followed", "Put what it points to in its place.") from None
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise ScfmError(place, f"cannot be read ({type(error).__name__}: {first_line})", DAMAGED) from error


def quietly(make: Callable[[], T]) -> T:
    """Make something without its warnings: names that are not unique are refused later, by name."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return make()


def native(values: np.ndarray) -> np.ndarray:
    """Bring numbers into a byte order and a width that scipy knows."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in {4, 8}:
        return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False) if values.dtype.kind in NUMBERS else values


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if value is None or isinstance(value, str) else str(value)
