"""Atlases as people bring them: looked into, understood, taken in, or refused in words."""

from scfm_assets.core.intake.atlas import process, read, read_scanpy
from scfm_assets.core.intake.counts import shape_of
from scfm_assets.core.intake.file_parts import parts
from scfm_assets.core.intake.findings import AtlasFacts, Finding, unreadable
from scfm_assets.core.intake.guess import guess_spec
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.core.intake.spec import UNDECLARED, AtlasSpec

__all__ = [
    "UNDECLARED",
    "AtlasFacts",
    "AtlasSpec",
    "Finding",
    "guess_spec",
    "inspect_file",
    "parts",
    "process",
    "read",
    "read_scanpy",
    "shape_of",
    "unreadable",
]
