"""The steps by which the cells of an atlas are taken in once its counts are found: chosen, labelled, named.

Every step stands alone, so that the inspection can ask all of them and not stop at the first error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scfm_assets.core.base import is_plain, shown
from scfm_assets.core.genes import Repair, is_ensembl, texts
from scfm_assets.core.intake.counts import shape_of
from scfm_assets.core.intake.spec import UNDECLARED, AtlasSpec
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scipy import sparse


def take_rows(obs: pd.DataFrame, spec: AtlasSpec) -> tuple[np.ndarray, tuple[Repair, ...]]:
    """Choose the cells that the atlas declares its own: by the values of columns, and by having a label.

    Returns
    -------
    Mask of shape (n_cells,), and what is left out.

    Raises
    ------
    ScfmError
        If a declared column is not there, or if no cell has the values asked for.
    """
    rows, left_out = np.ones(len(obs), dtype=bool), []
    for column, allowed in spec.where.items():
        values = texts(column_of(obs, column, "where", spec))
        chosen = np.isin(values.astype(str), list(allowed))
        if not chosen.any():
            examples = ", ".join(map(shown, sorted(set(values))[:5]))
            problem = f"no cell has {column!r} of {' or '.join(map(repr, allowed))} (values: {examples or 'none'})"
            raise ScfmError(spec.place, problem, f"Correct `where` for {spec.entry}.")
        if (rows & ~chosen).any():
            left_out.append(Repair("cells_not_asked_for", int((rows & ~chosen).sum()), f"by {column!r}"))
        rows &= chosen
    if spec.drop_unlabelled and spec.cell_type is not None:
        without = rows & (texts(column_of(obs, spec.cell_type, "cell_type", spec)) == "")
        if without.any():
            first = f"first: {shown(obs.index[without.argmax()])}"
            left_out.append(Repair("unlabelled_cells_dropped", int(without.sum()), first))
        rows &= ~without
    if not rows.any() and len(obs):
        problem = f"none of {len(obs):,} cells is taken"
        raise ScfmError(spec.place, problem, f"Correct `where` and `drop_unlabelled` for {spec.entry}.")
    return rows, tuple(left_out)


def take_labels(obs: pd.DataFrame, spec: AtlasSpec) -> pd.DataFrame:
    """Take cell type, donor and batch as categories of text, and the assay if one is declared.

    Raises
    ------
    ScfmError
        If a declared column is not there or has missing values, or if there is one cell type only.
    """
    names = (*UNDECLARED, *(["assay"] if spec.assay is not None else []))
    return pd.DataFrame({name: take_label(obs, name, spec) for name in names}, index=obs.index)


def take_label(obs: pd.DataFrame, name: str, spec: AtlasSpec) -> pd.Categorical:
    """Take one of cell_type, donor, batch, assay, see `take_labels`."""
    column = getattr(spec, name)
    if column is None:
        return pd.Categorical([UNDECLARED[name]] * len(obs))
    values = _complete(obs, column, name, spec)
    kinds = sorted(set(values))
    refuse_strange(kinds, f"obs column {column!r}", spec)
    if name == "cell_type" and len(kinds) == 1:
        problem = f"obs column {column!r} has one cell type only, {kinds[0]!r} for all {len(obs):,} cells"
        remedy = f"Name a column with several types for {spec.entry} (obs has: {_names_listed(obs.columns)}), or write"
        raise ScfmError(spec.place, problem, f"{remedy} `cell_type: null` to declare the cells unlabelled.")
    return pd.Categorical(values, categories=kinds)


def take_barcodes(names: Iterable[Any], spec: AtlasSpec) -> np.ndarray:
    """Take the names of the cells, which must be unique.

    Raises
    ------
    ScfmError
        If a barcode occurs twice, or if the barcodes are gene ids because the file is genes x cells.
    """
    barcodes = np.array([str(name) for name in names], dtype=object)
    refuse_strange(barcodes, "the index of obs", spec)
    gene_ids = [name for name in barcodes[:100] if is_ensembl(name)]
    if len(gene_ids) > 0.5 * len(barcodes[:100]):
        problem = f"the index of obs holds gene ids (first: {gene_ids[0]}), so that the file is genes x cells"
        raise ScfmError(spec.place, problem, "Write it as cells x genes: `adata.T.write_h5ad(...)`.")
    repeated = pd.Index(barcodes).duplicated()
    if repeated.any():
        again = barcodes[repeated.argmax()]
        one, other = np.flatnonzero(barcodes == again)[:2]
        problem = f"the index of obs has {len(set(barcodes[repeated])):,} barcodes more than once "
        problem += f"(first: {again}, in rows {one} and {other})"
        remedy = "Every cell needs a name of its own: put the sample's name before it, or"
        raise ScfmError(spec.place, problem, f"{remedy} `adata.obs_names_make_unique()`.")
    return barcodes


def choose(
    counts: sparse.csr_matrix, barcodes: np.ndarray, spec: AtlasSpec
) -> tuple[np.ndarray, np.ndarray, tuple[Repair, ...]]:
    """Choose the cells and genes to keep: those that hold counts, and as many as the atlas's thresholds ask.

    Returns
    -------
    Masks of shape (n_cells,) and (n_genes,), and what is left out.

    Raises
    ------
    ScfmError
        If a cell is empty and the atlas does not say what to do about it, or fewer cells than ``max_n_cells`` remain.
    """
    poor = np.diff(counts.indptr) < spec.min_genes
    in_cells = np.bincount((counts[~poor] if poor.any() else counts).indices, minlength=shape_of(counts)[1])
    unseen, rare = in_cells == 0, (in_cells > 0) & (in_cells < spec.min_cells)
    columns = ~unseen & ~rare
    empty = ~poor & (np.diff(counts[:, columns].indptr if rare.any() else counts.indptr) == 0)
    if empty.any() and not spec.drop_empty:
        problem = f"{empty.sum():,} cells hold no counts (first: {barcodes[empty.argmax()]})"
        raise ScfmError(spec.place, problem, f"Write `drop_empty: true` for {spec.entry} to leave them out.")
    rows = ~poor & ~empty
    n_cells, enough = int(rows.sum()), spec.max_n_cells or 1
    if n_cells < enough:
        problem = f"{n_cells:,} cells remain, fewer than the {enough:,} asked for"
        remedy = f"Let `experiment.n_cells` end at {n_cells} or below, or use more cells."
        raise ScfmError(spec.place, problem, remedy if n_cells else "Lower `min_genes` and `min_cells`.")
    left_out = {
        "cells_below_min_genes": (poor, f"first: {barcodes[poor.argmax()]}"),
        "empty_cells_dropped": (empty, f"first: {barcodes[empty.argmax()]}"),
        "empty_genes_dropped": (unseen, f"first: column {unseen.argmax()}"),
        "genes_below_min_cells": (rare, f"first: column {rare.argmax()}"),
    }
    repairs = (Repair(what, int(mask.sum()), example) for what, (mask, example) in left_out.items() if mask.any())
    return rows, columns, tuple(repairs)


def refuse_strange(names: Iterable[str], what: str, spec: AtlasSpec) -> None:
    """Refuse control characters and bytes that are no text: no table, plot or terminal would bear them.

    Raises
    ------
    ScfmError
        If a name holds any.
    """
    strange = next((name for name in names if not is_plain(name)), None)
    if strange is not None:
        problem = f"{what} has a name with characters that cannot be shown (first: {shown(strange)})"
        raise ScfmError(spec.place, problem, "Clean the names in the file.")


def _complete(obs: pd.DataFrame, column: str, name: str, spec: AtlasSpec) -> np.ndarray:
    """Texts of a declared column of obs, which must have a value for every cell."""
    undeclare = "write `cell_type: null`" if name == "cell_type" else f"leave `{name}` out"
    values = texts(column_of(obs, column, name, spec))
    missing = values == ""
    if missing.any():
        first = obs.index[missing.argmax()]
        share = f"{missing.sum():,} of {len(obs):,} cells"
        problem = f"obs column {column!r} has no value for {share} (first: {shown(first)})"
        drop = "write `drop_unlabelled: true` to leave them out" if name == "cell_type" else "take them out of the file"
        remedy = f"Label these cells, {drop}, or {undeclare} for {spec.entry}."
        raise ScfmError(spec.place, problem, remedy)
    return values


def column_of(frame: pd.DataFrame, column: str, name: str, spec: AtlasSpec) -> Sequence[Any]:
    """Values of a declared column of obs or var.

    Raises
    ------
    ScfmError
        If it is not there.
    """
    if column in frame.columns:
        values: Any = frame[column]
        return values.tolist()
    table = "var" if name in {"gene_id", "symbol"} else "obs"
    without = {"cell_type": "write `cell_type: null` if the cells are unlabelled"}
    otherwise = "leave it out if there is none" if table == "obs" else "leave it out if the index of var holds it"
    problem = f"{table} has no column {column!r} (it has: {_names_listed(frame.columns)})"
    raise ScfmError(spec.place, problem, f"Name one as `{name}` for {spec.entry}, or {without.get(name, otherwise)}.")


def _names_listed(names: Iterable[Any]) -> str:
    listed = list(map(shown, names))
    return (", ".join(listed[:30]) or "none") + (f" and {len(listed) - 30:,} more" if len(listed) > 30 else "")
