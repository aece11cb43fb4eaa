"""Universes: which pairs are ranked and which of them are edges, by plain loops."""

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.networks.table import NetworkSpec, tidy_network
from scfm_assets.core.universes.universe import UNIVERSES, candidates, edges_in_panel, positives

SYMBOLS = ("A", "B", "C", "D", "E")
IDS = tuple(f"ENSG0000000000{i}" for i in range(5))
PAIRS = np.array([[9, 1, 0, 2, 0], [1, 9, 3, 0, 0], [0, 3, 9, 1, 0], [2, 0, 1, 9, 0], [0, 0, 0, 0, 9]], np.int32)


def network(rows: list[tuple], **spec) -> object:
    """tf, target, tissue rows as a network."""
    tf, target, tissue = zip(*rows, strict=True)
    return tidy_network(
        pa.table({"tf": tf, "target": target, "tissue": pa.array(tissue, pa.string())}), NetworkSpec("n", **spec)
    )


NETWORK = network(
    [
        ("A", "B", None),
        ("A", "C", "lung"),
        ("A", "B", "lung"),  # said twice: everywhere, and here
        ("A", "A", None),  # itself
        ("C", "D", "liver"),  # another tissue
        ("D", "X", None),  # target outside the panel: still a TF
        ("X", "B", None),  # TF outside the panel
        ("B", "C", None),
    ]
)


def test_edges_are_those_of_the_tissue_with_both_ends_in_the_panel_and_no_gene_itself():
    edges = edges_in_panel(NETWORK, IDS, SYMBOLS, tissue="lung")
    assert edges.tfs.tolist() == [0, 1, 3]
    assert list(zip(edges.source, edges.target, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert edges_in_panel(NETWORK, IDS, SYMBOLS, tissue="liver").tfs.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("universe", UNIVERSES, ids=lambda universe: universe.name)
def test_candidates_are_what_the_definition_says(universe):
    edges = edges_in_panel(NETWORK, IDS, SYMBOLS, tissue="lung")
    mask, labels = candidates(universe, edges, PAIRS), positives(universe, edges, PAIRS)
    for i in range(5):
        for j in range(5):
            ranked = {
                "all_pairs": i != j,
                "tf_grid": i != j and i in (0, 1, 3),
                "observed": i != j and i in (0, 1, 3) and PAIRS[i, j] > 0,
            }[universe.name]
            assert mask[i, j] == ranked
            assert labels[i, j] == (ranked and (i, j) in {(0, 1), (0, 2), (1, 2)})


def test_a_network_of_ensembl_ids_is_matched_by_gene_id_without_version():
    by_id = network([(f"{IDS[0]}.7", IDS[3], None)], ids="ensembl")
    edges = edges_in_panel(by_id, IDS, SYMBOLS, tissue="lung")
    assert (edges.source.tolist(), edges.target.tolist()) == ([0], [3])
    assert len(edges_in_panel(by_id, SYMBOLS, SYMBOLS, tissue="lung").tfs) == 0


def test_a_symbol_that_two_genes_share_stands_for_both():
    edges = edges_in_panel(NETWORK, IDS, ("A", "B", "C", "A", "E"), tissue="skin")
    assert edges.tfs.tolist() == [0, 1, 3]
    assert list(zip(edges.source, edges.target, strict=True)) == [(0, 1), (0, 3), (1, 2), (3, 0), (3, 1)]


def test_a_network_without_a_gene_of_the_panel_gives_no_edges():
    edges = edges_in_panel(NETWORK, IDS, tuple("VWXYZ"), tissue="lung")
    assert len(edges.source) == 0
    assert not edges.mask.any()
    assert edges.tfs.tolist() == [2]


# Former names


@pytest.mark.parametrize("seed", range(20))
def test_with_a_gene_table_no_edge_is_lost_and_former_names_are_met(seed, tmp_path):
    rng = np.random.default_rng(seed)
    ids = [f"ENSG{i:011d}" for i in range(30)]
    names = {gene: [f"NEW{i}", f"OLD{i}", f"OLDER{i}"][: rng.integers(1, 4)] for i, gene in enumerate(ids)}
    rows = [(name, gene) for gene, known in names.items() for name in known]
    rows += [("SHARED", ids[0]), ("SHARED", ids[1])]
    table = tmp_path / "genes.tsv"
    table.write_text("gene_name\tensembl_id\n" + "".join(f"{name}\t{gene}\n" for name, gene in rows))
    every = [*(name for name, _ in rows), "UNKNOWN"]
    edges = [(str(a), str(b), None) for a, b in rng.choice(every, (200, 2))]
    plain, named = network(edges), network(edges, gene_table=table)
    panel = rng.permutation(30)[:12]
    symbols = [str(rng.choice(names[ids[i]])) for i in panel]
    gene_ids = [ids[i] for i in panel]
    by_name, with_table = (edges_in_panel(net, gene_ids, symbols, tissue="lung") for net in (plain, named))
    assert set(by_name.tfs) <= set(with_table.tfs)
    found = {*zip(with_table.source.tolist(), with_table.target.tolist(), strict=True)}
    assert {*zip(by_name.source.tolist(), by_name.target.tolist(), strict=True)} <= found

    id_of = {name: gene for name, gene in rows if name != "SHARED"}

    def places(name: str) -> list[int]:
        direct = [k for k, symbol in enumerate(symbols) if symbol == name]
        return direct or [k for k, gene in enumerate(gene_ids) if gene == id_of.get(name)]

    expected = {(i, j) for a, b, _ in edges for i in places(a) for j in places(b) if i != j}
    assert found == expected
    assert with_table.tfs.tolist() == sorted({i for a, _, _ in edges for i in places(a)})


def test_a_mouse_gene_is_not_its_human_namesake():
    mouse = network([("Trp53", "Mdm2", None), ("Myc", "Tert", None)], organism="mouse")
    human_panel = edges_in_panel(mouse, IDS, ("TRP53", "MDM2", "MYC", "TERT", "X"), tissue="lung")
    assert len(human_panel.source) == len(human_panel.tfs) == 0
    own = edges_in_panel(mouse, IDS, ("Trp53", "Mdm2", "Myc", "Tert", "X"), tissue="lung")
    assert list(zip(own.source, own.target, strict=True)) == [(0, 1), (2, 3)]
