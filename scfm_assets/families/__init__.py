"""Model families: one module each, registered here. Importing this loads neither torch nor transformers."""

from __future__ import annotations

from scfm_assets.families import geneformer
from scfm_assets.families.family import Family, FamilyModel, Fingerprint

FAMILIES: dict[str, Family] = {family.name: family for family in (geneformer.FAMILY,)}
"""Family name -> family."""

__all__ = ["FAMILIES", "Family", "FamilyModel", "Fingerprint"]
