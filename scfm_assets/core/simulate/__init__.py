"""Simulated cells whose network is known: the catalog's world, three simulators, adversarial cases."""

from __future__ import annotations

from scfm_assets.core.simulate.adversarial import CASES
from scfm_assets.core.simulate.copula import CopulaSpec, Donor
from scfm_assets.core.simulate.counts import SimulatedAtlas, nonzero_medians, simulate_counts
from scfm_assets.core.simulate.hill import HillSpec, draw_expression, master_moments
from scfm_assets.core.simulate.hill_network import HillNetwork
from scfm_assets.core.simulate.linear import LINEAR, LinearSpec
from scfm_assets.core.simulate.planting import PLACE, PlantedSpec, expected_attention, grid_auroc, plant
from scfm_assets.core.simulate.simulator import Simulated, Simulator, check_rules
from scfm_assets.core.simulate.simulators import SIMULATORS
from scfm_assets.core.simulate.wiring import Wiring
from scfm_assets.core.simulate.world import CORE, World, WorldSpec, make_world, network_table

__all__ = [
    "CASES",
    "CORE",
    "LINEAR",
    "PLACE",
    "SIMULATORS",
    "CopulaSpec",
    "Donor",
    "HillNetwork",
    "HillSpec",
    "LinearSpec",
    "PlantedSpec",
    "Simulated",
    "SimulatedAtlas",
    "Simulator",
    "Wiring",
    "World",
    "WorldSpec",
    "check_rules",
    "draw_expression",
    "expected_attention",
    "grid_auroc",
    "make_world",
    "master_moments",
    "network_table",
    "nonzero_medians",
    "plant",
    "simulate_counts",
]
