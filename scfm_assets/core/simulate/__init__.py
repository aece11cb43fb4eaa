"""Simulated tissues whose regulatory network is known: the one setting in which a score can be called right."""

from __future__ import annotations

from scfm_assets.core.simulate.counts import SimulatedAtlas, nonzero_medians, simulate_counts
from scfm_assets.core.simulate.world import CORE, World, WorldSpec, make_world, network_table

__all__ = [
    "CORE",
    "SimulatedAtlas",
    "World",
    "WorldSpec",
    "make_world",
    "network_table",
    "nonzero_medians",
    "simulate_counts",
]
