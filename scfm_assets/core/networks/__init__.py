"""Reference networks: edges that are held to be true, read and tidied."""

from scfm_assets.core.networks.rows import IDS
from scfm_assets.core.networks.spec import NetworkSpec
from scfm_assets.core.networks.table import NetworkTable, network_of_rows, read_network, tidy_network

__all__ = ["IDS", "NetworkSpec", "NetworkTable", "network_of_rows", "read_network", "tidy_network"]
