"""The steps by which the genes of an atlas are taken in: named, compared with its organism, and united.

Every step stands alone, so that the inspection can ask all of them and not stop at the first error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scfm_assets.core.base import shown
from scfm_assets.core.genes import (
    CASED,
    ORGANISMS,
    GeneNames,
    GeneTable,
    Repair,
    as_written_by,
    is_date,
    look_at,
    name_genes,
    organism_of,
    read_gene_table,
    texts,
)
from scfm_assets.core.intake.counts import merge_columns
from scfm_assets.core.intake.obs import column_of, refuse_strange
from scfm_assets.core.intake.obs_columns import organisms_said
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from scipy import sparse

    from scfm_assets.core.intake.spec import AtlasSpec


def take_genes(var: pd.DataFrame, spec: AtlasSpec) -> GeneNames:
    """Canonical id and symbol of every gene, by the atlas's table of gene names if it has one.

    Raises
    ------
    ScfmError
        If a declared column of var is not there, or if a gene has neither id nor symbol.
    """
    table = gene_table_of(spec)
    ids, symbols = given_names(var, spec)
    recased: tuple[Repair, ...] = ()
    if spec.symbol_case == "organism":
        ids, symbols, recased = _recased(ids, symbols, table, spec)
    names = name_genes(ids.tolist(), symbols.tolist(), table)
    nameless = np.flatnonzero(names.given == "")
    if len(nameless):
        problem = f"{len(nameless):,} genes have neither an id nor a symbol (first: row {nameless[0]} of var)"
        raise ScfmError(spec.place, problem, "Name or remove them.")
    for listed, what in ((names.ids, "gene ids"), (names.symbols, "gene symbols")):
        refuse_strange(listed, what, spec)
    return replace(names, repairs=(*recased, *names.repairs)) if recased else names


def gene_table_of(spec: AtlasSpec) -> GeneTable | None:
    """Read the atlas's table of gene names, if it declares one."""
    return None if spec.gene_table is None else read_gene_table(spec.gene_table, spec.organism)


def given_names(var: pd.DataFrame, spec: AtlasSpec) -> tuple[np.ndarray, np.ndarray]:
    """Ids and symbols of the genes as the file has them.

    Raises
    ------
    ScfmError
        If a declared column of var is not there.
    """
    index = texts(var.index)
    ids = index if spec.gene_id is None else texts(column_of(var, spec.gene_id, "gene_id", spec))
    symbols = index if spec.symbol is None else texts(column_of(var, spec.symbol, "symbol", spec))
    return ids, np.where(symbols == "", index, symbols)


def _recased(
    ids: np.ndarray, symbols: np.ndarray, table: GeneTable | None, spec: AtlasSpec
) -> tuple[np.ndarray, np.ndarray, tuple[Repair, ...]]:
    """Write symbols as those of the organism are written, but for those that the table knows as they are."""
    if spec.organism not in CASED:
        problem = f"how symbols of {spec.organism!r} are written is not known here"
        raise ScfmError(spec.place, problem, f"Leave `symbol_case` out for {spec.entry}.")

    def written(name: str) -> str:
        known = table is not None and table.find(name) is not None
        return name if known else as_written_by(spec.organism, name)

    new_ids, new_symbols = (np.array([written(name) for name in given], dtype=object) for given in (ids, symbols))
    changed = np.flatnonzero((new_ids != ids) | (new_symbols != symbols))
    if not len(changed):
        return ids, symbols, ()
    first = changed[0]
    example = f"{shown(symbols[first])} -> {shown(new_symbols[first])}"
    return new_ids, new_symbols, (Repair("symbols_recased", len(changed), example),)


def check_organism(names: GeneNames, obs: pd.DataFrame, spec: AtlasSpec) -> None:
    """Compare Ensembl ids, symbols and what obs says with the atlas's organism, if that is one of `genes.ORGANISMS`.

    Raises
    ------
    ScfmError
        If most of the ids are those of another organism, if obs names another one, or if genes that have symbols only
        are not written as the organism's are.
    """
    if spec.organism not in ORGANISMS:
        return
    remedy = f"Write `organism: {{}}` for {spec.entry}."
    known = [(gene_id, organism) for gene_id in names.ids if (organism := organism_of(gene_id))]
    other = [(gene_id, organism) for gene_id, organism in known if organism != spec.organism]
    if len(other) > 0.5 * len(known):
        gene_id, organism = other[0]
        share = f"{len(other):,} of {len(known):,} gene ids"
        problem = f"{share} are those of {organism}, not {spec.organism} (first: {gene_id})"
        raise ScfmError(spec.place, problem, remedy.format(organism))
    in_obs = organisms_said(obs)
    if in_obs is not None and in_obs[1] != (spec.organism,):
        column, organisms = in_obs
        problem = f"obs column {column!r} says {' and '.join(organisms)}, not {spec.organism}"
        several = f"An atlas is of one organism: choose its cells by `where: {{{column}: [...]}}` for {spec.entry}."
        raise ScfmError(spec.place, problem, several if len(organisms) > 1 else remedy.format(*organisms))
    if 2 * names.mapped.sum() < len(names.mapped):
        _check_case(names, spec)


def _check_case(names: GeneNames, spec: AtlasSpec) -> None:
    """Refuse symbols of another organism, or written as another's are: nothing downstream would know them."""
    look = look_at(names.symbols[~names.mapped])
    if spec.organism not in CASED or look.written in {None, spec.organism}:
        return
    share = {"human": look.upper, "mouse": look.capitalised, "lower": look.lower}[look.written or ""]
    way = "in lower case" if look.written == "lower" else f"as those of {look.written} are"
    example = next(name for name in names.symbols[~names.mapped] if as_written_by(spec.organism, name) != name)
    written = f"{share:.0%} of {look.n:,} gene symbols are written {way}"
    problem = f"{written}, not as {spec.organism}'s (as {shown(example)})"
    suggestion = f"if its genes are {spec.organism}'s, `symbol_case: organism`, which writes {shown(example)} as "
    suggestion += f"{shown(as_written_by(spec.organism, example))}"
    if look.organism in CASED and look.organism != spec.organism:
        sure = f", since {look.mouse_names:,} of its names are mouse's only" if look.named == "mouse" else ""
        suggestion = f"`organism: {look.organism}` if it is {look.organism}{sure}; {suggestion}"
    raise ScfmError(spec.place, problem, f"For {spec.entry} write {suggestion}.")


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


def _named_twice(names: GeneNames, repeated: np.ndarray, spec: AtlasSpec, remedy: str) -> ScfmError:
    column = "the index of var" if spec.gene_id is None else f"var column {spec.gene_id!r}"
    again = names.given[repeated.argmax()]
    one, other = np.flatnonzero(names.given == again)[:2]
    rows = f"in rows {one} and {other}, symbols {names.symbols[one]} and {names.symbols[other]}"
    problem = f"{column} names {len(set(names.given[repeated])):,} genes more than once (first: {again}, {rows})"
    return ScfmError(spec.place, problem, remedy)
