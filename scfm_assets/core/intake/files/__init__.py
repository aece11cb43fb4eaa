"""Opening the files in which people keep atlases: recognised by what they hold, read one matrix at a time.

A format is a record (`contents.Format`); the rest iterates over `FORMATS`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scfm_assets.core.intake.file_parts import GZIP, begins
from scfm_assets.core.intake.files.anndata_layout import anndata_contents, is_anndata
from scfm_assets.core.intake.files.contents import AtlasFormat, Container, Contents
from scfm_assets.core.intake.files.hdf5 import open_hdf5
from scfm_assets.core.intake.files.loom import is_loom, loom_contents
from scfm_assets.core.intake.files.stored import DAMAGED, attempt, quietly
from scfm_assets.core.intake.files.tenx import DOC as TENX_DOC
from scfm_assets.core.intake.files.tenx import is_tenx, tenx_contents
from scfm_assets.core.intake.files.tenx_folder import DOC as FOLDER_DOC
from scfm_assets.core.intake.files.tenx_folder import folder_contents, holds_matrix, open_folder
from scfm_assets.core.intake.files.zarr_store import open_zarr
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    from scfm_assets.core.genes import Repair

_NOTES = "atlas_file"


@dataclass(frozen=True)
class FileNotes:
    """What is known of an AnnData because it came from a file.

    Attributes
    ----------
    format
        Name of the file's format.
    left_out
        What the format holds beside genes, and was not taken.
    passed
        What stands at places that were looked at before the counts were found, a line for each fact.
    """

    format: str = "in memory"
    left_out: tuple[Repair, ...] = ()
    passed: tuple[str, ...] = ()


def _is_hdf5(path: Path) -> bool:
    import h5py

    return path.is_file() and h5py.is_hdf5(path)


def _is_zarr(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in (".zgroup", "zarr.json", ".zmetadata"))
    return begins(path, b"PK\x03\x04")


HDF5 = Container("HDF5", _is_hdf5, open_hdf5)
ZARR = Container("zarr", _is_zarr, open_zarr)
TEXTS = Container("MatrixMarket", holds_matrix, open_folder)

FORMATS = (
    AtlasFormat("AnnData, HDF5 (.h5ad)", HDF5, is_anndata, anndata_contents, "obs and var at the top"),
    AtlasFormat("loom", HDF5, is_loom, loom_contents, "an array 'matrix' with row_attrs and col_attrs"),
    AtlasFormat("10x HDF5 (.h5)", HDF5, is_tenx, tenx_contents, TENX_DOC),
    AtlasFormat("AnnData, zarr", ZARR, is_anndata, anndata_contents, "obs and var at the top"),
    AtlasFormat("10x text (matrix.mtx)", TEXTS, lambda _: True, folder_contents, FOLDER_DOC),
)
"""What is read, in the order in which it is asked for."""


def load(
    path: Path,
    order: Callable[[Sequence[str]], tuple[Sequence[str], Sequence[str]]],
    enough: Callable[[sparse.csr_matrix], bool],
    words: Callable[[str, sparse.csr_matrix, pd.DataFrame, pd.DataFrame], tuple[str, ...]],
) -> AnnData:
    """Read cells, genes and the first good matrix of an atlas's file, as CSR.

    Parameters
    ----------
    path
        The file or folder.
    order
        Given the places that hold matrices (``X``, ``layers/<name>``, ``raw.X``), says which may be taken, in order,
        and which are to be read beyond them if none of these is good.
    enough
        Given a matrix, says whether to stop there. If it may be taken, the ones before it are then forgotten.
    words
        Says what a matrix holds, given its place, cells and genes: what is kept of those that are forgotten.

    Returns
    -------
    AnnData with the good matrix at its place, or with all that were read if none is good; see `notes_of`.

    Raises
    ------
    ScfmError
        If there is no such file, if it is of no known format, or damaged.
    """
    with _opened(path) as (form, contents):
        known = {matrix.place: matrix for matrix in contents.matrices}
        read: dict[str, sparse.csr_matrix] = {}
        passed: tuple[str, ...] = ()
        preferred, beyond = order(tuple(known))
        for place in (*preferred, *beyond):
            where = f"{path}: {place}"
            var = _var_at(path, place, contents)
            shape = (known[place].n_cells, known[place].n_genes)
            if shape != (len(contents.obs), len(var)):
                labelled = f"with labels of {len(contents.obs):,} and {len(var):,}"
                problem = f"the matrix is {shape[0]:,} cells x {shape[1]:,} genes, {labelled}"
                raise ScfmError(where, problem, DAMAGED)
            matrix = attempt(where, known[place].read)
            is_enough = enough(matrix)
            if is_enough and place in preferred:
                for before, other in read.items():
                    passed += words(before, other, contents.obs, _var_at(path, before, contents))
                read = {place: matrix}
                break
            read[place] = matrix
            if is_enough:
                break
    notes = FileNotes(form.name, contents.left_out, passed)
    return attempt(str(path), lambda: _assemble(contents, read, notes))


def labels(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the cells and genes of an atlas's file, and no matrix.

    Raises
    ------
    ScfmError
        As `load`.
    """
    with _opened(path) as (_, contents):
        return contents.obs, contents.var


