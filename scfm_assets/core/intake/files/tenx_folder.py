"""Folders of three texts, as Cell Ranger, STARsolo and the GEO keep them: a matrix, its features and its barcodes."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scfm_assets.core.genes import Repair
from scfm_assets.core.intake.file_parts import GZIP, MATRIX_NAMES, begins, folder_matrices, sibling
from scfm_assets.core.intake.files.matrices import StoredMatrix
from scfm_assets.core.intake.files.memory import check_memory
from scfm_assets.core.intake.files.stored import attempt, damaged
from scfm_assets.core.intake.files.tenx import gene_expression
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scfm_assets.core.intake.files.contents import Contents

DOC = "matrix.mtx, features.tsv or genes.tsv, and barcodes.tsv, plain or .gz, with a common prefix or without"
_FEWEST_BYTES = 5
"""Of a line of the matrix: two numbers, a count, and what parts them (the last line may have no end)."""
_MOST_PACKED = 1100
"""How many times a gzip stream can be larger than its file."""
_COORDINATES = (b"%%matrixmarket", b"matrix", b"coordinate")
_LINES = 2_000_000
_LONGEST_LINE = 10_000


@dataclass(frozen=True)
class TenxFolder:
    """The three files.

    Attributes
    ----------
    matrix, features, barcodes
        Paths.
    """

    matrix: Path
    features: Path
    barcodes: Path


def holds_matrix(path: Path) -> bool:
    """Whether a folder has a matrix in text, or a file is one."""
    if path.is_dir():
        return bool(folder_matrices(path))
    return path.name.endswith(MATRIX_NAMES) or _first_bytes(path).startswith(b"%%MatrixMarket")


@contextmanager
def open_folder(path: Path) -> Iterator[TenxFolder]:
    """Find the three files.

    Raises
    ------
    ScfmError
        If one is missing or lies elsewhere, or if there are several matrices.
    """
    matrices = folder_matrices(path) if path.is_dir() else [path]
    if len(matrices) > 1:
        problem = f"holds {len(matrices)} matrices ({', '.join(file.name for file in matrices[:5])})"
        raise ScfmError(str(path), problem, "Name one of them as the atlas's file.")
    files = TenxFolder(matrices[0], *(_beside(matrices[0], what) for what in ("features", "barcodes")))
    for file in (files.matrix, files.features, files.barcodes):
        if file.is_symlink() and path.is_dir() and not file.resolve().is_relative_to(path.resolve()):
            raise ScfmError(str(file), "is a link to elsewhere, which is not followed", "Put the file itself there.")
    yield files


def _beside(matrix: Path, what: str) -> Path:
    file = sibling(matrix, _COMPANIONS[what])
    if file is None:
        remedy = f"Put {' or '.join(_COMPANIONS[what])}, plain or .gz, with the matrix's prefix, beside it."
        raise ScfmError(str(matrix), f"has no {what} beside it", remedy)
    return file


_COMPANIONS = {"features": ("features.tsv", "genes.tsv"), "barcodes": ("barcodes.tsv",)}


def folder_contents(files: TenxFolder) -> Contents:
    """Read features and barcodes, and the head of the matrix."""
    features = _table(files.features)
    ids = features[0]
    columns = {"symbol": features[1] if len(features) > 1 else ids}
    if len(features) > 2:
        columns["feature_type"] = features[2]
    barcodes = _table(files.barcodes)[0]
    n_rows, n_columns, n_values = _head(files.matrix)
    turned = (n_rows, n_columns) == (len(barcodes), len(ids)) and n_rows != n_columns
    shape = (n_rows, n_columns) if turned else (n_columns, n_rows)
    matrix = StoredMatrix("X", *shape, lambda: _matrix(files.matrix, n_values, shape, turned=turned))
    contents = gene_expression(str(files.matrix), matrix, barcodes, ids, columns)
    if not turned:
        return contents
    note = Repair("matrix_of_cells_by_genes", n_values, "its rows are as many as the barcodes, not the features")
    return replace(contents, left_out=(*contents.left_out, note))


def _head(path: Path) -> tuple[int, int, int]:
    """Read the numbers of rows, columns and values that a matrix claims, and compare them with the file's size."""

    def read() -> tuple[bytes, list[bytes]]:
        with _opened(path) as stream:
            return stream.readline(_LONGEST_LINE), _line_of_sizes(stream).split()

    kind, sizes = attempt(str(path), read)
    if kind.lower().split() not in ([*_COORDINATES, numbers, b"general"] for numbers in (b"integer", b"real")):
        header = kind[:80].decode("utf-8", "replace").strip()
        problem = f"begins with {header!r}"
        raise ScfmError(str(path), problem, "'%%MatrixMarket matrix coordinate integer general' is wanted.")
    if len(sizes) != 3 or not all(size.isdigit() and len(size) < 16 for size in sizes):
        problem = f"has no line with its numbers of rows, columns and values (found {b' '.join(sizes)[:80]!r})"
        raise damaged(path, problem)
    n_rows, n_columns, n_values = (int(size) for size in sizes)
    most = path.stat().st_size * (_MOST_PACKED if _is_gzip(path) else 1)
    if n_values * _FEWEST_BYTES > most + _FEWEST_BYTES:
        raise damaged(path, f"claims {n_values:,} values, more than {path.stat().st_size:,} bytes can hold")
    return n_rows, n_columns, n_values


