"""AnnData in HDF5 (.h5ad) and in zarr: obs, var, X, layers and raw, in the encodings of every age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.intake.files.contents import Contents
from scfm_assets.core.intake.files.frames import read_frame
from scfm_assets.core.intake.files.matrices import matrix_at

if TYPE_CHECKING:
    from scfm_assets.core.intake.files.stored import StoredNode


def is_anndata(top: StoredNode) -> bool:
    """Whether there are cells and genes as anndata writes them."""
    return {"obs", "var"} <= set(top.names())


def anndata_contents(top: StoredNode) -> Contents:
    """Read the labels of an AnnData and describe its matrices."""
    uns = top.get("uns")
    obs, var = (read_frame(top.need(part), uns) for part in ("obs", "var"))
    places = {"X": top.get("X")}
    if (layers := top.get("layers")) is not None:
        places |= {f"layers/{name}": top.get(f"layers/{name}") for name in layers.names()}
    places["raw.X"] = top.get("raw/X") or top.get("raw.X")
    described = (matrix_at(place, node) for place, node in places.items())
    matrices = tuple(matrix for matrix in described if matrix is not None)
    raw_node = (top.get("raw/var") or top.get("raw.var")) if any(m.place == "raw.X" for m in matrices) else None
    raw_var = None if raw_node is None else read_frame(raw_node)
    return Contents(obs, var, matrices, raw_var, simulated=_simulated(top))


def _simulated(top: StoredNode) -> bool:
    node = top.get("uns/scfm/simulated")
    if node is None or not node.is_array or node.shape != () or node.kind not in "bi":
        return False
    return bool(node.attempt(lambda: np.asarray(node.raw[()]).item()))
