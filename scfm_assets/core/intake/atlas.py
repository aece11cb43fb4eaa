"""Atlases: the raw counts of one tissue, read from what people have and brought into the one form that we work on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scfm_assets.core.intake.count_source import matrix_lines, take_counts, wanted
from scfm_assets.core.intake.counts import prove_counts
from scfm_assets.core.intake.files import load, notes_of
from scfm_assets.core.intake.files.stored import quietly
from scfm_assets.core.intake.gene_intake import check_organism, take_genes, unite_genes
from scfm_assets.core.intake.obs import choose, take_barcodes, take_labels, take_rows
from scfm_assets.core.intake.spec import AUTO, AtlasSpec
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scipy import sparse

SCANPY_ATLASES = ("pbmc68k_reduced",)
"""Atlases that come with scanpy itself, so that no network is needed."""


def read(spec: AtlasSpec) -> AnnData:
    """Open an atlas's file or folder, of any of `atlas_files.FORMATS`.

    Matrices are read one by one, the declared one first, until one of them holds raw counts, which alone is kept. If
    none does, all are there for the error to say what they hold.

    Parameters
    ----------
    spec
        What is declared about it.

    Returns
    -------
    AnnData with obs, var and the matrix that holds counts, as CSR (dense and CSC ones are converted).

    Raises
    ------
    ScfmError
        If the file is not there, damaged or of no known format, or has no matrix at the declared place.
    """
    if spec.path is None:
        raise ScfmError(spec.place, "has no file", f"Name one for {spec.entry}.")

    def order(places: Sequence[str]) -> tuple[list[str], list[str]]:
        first = wanted(spec, places)
        others = dict.fromkeys(place for place in (*AUTO, *places) if place in places and place not in first)
        return first, list(others)

    def enough(matrix: sparse.csr_matrix) -> bool:
        return spec.recover is not None or prove_counts(matrix).ok

    return load(spec.path, order, enough, matrix_lines)


def read_scanpy(name: str) -> AnnData:
    """Read an atlas that comes with scanpy.

    Parameters
    ----------
    name
        One of `SCANPY_ATLASES`.

    Raises
    ------
    ScfmError
        If it is no such atlas.
    """
    if name not in SCANPY_ATLASES:
        place, problem = f"atlas {name!r}", "does not come with scanpy"
        raise ScfmError(place, problem, f"Allowed: {', '.join(SCANPY_ATLASES)}.")
    import scanpy

    return quietly(getattr(scanpy.datasets, name))


def process(adata: AnnData, spec: AtlasSpec) -> AnnData:
    """Bring an atlas into the one form that everything downstream reads.

    Parameters
    ----------
    adata
        From `read`, `read_scanpy` or a simulator, which says so by ``uns["scfm"]["simulated"]``. It is not changed.
    spec
        What is declared about it.

    Returns
    -------
    AnnData with raw counts in ``X`` (CSR int32, sorted indices, no empty cell or gene), cells and genes in their order
    in the file; obs has ``cell_type``, ``donor``, ``batch``, ``assay`` if one is declared, ``n_counts``, ``n_genes``;
    var is indexed by canonical gene id and has ``symbol`` and ``mapped``; ``uns["scfm"]`` has ``tissue``, ``organism``,
    ``simulated``, ``counts_from`` and ``repairs`` (JSON list of ``what``, ``n``, ``example``).

    Raises
    ------
    ScfmError
        If anything in the file contradicts the declaration or cannot be counts.
    """
    from anndata import AnnData

    source = take_counts(adata, spec)
    frame: Any = adata.obs
    chosen, not_taken = take_rows(frame, spec)
    taken, frame = (source.counts, frame) if chosen.all() else (source.counts[chosen], frame[chosen])
    barcodes = take_barcodes(frame.index, spec)
    labels = take_labels(frame, spec)
    names = take_genes(source.var, spec)
    check_organism(names, frame, spec)
    counts, first, merged = unite_genes(taken, names, spec)
    rows, columns, dropped = choose(counts, barcodes, spec)
    kept = counts if rows.all() and columns.all() else counts[rows][:, columns]
    kept_labels = labels[rows].apply(lambda column: column.cat.remove_unused_categories())
    obs = kept_labels.assign(
        n_counts=np.asarray(kept.sum(axis=1, dtype=np.int64)).ravel(), n_genes=np.diff(kept.indptr).astype(np.int32)
    )
    genes = first[columns]
    var = pd.DataFrame(
        {"symbol": names.symbols[genes], "mapped": names.mapped[genes]}, index=pd.Index(names.ids[genes])
    )
    repairs = (*notes_of(adata).left_out, *source.repairs, *not_taken, *names.repairs, *merged, *dropped)
    about_file = adata.uns.get("scfm")
    about = {
        "tissue": spec.tissue,
        "organism": spec.organism,
        "simulated": bool(about_file.get("simulated", False)) if isinstance(about_file, dict) else False,
        "counts_from": source.place,
        "repairs": json.dumps([asdict(repair) for repair in repairs]),
    }
    return AnnData(X=kept, obs=obs.set_axis(pd.Index(barcodes[rows])), var=var, uns={"scfm": about})
