"""Where things are (what is written, the checkout, the package), and what a command was told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """Folder that holds everything written: ``SCFM_HOME``, else ``data/`` of the checkout, else ``./data``."""
    if chosen := os.environ.get("SCFM_HOME"):
        return Path(chosen).absolute()
    return (project() or Path()).absolute() / "data"


def project() -> Path | None:
    """Checkout that the package runs from, or None for an installed package."""
    return PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None


@dataclass(frozen=True)
class RunSettings:
    """What a command was told, by its environment and by options, which take precedence.

    It is made once by a command and handed down; nothing is written to the environment of this process. Processes that
    a command starts get `variables`.
    """

    variables: Mapping[str, str]

    @classmethod
    def from_environment(cls, catalog: str | None = None, **options: str) -> RunSettings:
        """Read the environment; `catalog` and options, by the names of their variables, replace what it says."""
        chosen = {"SCFM_HOME": str(home()), **options}
        if catalog is not None:
            chosen["SCFM_CATALOG"] = str(Path(catalog).resolve()) if Path(catalog).is_file() else catalog
        return cls({**os.environ, **chosen})

    @property
    def home(self) -> Path:
        """Folder that holds everything written."""
        return Path(self.variables["SCFM_HOME"])

    @property
    def catalog(self) -> str:
        """Name or path of the catalog."""
        return self.variables.get("SCFM_CATALOG") or "demo"
