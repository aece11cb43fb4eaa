"""Catalogs from their files: found by name or path, read, checked, and joined by the models that lie in a folder."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.catalog.catalog import Catalog
from scfm_assets.catalog.checkpoint_folders import dropped_models
from scfm_assets.catalog.yaml_blocks import read
from scfm_assets.core.base import digest_json
from scfm_assets.errors import ScfmError
from scfm_assets.home import PACKAGE, home

if TYPE_CHECKING:
    from collections.abc import Collection

    from scfm_assets.catalog.model import Model


SHIPPED = PACKAGE / "catalogs"
"""Catalogs that come with the package."""


def load(name_or_path: str | Path, *, dropped: Collection[str] | None = None) -> Catalog:
    """Read and check a catalog, and add the models that lie in the folder it watches.

    Parameters
    ----------
    name_or_path
        Path of a YAML file; or a bare name, looked up under ``catalogs/`` of `home` and among the shipped ones.
        Relative paths in a shipped catalog mean what they would in a copy under ``catalogs/`` of `home`.
    dropped
        Models of the watched folder to add; by default all that are there.

    Raises
    ------
    ScfmError
        If there is no such catalog or anything in it is wrong: file, line, key, and what is allowed. What is wrong in
        the watched folder is told by `Catalog.left_out`.
    """
    return _with_dropped(_declared(_find(name_or_path)), dropped)


def current(*, dropped: Collection[str] | None = None) -> Catalog:
    """Load the catalog that ``SCFM_CATALOG`` names (default: demo); its file is read again when it changes."""
    path = _find(os.environ.get("SCFM_CATALOG") or "demo")
    known_by = (path, path.stat().st_mtime_ns, os.environ.get("SCFM_DATA"), home())
    return _with_dropped(_declared_once(*known_by), dropped)


@lru_cache(maxsize=8)
def _declared_once(path: Path, _mtime_ns: int, _data: str | None, _home: Path) -> Catalog:
    return _declared(path)


def _declared(path: Path) -> Catalog:
    folder = home() / "catalogs" if path.parent == SHIPPED else path.parent
    catalog, data = read(Catalog, path, folder, name=path.stem)
    catalog._path = path
    catalog._digest = digest_json(_decisive(data))
    return catalog


def _decisive(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what models say about themselves: it decides nothing."""
    models = data.get("models") or {}
    decisive = {name: {key: value for key, value in entry.items() if key != "about"} for name, entry in models.items()}
    return {**data, "models": decisive} if models else data


def _with_dropped(catalog: Catalog, only: Collection[str] | None) -> Catalog:
    """Add the models of the watched folder to a catalog; what is wrong with one concerns no other."""
    dropped = dropped_models(catalog.watched, _model_files, taken=catalog.models, marks=home() / "models", only=only)
    if not dropped.models and not dropped.left_out:
        return catalog
    merged = catalog.model_copy(update={"models": {**catalog.models, **dropped.models}})
    merged._dropped, merged._left_out = tuple(dropped.models), dropped.left_out
    if dropped.said:
        merged._digest = digest_json([catalog.digest, dropped.said])
    return merged


def _model_files(folder: Path, entry: Model) -> list[Path]:
    from scfm_assets.families import FAMILIES

    return FAMILIES[entry.family].digest_inputs(folder, entry.options)


def _find(name_or_path: str | Path) -> Path:
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise ScfmError(name, "there is no such catalog file")
        return path
    folders = (home() / "catalogs", SHIPPED)
    for folder in folders:
        if (path := folder / f"{name}.yaml").is_file():
            return path
    known = ", ".join(sorted({file.stem for folder in folders for file in folder.glob("*.yaml")}))
    raise ScfmError(name, "there is no catalog of this name", f"Known: {known}. Or give the path of a YAML file.")
