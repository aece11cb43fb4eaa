"""Outputs of 10x Cell Ranger: one HDF5 file, or a folder of three texts. Cells have barcodes and no labels."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.genes import Repair
from scfm_assets.core.intake.files.contents import Contents
from scfm_assets.core.intake.files.frames import frame_of
from scfm_assets.core.intake.files.matrices import StoredMatrix, compressed
from scfm_assets.core.intake.files.stored import NUMBERS, TEXTS, damaged
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from scfm_assets.core.intake.files.stored import StoredNode

DOC = "a group 'matrix' with features and barcodes, or one genome's group with genes and barcodes"
GENES = "Gene Expression"
_VALUES = {"data", "indices", "indptr", "shape", "barcodes"}
_GEM_GROUP = re.compile(r"[ACGTN]{6,}-(\d{1,3})")


def is_tenx(top: StoredNode) -> bool:
    """Whether this is what Cell Ranger writes as HDF5."""
    return _version_3(top) or bool(_genomes(top))


def tenx_contents(top: StoredNode) -> Contents:
    """Read a Cell Ranger matrix, of version 3 and later or of one genome of version 2."""
    if not _version_3(top):
        return _version_2(top)
    matrix = top.need("matrix")
    features = matrix.need("features")
    ids = _texts(features.need("id"))
    columns = {"symbol": _texts(features.need("name"))}
    columns |= {name: _texts(node) for name in ("feature_type", "genome") if (node := features.get(name)) is not None}
    return gene_expression(features.place, _matrix(matrix), _texts(matrix.need("barcodes")), ids, columns)


def gene_expression(
    place: str, matrix: StoredMatrix, barcodes: Sequence[str], ids: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> Contents:
    """Keep the features that are genes; antibodies, guides and multiplexing tags are counted and left out.

    Parameters
    ----------
    place
        The list of features, for errors.
    matrix
        Cells x features.
    barcodes
        Names of cells, shape (n_cells,).
    ids, columns
        Ids of features and what else is said of them, shape (n_features,) each.
    """
    uneven = [name for name, values in columns.items() if len(values) != len(ids)]
    if uneven:
        problem = f"has {len(ids):,} ids and {len(columns[uneven[0]]):,} values of {uneven[0]!r}"
        raise ScfmError(place, problem, "It is damaged: write or fetch it again.")
    for names, n_wanted, what in ((barcodes, matrix.n_cells, "barcodes"), (ids, matrix.n_genes, "features")):
        if len(names) != n_wanted:
            problem = f"there are {len(names):,} {what}, and the matrix has {n_wanted:,}"
            raise ScfmError(place, problem, "The parts do not belong together: fetch them again.")
    types = np.asarray(columns.get("feature_type", [GENES] * len(ids)), dtype=object)
    genes, left_out = types == GENES, ()
    var = frame_of(place, columns, ids)
    if not genes.all():
        if not genes.any():
            problem = f"no feature is of the type {GENES!r} (types: {', '.join(map(repr, sorted(set(types))[:5]))})"
            raise ScfmError(place, problem, "Use the file of the gene expression library.")
        kinds = ", ".join(f"{n:,} {kind!r}" for kind, n in sorted(Counter(types[~genes].tolist()).items()))
        left_out = (Repair("other_features_left_out", int((~genes).sum()), f"{kinds}; first: {var.index[~genes][0]}"),)
        all_features = matrix
        matrix = replace(matrix, n_genes=int(genes.sum()), read=lambda: all_features.read()[:, genes])
    return Contents(_cells(place, barcodes), var.loc[genes], (matrix,), left_out=left_out)


def _cells(place: str, barcodes: Sequence[str]) -> pd.DataFrame:
    """Table of the cells, with the library that a barcode's number stands for where there are several."""
    numbers = [_GEM_GROUP.fullmatch(barcode) for barcode in barcodes]
    groups = [match.group(1) for match in numbers if match]
    columns = {"gem_group": groups} if len(groups) == len(barcodes) and len(set(groups)) > 1 else {}
    return frame_of(place, columns, barcodes)


def _version_3(top: StoredNode) -> bool:
    matrix = top.get("matrix") if "matrix" in top.names() else None
    return matrix is not None and not matrix.is_array and "features" in matrix.names()


def _genomes(top: StoredNode) -> list[str]:
    groups = {name: top.get(name) for name in top.names()}
    return [n for n, group in groups.items() if group is not None and {"genes", *_VALUES} <= set(group.names())]


def _version_2(top: StoredNode) -> Contents:
    genomes = _genomes(top)
    if len(genomes) > 1:
        problem = f"holds {len(genomes)} genomes ({', '.join(map(repr, genomes))})"
        raise ScfmError(str(top.path), problem, "An atlas is of one organism: write one file per genome.")
    group = top.need(genomes[0])
    ids = _texts(group.need("genes"))
    names = group.get("gene_names")
    columns = {"symbol": ids if names is None else _texts(names), "genome": [genomes[0]] * len(ids)}
    return gene_expression(group.place, _matrix(group), _texts(group.need("barcodes")), ids, columns)


def _matrix(group: StoredNode) -> StoredMatrix:
    """Describe the matrix: written as features x cells by columns, which is cells x features by rows."""
    shape = group.need("shape").vector("the shape of the matrix", "iu").read().tolist()
    if len(shape) != 2 or min(shape) < 0:
        raise damaged(group, f"has no shape of a matrix ({shape})")
    if group.need("data").kind not in NUMBERS:
        raise damaged(group, "holds a matrix of no numbers")
    return compressed("X", group, (shape[1], shape[0]), by_cell=True)


def _texts(node: StoredNode) -> list[str]:
    return node.vector("a list of names", TEXTS).texts().tolist()
