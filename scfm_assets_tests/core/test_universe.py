"""Universes: which pairs are ranked and which of them are edges, by plain loops."""

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.networks import NetworkSpec, tidy_network
from scfm_assets.core.universe import UNIVERSES, candidates, edges_in_panel, positives

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
