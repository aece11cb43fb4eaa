"""Model families: one module each, registered here. Importing this loads neither torch nor transformers.

A family of another package is found by its entry point in the group ``scfm_assets.families``, which names its record.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from scfm_assets.core.base import Fingerprint
from scfm_assets.families import geneformer, scgpt
from scfm_assets.families.family import Family, Option

ENTRY_POINTS = "scfm_assets.families"

FAMILIES: dict[str, Family] = {family.name: family for family in (geneformer.FAMILY, scgpt.FAMILY)}
"""Family name -> family."""


def register(family: Family) -> None:
    """Make a family known to this process.

    Raises
    ------
    ValueError
        If another one has its name.
    """
    if FAMILIES.setdefault(family.name, family) is not family:
        message = f"there is a family {family.name!r} already"
        raise ValueError(message)


for _entry in entry_points(group=ENTRY_POINTS):
    register(_entry.load())

__all__ = ["ENTRY_POINTS", "FAMILIES", "Family", "Fingerprint", "Option", "register"]
