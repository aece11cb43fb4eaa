"""What a user declares, read from a YAML file and checked whole."""

from scfm_assets.catalog.catalog import Catalog
from scfm_assets.catalog.checkpoint_folders import COMPLETE, MODEL_FILE, SETTLE_SECONDS, dropped_models, unsettled
from scfm_assets.catalog.entries import Atlas, Network, Simulation
from scfm_assets.catalog.experiment import Experiment, IntervalSettings
from scfm_assets.catalog.hub_address import COMMIT, SCHEME, HubAddress, is_hub
from scfm_assets.catalog.loading import current, load
from scfm_assets.catalog.model import Expect, Model
from scfm_assets.catalog.yaml_blocks import NAME, read
from scfm_assets.studies.settings import Block, refuse

__all__ = [
    "COMMIT",
    "COMPLETE",
    "MODEL_FILE",
    "NAME",
    "SCHEME",
    "SETTLE_SECONDS",
    "Atlas",
    "Block",
    "Catalog",
    "Expect",
    "Experiment",
    "HubAddress",
    "IntervalSettings",
    "Model",
    "Network",
    "Simulation",
    "current",
    "dropped_models",
    "is_hub",
    "load",
    "read",
    "refuse",
    "unsettled",
]