def notes_of(adata: AnnData) -> FileNotes:
    """What `load` noted of an AnnData's file."""
    notes = adata.uns.get(_NOTES)
    return notes if isinstance(notes, FileNotes) else FileNotes()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[AtlasFormat, Contents]]:
    container = _container(path)
    with container.open(path) as top:
        form = next((form for form in FORMATS if form.container is container and form.recognise(top)), None)
        if form is None:
            layouts = "; ".join(f"{f.name}: {f.doc}" for f in FORMATS if f.container is container)
            names = ", ".join(map(repr, top.names()[:20])) or "nothing"
            problem = f"is {container.name}, but no atlas (it has: {names})"
            raise ScfmError(str(path), problem, f"An atlas has: {layouts}.")
        yield form, form.contents(top)


def _container(path: Path) -> Container:
    try:
        if not path.exists():
            remedy = "Look at the path in the catalog, and at SCFM_DATA if it stands in it."
            raise ScfmError(str(path), "there is no such file", remedy)
        container = next((candidate for candidate in (HDF5, ZARR, TEXTS) if candidate.holds(path)), None)
        if container is not None:
            return container
        remedy = f"These are read: {'; '.join(form.name for form in FORMATS)}."
        if path.is_dir():
            raise ScfmError(str(path), "is a folder that holds no atlas", remedy)
        if not path.stat().st_size:
            raise ScfmError(str(path), "is empty", "Fetch it again.")
        if begins(path, GZIP):
            problem = "is compressed as a whole, or an R object"
            raise ScfmError(str(path), problem, f"Unpack it first (`gunzip`), or write it in R as .h5ad. {remedy}")
        raise ScfmError(str(path), "is of none of the formats that are read", f"It may be damaged. {remedy}")
    except OSError as error:
        raise ScfmError(str(path), f"cannot be opened ({error.strerror or error})", "Look at its rights.") from error


def _var_at(path: Path, place: str, contents: Contents) -> pd.DataFrame:
    if place != "raw.X":
        return contents.var
    if contents.raw_var is None:
        where = f"{path}: raw.X"
        raise ScfmError(where, "has no genes beside it (raw/var)", "Name another place as `counts`.")
    return contents.raw_var


def _assemble(contents: Contents, matrices: dict[str, sparse.csr_matrix], notes: FileNotes) -> AnnData:
    from anndata import AnnData

    layers = {place.removeprefix("layers/"): m for place, m in matrices.items() if place.startswith("layers/")}
    uns = {"scfm": {"simulated": contents.simulated}, _NOTES: notes}
    obs = contents.obs
    adata = quietly(lambda: AnnData(X=matrices.get("X"), obs=obs, var=contents.var, layers=layers, uns=uns))
    if "raw.X" in matrices:
        adata.raw = AnnData(X=matrices["raw.X"], obs=obs.drop(columns=list(obs.columns)), var=contents.raw_var)
    return adata
