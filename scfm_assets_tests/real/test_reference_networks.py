"""The published reference networks, read as a catalog declares them."""

import os
from pathlib import Path

import pytest

from scfm_assets.core.networks import NetworkSpec, NetworkTable, network_of_rows, read_network

DATA = os.environ.get("SCFM_DATA")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(DATA is None, reason="set SCFM_DATA to the folder that holds references/"),
]


def reference(file: str, **spec) -> NetworkTable:
    """Read a network of the data root."""
    return read_network(NetworkSpec(file, Path(str(DATA)) / "references" / file, **spec))


def test_trrust_has_8427_edges_of_795_tfs_and_counts_its_contradictions():
    network = reference("trrust_v2_human.tsv", format="trrust", version="2")
    report = network.report
    assert (report.rows, report.edges, report.tfs) == (9396, 8427, 795)
    assert report.duplicates == 9396 - 8427
    assert 0 < report.conflicts < report.duplicates
    signs = dict(zip(*(column.to_pylist() for column in network.table["sign"].value_counts().flatten()), strict=True))
    assert signs[0] > report.conflicts
    assert sum(signs.values()) == 8427


def test_dorothea_keeps_the_levels_that_were_asked_for():
    network = reference("dorothea_human.parquet", format="dorothea", confidence=("A", "B", "C"))
    assert network.report.edges == 5434 + 974 + 6815
    assert network.report.filtered == 454504 - network.report.edges
    assert set(network.table["confidence"].to_pylist()) == {"A", "B", "C"}


def test_collectri_is_signed_and_comes_back_from_its_rows():
    network = reference("collectri_human.parquet", format="collectri")
    assert (network.report.edges, network.report.tfs, network.report.duplicates) == (43178, 1186, 0)
    assert set(network.table["sign"].to_pylist()) == {1, -1}
    again = network_of_rows(network.rows(), NetworkSpec(network.name))
    assert again.digest == network.digest
