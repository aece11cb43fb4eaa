"""Opening the counts of an atlas on disk (.h5ad, .zarr), to be read row by row.

A matrix is either CSR (a group of data, indices and indptr) or a dense array, as anndata writes them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scfm_assets.core.disk_tokens.matrix_rows import HDF5_CACHE, CsrRows, DenseRows
from scfm_assets.core.intake.files.hdf5 import open_hdf5
from scfm_assets.core.intake.files.stored import NUMBERS, damaged
from scfm_assets.core.intake.files.zarr_store import open_zarr
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from scfm_assets.core.intake.files.stored import StoredNode


@contextmanager
def open_counts(path: Path, place: str = "X") -> Iterator[CsrRows | DenseRows]:
    """Open a matrix of counts on disk without reading it.

    Parameters
    ----------
    path
        An .h5ad file, or the folder of a .zarr store.
    place
        ``X``, ``layers/<name>`` or ``raw.X``.

    Raises
    ------
    ScfmError
        If there is no such file or place, or if what is there is no matrix of numbers with rows that can be read.
    """
    with _opened(path) as top:
        yield _rows_at(top, place)


def _opened(path: Path) -> AbstractContextManager[StoredNode]:
    if not path.exists():
        raise ScfmError(str(path), "there is no such file", "Name an .h5ad file or a .zarr folder.")
    if path.is_dir():
        return open_zarr(path)
    import h5py

    if not h5py.is_hdf5(path):
        problem = "is no HDF5 file, which every .h5ad is" if path.stat().st_size else "is empty"
        raise ScfmError(str(path), problem, "Name an .h5ad file; if it is one, it is damaged: fetch it again.")
    return open_hdf5(path, cache_bytes=HDF5_CACHE)


def _rows_at(top: StoredNode, place: str) -> CsrRows | DenseRows:
    node: StoredNode | None = replace(top, key=place)
    for name in _key(place).split("/"):
        node = None if node is None else _below(node, name)
    if node is None:
        absent = replace(top, key=place)
        places = absent.attempt(lambda: _places(top.raw))
        raise ScfmError(absent.place, "there is no such matrix", f"It has: {', '.join(places) or 'none'}.")
    for part in [node] if node.is_array else [_below(node, name) for name in ("data", "indices", "indptr")]:
        if part is not None:
            part.check()
    encoding = node.attribute("encoding-type")
    if encoding == "csr_matrix":
        shape = node.attempt(lambda: [int(n) for n in node.raw.attrs["shape"]])
        if len(shape) != 2 or min(shape) < 0:
            raise damaged(node, f"has the shape {shape}")
        return CsrRows(top, node, *shape)
    if encoding == "csc_matrix":
        remedy = "Write it by rows once, where it fits in memory: `adata.X = adata.X.tocsr()`, then `write_h5ad`."
        problem = "is stored by columns (CSC), so that a cell cannot be read without reading all"
        raise ScfmError(node.place, problem, remedy)
    if len(node.shape) == 2 and node.kind in NUMBERS:
        return DenseRows(top, node, *node.shape)
    remedy = "If anndata before 0.7 wrote the file, read it and write it again."
    raise ScfmError(node.place, "is no CSR matrix and no dense one of numbers", remedy)


def _below(folder: StoredNode, name: str) -> StoredNode | None:
    """What lies in a folder, None if there is nothing; errors name the folder."""
    raw = None if folder.is_array else folder.attempt(lambda: folder.library.child(folder.raw, name))
    return None if raw is None else replace(folder, raw=raw)


def _key(place: str) -> str:
    return place.replace("raw.X", "raw/X")


def _places(root: Any) -> list[str]:
    places = ("X", *(f"layers/{name}" for name in sorted(root.get("layers") or ())), "raw.X")
    return [place for place in places if root.get(_key(place)) is not None]
