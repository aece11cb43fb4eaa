"""Which files an atlas consists of; most are one file, some are a folder or three files of one prefix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MATRIX_NAMES = ("matrix.mtx", "matrix.mtx.gz")
GZIP = b"\x1f\x8b"
"""How a file begins that gzip packed."""
COMPANION_NAMES = ("features.tsv", "genes.tsv", "barcodes.tsv")


def parts(path: Path) -> dict[str, Path]:
    """The files that an atlas is read from, by their names below its folder, in order.

    A file is its own only part, but for a matrix in text, which has its features and barcodes beside it. A folder
    with such a matrix consists of these three, any other folder of all files below it.
    """
    if path.is_dir():
        matrices = folder_matrices(path)
        if len(matrices) == 1:
            return parts(matrices[0])
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {file.relative_to(path).as_posix(): file for file in files}
    if not path.name.endswith(MATRIX_NAMES):
        return {path.name: path}
    beside = [sibling(path, (name,)) for name in COMPANION_NAMES]
    return {file.name: file for file in (path, *beside) if file is not None}


def begins(path: Path, mark: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def folder_matrices(folder: Path) -> list[Path]:
    """List the matrices in text that lie in a folder, in order."""
    return sorted(file for file in folder.iterdir() if file.name.endswith(MATRIX_NAMES) and file.is_file())


def sibling(matrix: Path, names: Sequence[str]) -> Path | None:
    """Find the file of one of these names, plain or .gz, that has the prefix of a matrix in text."""
    prefix = next((matrix.name.removesuffix(end) for end in MATRIX_NAMES if matrix.name.endswith(end)), "")
    candidates = (matrix.with_name(f"{prefix}{name}{end}") for name in names for end in ("", ".gz"))
    return next((file for file in candidates if file.is_file()), None)
