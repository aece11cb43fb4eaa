"""Studies: each a folder that reads published tables and arrays of the platform, never another study's internals."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from scfm_assets.errors import ScfmError
from scfm_assets.studies.study import Study
from scfm_assets.tables.schema import register

__all__ = ["GROUP", "Study", "discover"]

GROUP = "scfm_assets.studies"
"""Entry points by which another package offers a study: its name = the folder as a package."""


@cache
def discover() -> dict[str, Study]:
    """All studies by name: the folders of this package by alphabet, then those of other packages, by theirs.

    What another package offers and cannot be loaded is warned of and left out. The tables of all others are declared.

    Raises
    ------
    ScfmError
        If a folder of this package holds no study.
    """
    packages = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__) if module.ispkg]
    studies = {study.name: study for study in map(_load, sorted(packages))}
    for study in _offered():
        if study.name in studies:
            warnings.warn(f"study {study.name} of {study.package} is left out: there is one of this name", stacklevel=2)
        else:
            studies[study.name] = study
    register(table for study in studies.values() for table in study.tables.values())
    return studies


def _load(package: str) -> Study:
    study = getattr(import_module(package), "STUDY", None)
    if not isinstance(study, Study):
        raise ScfmError(package, "holds no study", "Its `__init__` says `STUDY = Study(...)`.")
    return replace(study, package=package)


def _offered() -> Iterator[Study]:
    """Load what other packages offer; whatever is wrong with one study concerns no other."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            yield _load(entry.value)
        except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError, ScfmError) as error:
            warnings.warn(f"study {entry.name} of {entry.value} is left out: {error}", stacklevel=2)
