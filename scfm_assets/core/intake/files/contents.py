"""What an atlas's file holds, in whatever format, and the record that a format is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd

    from scfm_assets.core.genes import Repair
    from scfm_assets.core.intake.files.matrices import StoredMatrix


@dataclass(frozen=True, eq=False)
class Contents:
    """What an open file holds: labels in memory, matrices still on disk.

    Attributes
    ----------
    obs, var
        Cells and genes.
    matrices
        Every matrix of numbers.
    raw_var
        Genes of the matrix at ``raw.X``.
    simulated
        Whether the file says that a simulator made it.
    left_out
        What the format holds beside genes, and is not taken.
    """

    obs: pd.DataFrame
    var: pd.DataFrame
    matrices: tuple[StoredMatrix, ...]
    raw_var: pd.DataFrame | None = None
    simulated: bool = False
    left_out: tuple[Repair, ...] = ()


@dataclass(frozen=True)
class Container:
    """A kind of file or folder that formats are written in.

    Attributes
    ----------
    name
        For people.
    holds
        Whether what lies at a path is one.
    open
        Opens it, for reading.
    """

    name: str
    holds: Callable[[Path], bool]
    open: Callable[[Path], AbstractContextManager[Any]]


@dataclass(frozen=True)
class AtlasFormat:
    """A way in which people keep an atlas.

    Attributes
    ----------
    name
        For people.
    container
        What it is written in.
    recognise
        Whether an open container is of this format, judged by what it holds, never by its name.
    contents
        Reads its labels and describes its matrices.
    doc
        What it is recognised by, one clause.
    """

    name: str
    container: Container
    recognise: Callable[[Any], bool]
    contents: Callable[[Any], Contents]
    doc: str
