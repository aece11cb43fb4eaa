"""Loom files: genes x cells in HDF5, with attributes of both and layers (version 2 and 3 of its specification)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.intake.files.contents import Contents
from scfm_assets.core.intake.files.frames import frame_of
from scfm_assets.core.intake.files.matrices import dense
from scfm_assets.core.intake.files.stored import NUMBERS, TEXTS, damaged

if TYPE_CHECKING:
    import pandas as pd

    from scfm_assets.core.intake.files.stored import StoredNode

CELL_NAMES = ("CellID", "obs_names", "cell_id", "barcode", "Barcode")
GENE_NAMES = ("Accession", "var_names", "Gene", "gene_names", "Symbol")


def is_loom(top: StoredNode) -> bool:
    """Whether there is a matrix with attributes of rows and columns."""
    names = set(top.names())
    return {"matrix", "row_attrs", "col_attrs"} <= names and top.need("matrix").is_array


def loom_contents(top: StoredNode) -> Contents:
    """Read the attributes of cells and genes, and describe the matrix and its layers."""
    matrix = top.need("matrix")
    if len(matrix.shape) != 2 or matrix.kind not in NUMBERS:
        problem = f"is an array of shape {matrix.shape} and type {matrix.raw.dtype}, and no matrix of numbers"
        raise damaged(matrix, problem)
    n_genes, n_cells = matrix.shape
    var = _attributes(top.need("row_attrs"), GENE_NAMES, n_genes)
    obs = _attributes(top.need("col_attrs"), CELL_NAMES, n_cells)
    matrices = [dense("X", matrix, by_cell=False)]
    layers = top.get("layers")
    for name in layers.names() if layers else []:
        layer = top.need("layers").need(name)
        if layer.shape == matrix.shape and layer.kind in NUMBERS:
            matrices.append(dense(f"layers/{name}", layer, by_cell=False))
    return Contents(obs, var, tuple(matrices))


def _attributes(folder: StoredNode, index_names: tuple[str, ...], length: int) -> pd.DataFrame:
    columns = {}
    for name in folder.names():
        node = folder.need(name)
        if len(node.shape) != 1 or node.kind not in NUMBERS + TEXTS:
            continue  # embeddings, and what is no list of values
        if node.shape[0] != length:
            raise damaged(node, f"has {node.shape[0]:,} values, and the matrix {length:,}")
        node.check()
        columns[name] = node.read() if node.kind in NUMBERS else node.texts()
    index = next((columns[name] for name in index_names if name in columns), None)
    return frame_of(folder.place, columns, [str(i) for i in range(length)] if index is None else index)