def _line_of_sizes(stream: IO[bytes]) -> bytes:
    """Read up to the first line that is neither empty nor a comment."""
    line = stream.readline(_LONGEST_LINE)
    while line.startswith(b"%") or (line and not line.strip()):
        line = stream.readline(_LONGEST_LINE)
    return line


def _matrix(path: Path, n_values: int, shape: tuple[int, int], *, turned: bool) -> sparse.csr_matrix:
    """Read the values in blocks of lines."""
    check_memory(str(path), n_values * 3 * 12)
    rows, columns = (np.empty(n_values, dtype=np.int32) for _ in range(2))
    values = np.empty(n_values, dtype=np.float64)
    ends = shape if turned else shape[::-1]

    def fill() -> int:
        at = 0
        with _opened(path) as stream:
            for block in _blocks(stream):
                if at + len(block) > n_values:
                    break
                one, other, value = (block[name].to_numpy() for name in range(3))
                for indices, end, what in ((one, ends[0], "row"), (other, ends[1], "column")):
                    if len(indices) and not (indices.min() >= 1 and indices.max() <= end):
                        problem = f"names {what} {indices[(indices < 1) | (indices > end)][0]}, and there are {end:,}"
                        raise damaged(path, problem)
                rows[at : at + len(one)], columns[at : at + len(one)] = one - 1, other - 1
                values[at : at + len(one)] = value
                at += len(one)
            else:
                return at
        return n_values + 1

    at = attempt(str(path), fill)
    if at != n_values:
        raise damaged(path, f"claims {n_values:,} values and holds {'more' if at > n_values else f'{at:,}'}")
    cells, genes = (rows, columns) if turned else (columns, rows)
    matrix = sparse.coo_matrix((values, (cells, genes)), shape=shape)
    check_memory(str(path), 8 * shape[0])
    return attempt(str(path), lambda: sparse.csr_matrix(matrix))


def _blocks(stream: IO[bytes]) -> Iterator[pd.DataFrame]:
    """Read the lines after the line of sizes."""
    _line_of_sizes(stream)
    types: Any = {0: np.int64, 1: np.int64, 2: np.float64}
    options: Any = {"header": None, "sep": r"\s+", "names": [0, 1, 2], "index_col": False, "dtype": types}
    try:
        yield from pd.read_csv(stream, chunksize=_LINES, quoting=3, na_filter=False, **options)
    except pd.errors.EmptyDataError:
        return


def _table(path: Path) -> list[list[str]]:
    """Read a list without a header as columns of text."""

    def read() -> list[list[str]]:
        with _opened(path) as stream:
            content = stream.read(_most_bytes(path)).decode("utf-8", "surrogateescape")
        lines = content.removesuffix("\n").split("\n") if content else []
        return [line.removesuffix("\r").split("\t") for line in lines]

    rows = attempt(str(path), read)
    if not rows:
        raise damaged(path, "is empty")
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) < min(width, 3):
            raise damaged(path, f"line {number:,} has {len(row)} columns, the first has {width}")
    return [[row[i] for row in rows] for i in range(min(width, 3))]


def _most_bytes(path: Path) -> int:
    """Bound what a list may unpack to."""
    return max(path.stat().st_size * 30, 2**24) if _is_gzip(path) else path.stat().st_size


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # pyright: ignore[reportReturnType]


def _is_gzip(path: Path) -> bool:
    return begins(path, GZIP)


def _first_bytes(path: Path) -> bytes:
    try:
        with _opened(path) as stream:
            return stream.read(64)
    except (OSError, EOFError, zlib.error):
        return b""
