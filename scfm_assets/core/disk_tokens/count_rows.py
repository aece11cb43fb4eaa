"""Opening the counts of an atlas on disk (.h5ad, .zarr), to be read row by row.

A matrix is either CSR (a group of data, indices and indptr) or a dense array, as anndata writes them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scfm_assets.core.intake.files import hdf5, zarr_store
from scfm_assets.core.intake.files.scouting import send_scout
from scfm_assets.core.tokens import DAMAGED, HDF5_CACHE, CsrRows, DenseRows, attempt
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scfm_assets.core.tokens import CountRows


@contextmanager
def open_counts(path: Path, place: str = "X") -> Iterator[CountRows]:
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
    file = _open(path)
    try:
        yield _rows_at(path, file, place)
    finally:
        if hasattr(file, "close"):
            file.close()


def _open(path: Path) -> Any:
    if not path.exists():
        raise ScfmError(str(path), "there is no such file", "Name an .h5ad file or a .zarr folder.")
    if path.is_dir():
        import zarr

        zarr_store.refuse_links(path)
        # The consolidated copy of the metadata may be older than the arrays.
        return attempt(str(path), lambda: zarr.open_group(path, mode="r", use_consolidated=False))
    import h5py

    if not h5py.is_hdf5(path):
        problem = "is no HDF5 file, which every .h5ad is" if path.stat().st_size else "is empty"
        raise ScfmError(str(path), problem, "Name an .h5ad file; if it is one, it is damaged: fetch it again.")
    send_scout(path)
    return attempt(str(path), lambda: h5py.File(path, "r", rdcc_nbytes=HDF5_CACHE))


def _rows_at(path: Path, root: Any, place: str) -> CountRows:
    where = f"{path}: {place}"
    library = zarr_store.LIBRARY if path.is_dir() else hdf5.LIBRARY

    def child(folder: Any, name: str) -> Any:
        return attempt(where, lambda: None if library.is_array(folder) else library.child(folder, name))

    element = root
    for name in _key(place).split("/"):
        element = None if element is None else child(element, name)
    if element is None:
        places = attempt(where, lambda: _places(root))
        raise ScfmError(where, "there is no such matrix", f"It has: {', '.join(places) or 'none'}.")
    arrays = (
        [element] if library.is_array(element) else [child(element, name) for name in ("data", "indices", "indptr")]
    )
    for array in arrays:
        if array is not None and (reason := attempt(where, lambda array=array: library.unsound(array))):
            raise ScfmError(where, reason, DAMAGED)
    encoding = attempt(where, lambda: element.attrs.get("encoding-type"))
    if encoding == "csr_matrix":
        shape = attempt(where, lambda: [int(n) for n in element.attrs["shape"]])
        if len(shape) != 2 or min(shape) < 0:
            raise ScfmError(where, f"has the shape {shape}", DAMAGED)
        return CsrRows(path, root, place, element, *shape)
    if encoding == "csc_matrix":
        problem = "is stored by columns (CSC), so that a cell cannot be read without reading all"
        remedy = "Write it by rows once, where it fits in memory: `adata.X = adata.X.tocsr()`, then `write_h5ad`."
        raise ScfmError(where, problem, remedy)
    if getattr(element, "ndim", 0) == 2 and element.dtype.kind in "biuf":
        return DenseRows(path, root, place, element, *map(int, element.shape))
    problem = "is no CSR matrix and no dense one of numbers"
    raise ScfmError(where, problem, "If anndata before 0.7 wrote the file, read it and write it again.")


def _key(place: str) -> str:
    return place.replace("raw.X", "raw/X")


def _places(root: Any) -> list[str]:
    places = ("X", *(f"layers/{name}" for name in sorted(root.get("layers") or ())), "raw.X")
    return [place for place in places if root.get(_key(place)) is not None]
