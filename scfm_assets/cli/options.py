"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog

catalog_option = click.option(
    "--catalog",
    metavar="NAME_OR_PATH",
    help="Catalog: shipped or under SCFM_HOME/catalogs by name, or a YAML file.  [default: $SCFM_CATALOG, else demo]",
)


def choose(catalog: str | None) -> Catalog:
    """Load the catalog that an option names, else the environment."""
    from scfm_assets import catalog as catalogs
    from scfm_assets.home import RunSettings

    return catalogs.load(RunSettings.from_environment(catalog).catalog)
