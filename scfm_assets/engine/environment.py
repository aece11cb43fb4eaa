"""What the numbers are computed with: Python, packages and the commit of the code, as lineage tells them."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from scfm_assets.home import project

PACKAGES = (
    *("scfm_assets", "torch", "transformers", "numpy", "scipy", "pandas", "pyarrow", "anndata", "scikit-learn"),
    *("numba", "safetensors", "dagster", "duckdb"),
)
"""Packages on which a number can depend."""


@cache
def environment() -> dict[str, Any]:
    """Python, platform, commit and packages of this process."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "commit": commit(),
        "packages": {name: installed for name in PACKAGES if (installed := _version(name)) is not None},
    }


@cache
def commit() -> str | None:
    """Commit that the checkout is at, with ``-dirty`` if files differ; None where there is no checkout."""
    folder = project()
    if folder is None:
        return None
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        completed = subprocess.run(describe, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):  # no git here: the package's version has to do
        return None
    return completed.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
