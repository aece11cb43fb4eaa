"""The steps by which an atlas is taken in once its counts are found: labels, barcodes and genes, each proven and named.

Every step stands alone, so that the audit can ask all of them and not stop at the first error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scfm_assets.core.atlas_spec import UNDECLARED, AtlasSpec
from scfm_assets.core.counts import merge_columns, shape_of
from scfm_assets.core.errors import ScfmError
from scfm_assets.core.genes import (
    ORGANISMS,
    GeneNames,
    Repair,
    is_date,
    is_ensembl,
    name_genes,
    organism_of,
    read_gene_table,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scipy import sparse


def take_labels(obs: pd.DataFrame, spec: AtlasSpec) -> pd.DataFrame:
    """Take cell type, donor and batch as categories of text.

    Raises
    ------
    ScfmError
        If a declared column is not there or has missing values, or if there is one cell type only.
    """
    return pd.DataFrame({name: take_label(obs, name, spec) for name in UNDECLARED}, index=obs.index)


def take_label(obs: pd.DataFrame, name: str, spec: AtlasSpec) -> pd.Categorical:
    """Take one of cell_type, donor, batch, see `take_labels`."""
    column = getattr(spec, name)
    if column is None:
        return pd.Categorical([UNDECLARED[name]] * len(obs))
    values = _complete(obs, column, name, spec)
    kinds = sorted(set(values))
    if name == "cell_type" and len(kinds) == 1:
        problem = f"obs column {column!r} has one cell type only, {kinds[0]!r} for all {len(obs):,} cells"
        remedy = (
            f"Name a column with several types for {spec.entry} (obs has: {_listed(obs.columns)}), "
            "or write `cell_type: null` to declare the cells unlabelled."
        )
        raise ScfmError(spec.place, problem, remedy)
    return pd.Categorical(values, categories=kinds)


def take_barcodes(names: Iterable[Any], spec: AtlasSpec) -> np.ndarray:
    """Take the names of the cells, which must be unique.

    Raises
    ------
    ScfmError
        If a barcode occurs twice, or if the barcodes are gene ids because the file is genes x cells.
    """
    barcodes = np.array([str(name) for name in names], dtype=object)
    gene_ids = [name for name in barcodes[:100] if is_ensembl(name)]
    if len(gene_ids) > 0.5 * len(barcodes[:100]):
        problem = f"the index of obs holds gene ids (first: {gene_ids[0]}), so that the file is genes x cells"
        raise ScfmError(spec.place, problem, "Write it as cells x genes: `adata.T.write_h5ad(...)`.")
    repeated = pd.Index(barcodes).duplicated()
    if repeated.any():
        again = barcodes[repeated.argmax()]
        rows = np.flatnonzero(barcodes == again)
        n_repeated = len(set(barcodes[repeated]))
        problem = (
            f"the index of obs has {n_repeated:,} barcodes more than once "
            f"(first: {again}, in rows {rows[0]} and {rows[1]})"
        )
        remedy = (
            "Every cell needs a name of its own: put the sample's name before it, or `adata.obs_names_make_unique()`."
        )
        raise ScfmError(spec.place, problem, remedy)
    return barcodes


def take_genes(var: pd.DataFrame, spec: AtlasSpec) -> GeneNames:
    """Give every gene its canonical id and symbol, with the atlas's table of gene names if it has one.

    Raises
    ------
    ScfmError
        If a declared column of var is not there, or if a gene has neither id nor symbol.
    """
    index = texts(var.index)
    ids = index if spec.gene_id is None else texts(_column(var, spec.gene_id, "gene_id", spec))
    symbols = index if spec.symbol is None else texts(_column(var, spec.symbol, "symbol", spec))
    table = None if spec.gene_table is None else read_gene_table(spec.gene_table, spec.organism)
    names = name_genes(ids.tolist(), np.where(symbols == "", index, symbols).tolist(), table)
    nameless = np.flatnonzero(names.given == "")
    if len(nameless):
        problem = f"{len(nameless):,} genes have neither an id nor a symbol (first: row {nameless[0]} of var)"
        raise ScfmError(spec.place, problem, "Name or remove them.")
    return names


def check_organism(names: GeneNames, spec: AtlasSpec) -> None:
    """Compare the Ensembl ids with the atlas's organism, if that is one of `genes.ORGANISMS`.

    Raises
    ------
    ScfmError
        If most of the ids are those of another organism.
    """
    known = [(gene_id, organism) for gene_id in names.ids if (organism := organism_of(gene_id))]
    other = [(gene_id, organism) for gene_id, organism in known if organism != spec.organism]
    if spec.organism in ORGANISMS and len(other) > 0.5 * len(known):
        gene_id, organism = other[0]
        problem = (
            f"{len(other):,} of {len(known):,} gene ids are those of {organism}, not {spec.organism} (first: {gene_id})"
        )
        raise ScfmError(spec.place, problem, f"Write `organism: {organism}` for {spec.entry}.")


def unite_genes(
    counts: sparse.csr_matrix, names: GeneNames, spec: AtlasSpec
) -> tuple[sparse.csr_matrix, np.ndarray, tuple[Repair, ...]]:
    """Sum the columns that stand for one gene.

    Columns that repair brought to one id are summed. Columns that the file itself names alike are summed only if the
    atlas says so, and never under a date: two genes that a spreadsheet turned into ``2-Mar`` are two genes.

    Returns
    -------
    Counts of shape (n_cells, n_ids), the first column of each id in `counts`, shape (n_ids,), and what was summed.

    Raises
    ------
    ScfmError
        If the file names two genes alike.
    """
    repeated = pd.Series(names.given).duplicated().to_numpy()
    dated = np.array([again and is_date(name) for name, again in zip(names.given, repeated, strict=True)], dtype=bool)
    if dated.any():
        remedy = "A spreadsheet turned different gene names into one date: restore the names."
        raise _named_twice(names, dated, spec, remedy)
    if repeated.any() and spec.duplicates == "refuse":
        remedy = f"Write `duplicates: sum` for {spec.entry} to sum them, or name another column as `gene_id`."
        raise _named_twice(names, repeated, spec, remedy)
    group, ids = pd.factorize(names.ids)
    first = np.unique(group, return_index=True)[1]
    synonym = pd.Series(group).duplicated().to_numpy() & ~repeated
    repairs = []
    if repeated.any():
        repairs.append(Repair("duplicates_summed", int(repeated.sum()), str(names.given[repeated.argmax()])))
    if synonym.any():
        one, other = first[group[synonym.argmax()]], synonym.argmax()
        example = f"{names.given[one]} and {names.given[other]} are {names.ids[one]}"
        repairs.append(Repair("synonyms_summed", int(synonym.sum()), example))
    united = counts if len(ids) == len(group) else merge_columns(counts, group)
    return united, first, tuple(repairs)


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
    return (
        rows,
        columns,
        tuple(Repair(what, int(m.sum()), example) for what, (m, example) in left_out.items() if m.any()),
    )


def _named_twice(names: GeneNames, repeated: np.ndarray, spec: AtlasSpec, remedy: str) -> ScfmError:
    column = "the index of var" if spec.gene_id is None else f"var column {spec.gene_id!r}"
    again = names.given[repeated.argmax()]
    one, other = np.flatnonzero(names.given == again)[:2]
    problem = (
        f"{column} names {len(set(names.given[repeated])):,} genes more than once (first: {again}, "
        f"in rows {one} and {other}, symbols {names.symbols[one]} and {names.symbols[other]})"
    )
    return ScfmError(spec.place, problem, remedy)


def _complete(obs: pd.DataFrame, column: str, name: str, spec: AtlasSpec) -> np.ndarray:
    """Give a declared column of obs, which must have a value for every cell."""
    undeclare = "write `cell_type: null`" if name == "cell_type" else f"leave `{name}` out"
    values = texts(_column(obs, column, name, spec))
    missing = values == ""
    if missing.any():
        first = obs.index[missing.argmax()]
        problem = f"obs column {column!r} has no value for {missing.sum():,} of {len(obs):,} cells (first: {first})"
        remedy = f"Label these cells or take them out of the file, or {undeclare} for {spec.entry}."
        raise ScfmError(spec.place, problem, remedy)
    return values


def _column(frame: pd.DataFrame, column: str, name: str, spec: AtlasSpec) -> Sequence[Any]:
    """Give a declared column of obs or var."""
    if column in frame.columns:
        return frame[column].tolist()
    table = "obs" if name in UNDECLARED else "var"
    without = {"cell_type": "write `cell_type: null` if the cells are unlabelled"}
    otherwise = "leave it out if there is none" if table == "obs" else "leave it out if the index of var holds it"
    problem = f"{table} has no column {column!r} (it has: {_listed(frame.columns)})"
    raise ScfmError(spec.place, problem, f"Name one as `{name}` for {spec.entry}, or {without.get(name, otherwise)}.")


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "none"
