"""Opening .h5ad files: labels, and only as many matrices as it takes to find counts.

An .h5ad may hold one tissue's counts three times over, beside embeddings and graphs that we never look at. What is read
here is obs, var and one matrix after the other, in the order that the caller asks for, until one is good.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import sparse

from scfm_assets.core.counts import csr_of
from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

T = TypeVar("T")

_DENSE_BLOCK_BYTES = 64 * 2**20
_SPARSE = ("csr_matrix", "csc_matrix")


def load(
    path: Path, order: Callable[[Sequence[str]], Sequence[str]], enough: Callable[[sparse.csr_matrix], bool]
) -> AnnData:
    """Read obs, var and the first good matrix of an .h5ad file, as CSR.

    Parameters
    ----------
    path
        The file.
    order
        Given the places that hold matrices (``X``, ``layers/<name>``, ``raw.X``), says which to read, in order.
    enough
        Given a matrix, says whether to stop there.

    Returns
    -------
    AnnData with all matrices that were read, each at its place. Of uns only ``scfm`` is read.

    Raises
    ------
    ScfmError
        If the file is not there, is no .h5ad, or is damaged.
    """
    with _open(path) as file:
        if _attempt(path, lambda: _is_old(file)):
            return _attempt(path, lambda: _load_whole(path))
        obs, var = (_attempt(path, lambda part=part: _element(file[part])) for part in ("obs", "var"))
        found = _attempt(path, lambda: _places(file))
        matrices: dict[str, sparse.csr_matrix] = {}
        for place in order(tuple(found)):
            matrices[place] = _attempt(path, lambda place=place: _matrix(found[place]))
            if enough(matrices[place]):
                break
        raw_var = _attempt(path, lambda: _element(file["raw/var"])) if "raw.X" in matrices else None
        uns = _attempt(path, lambda: {"scfm": _element(file["uns/scfm"])} if "uns/scfm" in file else {})
    return _attempt(path, lambda: _assemble(obs, var, raw_var, matrices, uns))


def column_names(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the names of the columns of obs and of var.

    Raises
    ------
    ScfmError
        As `load`.
    """
    with _open(path) as file:
        if _attempt(path, lambda: _is_old(file)):
            whole = _attempt(path, lambda: _load_whole(path))
            return tuple(whole.obs.columns), tuple(whole.var.columns)
        obs, var = (_attempt(path, lambda part=part: _element(file[part])) for part in ("obs", "var"))
        return tuple(map(str, obs.columns)), tuple(map(str, var.columns))


def quietly(make: Callable[[], T]) -> T:
    """Make an AnnData without its warnings: names that are not unique are refused later, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def _attempt(path: Path, read: Callable[[], T]) -> T:
    """Read something: whatever h5py and anndata raise over a user's file is about that file."""
    try:
        return quietly(read)
    except MemoryError:
        raise
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        problem = f"cannot be read as .h5ad ({type(error).__name__}: {first_line})"
        raise ScfmError(str(path), problem, "It is truncated or damaged: write or fetch it again.") from error


def _open(path: Path) -> Any:
    """Open an AnnData's HDF5 file, refusing what is none."""
    import h5py

    if path.is_dir():
        raise ScfmError(str(path), "is a folder", "Name one .h5ad file.")
    if not path.exists():
        remedy = "Look at the path in the catalog, and at SCFM_DATA if it stands in it."
        raise ScfmError(str(path), "there is no such file", remedy)
    if not h5py.is_hdf5(path):
        problem = "is no HDF5 file, which every .h5ad is" if path.stat().st_size else "is empty"
        raise ScfmError(str(path), problem, "Name an .h5ad file; if it is one, it is damaged: fetch it again.")
    file = _attempt(path, lambda: h5py.File(path))
    top = _attempt(path, lambda: sorted(file))
    if "obs" in top and "var" in top:
        return file
    file.close()
    remedy = "Name an .h5ad file."
    if "matrix" in top:
        remedy = (
            f"It looks like a 10x matrix: `scanpy.read_10x_h5({path.name!r}).write_h5ad(...)` makes an .h5ad of it."
        )
    raise ScfmError(str(path), f"is HDF5 but no AnnData: it has no obs and var (it has: {', '.join(top)})", remedy)


def _is_old(file: Any) -> bool:
    """Whether anndata wrote this before it marked every element with its encoding (before 0.7)."""
    return any("encoding-type" not in file[part].attrs for part in ("obs", "var"))


def _load_whole(path: Path) -> AnnData:
    from anndata import read_h5ad

    return read_h5ad(path)


def _places(file: Any) -> dict[str, Any]:
    """List every matrix of numbers in the file."""
    named = {"X": file.get("X")}
    named |= {f"layers/{name}": layer for name, layer in file.get("layers", {}).items()}
    named["raw.X"] = file.get("raw/X")
    return {place: element for place, element in named.items() if _holds_numbers(element)}


def _holds_numbers(element: Any) -> bool:
    import h5py

    if element is None:
        return False
    if element.attrs.get("encoding-type") in _SPARSE:
        return element["data"].dtype.kind in "biuf"
    return isinstance(element, h5py.Dataset) and element.ndim == 2 and element.dtype.kind in "biuf"


def _matrix(element: Any) -> sparse.csr_matrix:
    """Read a matrix as CSR; a dense one in blocks of rows, so that it is never in memory as a whole."""
    import h5py

    if isinstance(element, h5py.Group):
        stored = _element(element)
        stored.check_format(full_check=True)  # scipy's conversions trust the indices and would read beyond the arrays
        return csr_of(stored)
    n_rows, n_columns = element.shape
    step = max(_DENSE_BLOCK_BYTES // max(n_columns * element.dtype.itemsize, 1), 1)
    blocks = [csr_of(element[start : start + step]) for start in range(0, n_rows, step)]
    return csr_of(sparse.vstack(blocks, format="csr") if blocks else np.zeros((0, n_columns), dtype=np.float32))


def _element(element: Any) -> Any:
    from anndata.io import read_elem

    return read_elem(element)


def _assemble(
    obs: pd.DataFrame,
    var: pd.DataFrame,
    raw_var: pd.DataFrame | None,
    matrices: dict[str, sparse.csr_matrix],
    uns: dict[str, Any],
) -> AnnData:
    from anndata import AnnData

    layers = {place.removeprefix("layers/"): m for place, m in matrices.items() if place.startswith("layers/")}
    adata = AnnData(X=matrices.get("X"), obs=obs, var=var, layers=layers, uns=uns)
    if raw_var is not None:
        adata.raw = AnnData(X=matrices["raw.X"], obs=obs.drop(columns=list(obs.columns)), var=raw_var)
    return adata
