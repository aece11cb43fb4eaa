"""What is installed: the wheel owns its catalogs, queries and settings, and holds no tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from scfm_assets.home import project

ROOT = project() or Path()
PACKAGES = ("scfm_assets", "scfm_assets_bench", "scfm_assets_pretrain")


def files_of(package: str) -> set[str]:
    files = (file for file in (ROOT / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(ROOT).as_posix() for file in files}


def test_nothing_of_the_package_is_a_link() -> None:
    assert [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_symlink()] == []


@pytest.mark.long
def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in (*PACKAGES, "scfm_assets_tests"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = (sys.executable, "-W", "ignore", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path))
    built = subprocess.run(build, cwd=source, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {name for package in PACKAGES for name in files_of(package)}
    assert {"scfm_assets/catalogs/demo.yaml", "scfm_assets/sql/best_layer.sql", "scfm_assets/dagster.yaml"} <= names
