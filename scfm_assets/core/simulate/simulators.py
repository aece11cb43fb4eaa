"""The simulators of the studies, by name."""

from __future__ import annotations

from scfm_assets.core.simulate.copula import COPULA
from scfm_assets.core.simulate.hill import HILL
from scfm_assets.core.simulate.linear import LINEAR

SIMULATORS = {simulator.name: simulator for simulator in (LINEAR, HILL, COPULA)}
