"""The published reference networks, read as a catalog declares them."""

import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scfm_assets.core.networks.table import NetworkSpec, NetworkTable, network_of_rows, read_network
from scfm_assets.core.universes.universe import edges_in_panel

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


def test_one_truth_of_beeline_is_taken_out_of_all_of_them():
    where = {"network": ("Specific",), "cell_type": ("hHEP",), "size": ("TFs+500",)}
    report = reference("beeline_networks.parquet", format="beeline", where=where).report
    assert (report.rows, report.rows - report.filtered) == (147388, 9939)
    assert report.edges == 9939 - report.duplicates


def test_a_gene_table_loses_no_edge_of_trrust_on_a_real_panel():
    table = Path(str(DATA)) / "vocab" / "geneformer_v2_104M_gene_name_id.parquet"
    genes = pq.read_table(table).to_pydict()
    name, gene_id = (genes[column] for column in genes)
    names = Path(str(DATA)).joinpath("labels", "human_tfs_pyscenic_hgnc.txt").read_text().split()
    of_name = dict(zip(name, gene_id, strict=True))
    panel = [symbol for symbol in names if symbol in of_name]
    ids = [of_name[symbol] for symbol in panel]
    plain = reference("trrust_v2_human.tsv", format="trrust")
    rows = pa.table({"gene_name": name, "ensembl_id": gene_id})
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(rows, Path(folder) / "genes.parquet")
        named = reference("trrust_v2_human.tsv", format="trrust", gene_table=Path(folder) / "genes.parquet")
    assert named.report.named_by_table > 2000
    before, after = (edges_in_panel(network, ids, panel, tissue="any") for network in (plain, named))
    assert set(before.tfs) <= set(after.tfs)
    pairs = [{*zip(edges.source.tolist(), edges.target.tolist(), strict=True)} for edges in (before, after)]
    assert pairs[0] <= pairs[1]


def test_networks_of_mouse_meet_mouse_symbols_and_no_human_ones():
    mouse = reference("dorothea_mouse.parquet", format="dorothea", confidence=("A", "B", "C"), organism="mouse")
    assert mouse.report.edges == 5569 + 750 + 6576 - mouse.report.duplicates
    symbols = sorted({*mouse.table["tf"].to_pylist(), *mouse.table["target"].to_pylist()})[:2000]
    assert len(edges_in_panel(mouse, symbols, symbols, tissue="any").source) > 100
    capitals = [symbol.upper() for symbol in symbols]
    few = edges_in_panel(mouse, capitals, capitals, tissue="any")
    assert len(few.source) < 10
    trrust = reference("trrust_v2_mouse.tsv", format="trrust", organism="mouse")
    assert trrust.report.tfs == 827
