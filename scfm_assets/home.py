"""Where things are: the folder that holds everything written, the checkout, the package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """Give the folder that holds everything written: ``SCFM_HOME``, else ``data/`` of the checkout, else ``./data``."""
    if chosen := os.environ.get("SCFM_HOME"):
        return Path(chosen).absolute()
    return (project() or Path()).absolute() / "data"


def project() -> Path | None:
    """Give the checkout that the package runs from, or None for an installed package."""
    return PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None
