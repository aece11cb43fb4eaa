"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scfm_assets.catalog.catalog import Catalog

catalog_option = click.option(
    "--catalog",
    metavar="NAME_OR_PATH",
    help="Catalog: shipped or under SCFM_HOME/catalogs by name, or a YAML file.  [default: $SCFM_CATALOG, else demo]",
)


def choose(catalog: str | None) -> Catalog:
    """Make a catalog the current one, here and for every process started from here."""
    from scfm_assets import home as homes
    from scfm_assets.catalog import catalog as catalogs

    if catalog is not None:
        os.environ["SCFM_CATALOG"] = str(Path(catalog).resolve()) if Path(catalog).is_file() else catalog
    os.environ["SCFM_HOME"] = str(homes.home())
    return catalogs.current()
