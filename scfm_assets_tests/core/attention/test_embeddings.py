"""Vectors of cells are gathered along the increments, in the order of the atlas."""

from __future__ import annotations

import numpy as np

from scfm_assets.core.attention.embeddings import CellEmbeddings, cell_embeddings
from scfm_assets.core.attention.increments import AttentionIncrement
from scfm_assets.core.attention.sums import AttentionSums

BARCODES = [f"cell{i}" for i in range(6)]


def an_increment(cells: list[int], base: int) -> AttentionIncrement:
    """Of layers 2 and 5; the vector of cell c at layer l is (c, l, 0)."""
    vectors = np.array([[[cell, layer, 0] for layer in (2, 5)] for cell in cells], np.float32).reshape(-1, 2, 3)
    blocks = (((0, 1),),) if cells else ()
    sums = tuple(AttentionSums.zeros((2, 5), 4) for _ in blocks)
    embeddings = {"mean": vectors, "cls": -vectors} if cells else {}
    return AttentionIncrement(sums, blocks, base, 0.0, np.array(cells, np.int64), embeddings)


def test_cells_stand_in_the_order_of_the_atlas_with_a_name_per_layer() -> None:
    increments = {2: an_increment([4, 1], 0), 3: an_increment([3], 2), 9: an_increment([0], 3)}
    found = cell_embeddings(increments.__getitem__, 3, BARCODES)
    assert found.cells.tolist() == [1, 3, 4]
    assert found.barcodes == ("cell1", "cell3", "cell4")
    assert sorted(found.obsm) == ["X_cls_layer2", "X_cls_layer5", "X_mean_layer2", "X_mean_layer5"]
    assert found.obsm["X_mean_layer5"].tolist() == [[1, 5, 0], [3, 5, 0], [4, 5, 0]]
    assert found.obsm["X_cls_layer2"].tolist() == [[-1, -2, 0], [-3, -2, 0], [-4, -2, 0]]


def test_an_increment_that_adds_no_cell_adds_none() -> None:
    increments = {2: an_increment([4, 1], 0), 3: an_increment([], 2)}
    alone, both = (cell_embeddings(increments.__getitem__, n, BARCODES) for n in (2, 3))
    assert both.cells.tolist() == alone.cells.tolist() == [1, 4]
    assert both.obsm.keys() == alone.obsm.keys()


def test_they_survive_a_file() -> None:
    found = cell_embeddings({2: an_increment([4, 1], 0)}.__getitem__, 2, BARCODES)
    back = CellEmbeddings.from_tensors(*found.to_tensors())
    assert back.barcodes == found.barcodes
    assert back.cells.tolist() == found.cells.tolist()
    assert {name: a.tolist() for name, a in back.obsm.items()} == {name: a.tolist() for name, a in found.obsm.items()}
