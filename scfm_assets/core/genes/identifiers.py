"""Gene names: one canonical id per gene, symbols repaired offline, and names that a spreadsheet turned into dates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scfm_assets.core.genes.date_names import is_date, renamed, undate
from scfm_assets.errors import ScfmError

ENSEMBL = re.compile(r"(ENS[A-Z]{0,5}G\d{11}|FBgn\d{7}|WBGene\d{8})(?:\.\d+)?")
"""A stable gene id of Ensembl, with or without its version; group 1 is the id without it."""

MISSING = frozenset({"", "NA", "N/A", "nan", "NaN", "<NA>", "NaT", "None", "null"})
"""Texts that stand for a value that is not there."""

ORGANISMS = {
    "human": "ENSG",
    "mouse": "ENSMUSG",
    "rat": "ENSRNOG",
    "zebrafish": "ENSDARG",
    "fly": "FBgn",
    "worm": "WBGene",
}
"""How Ensembl ids of an organism begin."""

TABLE_COLUMNS = ("gene_name", "ensembl_id")
TABLE_WANTED = "A gene table has the columns {!r} and {!r}, as parquet or tab-separated text.".format(*TABLE_COLUMNS)


@dataclass(frozen=True)
class Repair:
    """Something that was put right on the way, and how often.

    Attributes
    ----------
    what
        Name of the repair, e.g. ``symbols_to_ensembl``.
    n
        How many genes, cells or values it concerned.
    example
        The first case, for people.
    """

    what: str
    n: int
    example: str


@dataclass(frozen=True)
class GeneTable:
    """An offline table of gene names.

    Attributes
    ----------
    id_of
        Ensembl id of each name that stands for one gene only.
    name_of
        Name of each Ensembl id that has one name only.
    ambiguous
        Names that stand for several genes.
    """

    id_of: Mapping[str, str] = field(default_factory=dict)
    name_of: Mapping[str, str] = field(default_factory=dict)
    ambiguous: Collection[str] = frozenset()

    def find(self, name: str) -> str | None:
        """The Ensembl id of a name, a former name, or a date made of one; None if there is no one answer.

        Case counts, since ``Gapdh`` and ``GAPDH`` are genes of different organisms; only ``C1ORF112`` for ``C1orf112``
        is understood, because no gene of another organism is written so.
        """
        if name in self.id_of:
            return self.id_of[name]
        old_names = undate(name)
        if len(old_names) > 1:
            return None
        plain = old_names[0] if old_names else name
        spellings = (plain, renamed(plain) or plain, other_orf(plain) or plain)
        return next((self.id_of[spelling] for spelling in spellings if spelling in self.id_of), None)


@dataclass(frozen=True)
class GeneNames:
    """Canonical names of the genes of a file, in the file's order; arrays of shape (n_genes,).

    Attributes
    ----------
    ids
        Ensembl id without version where it is known, else the name that the file gives.
    symbols
        Symbol of each gene, its id where there is none.
    mapped
        Whether the id is an Ensembl id.
    given
        What the file itself says: its id without version, or its symbol where the id is empty. Two genes with one
        value here are duplicates in the file; two with one id but different values were brought together by repair.
    repairs
        What was put right.
    """

    ids: np.ndarray
    symbols: np.ndarray
    mapped: np.ndarray
    given: np.ndarray
    repairs: tuple[Repair, ...]


def unversioned(gene_id: str) -> str:
    """Strip the version of an Ensembl id: ``ENSG00000141510.17`` is ``ENSG00000141510``; others stay as they are."""
    match = ENSEMBL.fullmatch(gene_id)
    return match.group(1) if match else gene_id


def is_ensembl(gene_id: str) -> bool:
    """Whether this is a stable gene id of Ensembl, with or without version."""
    return ENSEMBL.fullmatch(gene_id) is not None


def organism_of(gene_id: str) -> str | None:
    """The organism of an Ensembl id, None if it is none or of an organism that is not among `ORGANISMS`."""
    if not is_ensembl(gene_id):
        return None
    return next((organism for organism, prefix in ORGANISMS.items() if re.match(rf"{prefix}\d", gene_id)), None)


def read_gene_pairs(path: Path) -> set[tuple[str, str]]:
    """Read every name and Ensembl id (without its version) that stand in one row of a table of gene names.

    Raises
    ------
    ScfmError
        If the file is not there, cannot be read or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise ScfmError(str(path), "there is no such gene table", TABLE_WANTED)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas and pyarrow raise children of these for what they cannot parse
        raise ScfmError(str(path), f"cannot be read as a gene table: {error}", TABLE_WANTED) from error
    absent = [name for name in TABLE_COLUMNS if name not in table.columns]
    if absent:
        columns = ", ".join(map(str, table.columns))
        raise ScfmError(str(path), f"has no column {absent[0]!r} (it has: {columns})", TABLE_WANTED)
    names, ids = (texts(table[column].tolist()) for column in TABLE_COLUMNS)
    return {(name, unversioned(gene_id)) for name, gene_id in zip(names, ids, strict=True) if name and gene_id}


def read_gene_table(path: Path, organism: str | None = None) -> GeneTable:
    """Read a table of gene names: parquet, or text with tabs (``.tsv``, ``.txt``) or commas (``.csv``).

    Parameters
    ----------
    path
        File with columns ``gene_name`` and ``ensembl_id``, one row per name.
    organism
        Leave ids of other organisms out: ``H19`` is a gene of human and of mouse.

    Raises
    ------
    ScfmError
        If the file is not there, cannot be read, lacks a column or has no id of the organism.
    """
    pairs = read_gene_pairs(path)
    kept = {(name, gene_id) for name, gene_id in pairs if organism_of(gene_id) in (organism, None)}
    kept = kept if organism in ORGANISMS else pairs
    if not kept:
        first = min(gene_id for _, gene_id in pairs) if pairs else "none"
        raise ScfmError(str(path), f"has no gene id of the organism {organism!r} (first id: {first})", TABLE_WANTED)
    return _unique_both_ways(sorted(kept))


def texts(column: Iterable[Any]) -> np.ndarray:
    """A column as an object array of text, empty where a value is missing (`MISSING`)."""
    words = [str(value) for value in column]  # NaN, None and NA become texts that are among the missing ones
    return np.array(["" if word.strip() in MISSING else word for word in words], dtype=object)


def name_genes(given_ids: Sequence[str], given_symbols: Sequence[str], table: GeneTable | None = None) -> GeneNames:
    """Canonical id and symbol of every gene of a file.

    An Ensembl id loses its version. Any other id, and a gene without one, is looked up in `table` by id and then by
    symbol; what is not found there keeps its name and is not mapped.

    Parameters
    ----------
    given_ids
        Gene ids as the file has them, shape (n_genes,), empty where there is none.
    given_symbols
        Symbols as the file has them, shape (n_genes,), empty where there is none.
    table
        Offline table of names.
    """
    table = table or GeneTable()
    notes: list[tuple[str, str]] = []
    ids, symbols, given = [], [], []
    for raw_id, raw_symbol in zip(map(str.strip, given_ids), map(str.strip, given_symbols), strict=True):
        plain = unversioned(raw_id)
        if plain != raw_id:
            notes.append(("versions_stripped", f"{raw_id} -> {plain}"))
        name = plain or unversioned(raw_symbol)
        if not plain and not is_ensembl(name):
            notes.append(("empty_ids", f"{name} has no id in the file"))
        gene_id = name if is_ensembl(name) else _look_up(name, raw_symbol, table, notes)
        given.append(name)
        ids.append(gene_id)
        symbols.append(_symbol(gene_id, raw_symbol, table, notes))
    return GeneNames(
        ids=np.array(ids, dtype=object),
        symbols=np.array(symbols, dtype=object),
        mapped=np.array([is_ensembl(gene_id) for gene_id in ids], dtype=bool),
        given=np.array(given, dtype=object),
        repairs=_summed_up(notes),
    )


def _look_up(name: str, symbol: str, table: GeneTable, notes: list[tuple[str, str]]) -> str:
    """The canonical id of a gene that has no Ensembl id in the file."""
    for candidate in (name, symbol):
        gene_id = table.find(candidate)
        if gene_id is not None:
            what = "dates_to_ensembl" if is_date(candidate) else "symbols_to_ensembl"
            notes.append((what, f"{candidate} -> {gene_id}"))
            return gene_id
    if is_date(name) or is_date(symbol):
        notes.append(("dates_kept", f"{name} may have been {' or '.join(undate(name)) or 'any gene'}"))
    elif name in table.ambiguous or symbol in table.ambiguous:
        notes.append(("ambiguous_kept", f"{name} stands for several genes in the table"))
    return name


def _symbol(gene_id: str, given: str, table: GeneTable, notes: list[tuple[str, str]]) -> str:
    """Take the symbol from the file, or from the table if the file's is nothing, an Ensembl id or a date."""
    if given and not is_ensembl(given) and not is_date(given):
        return given
    known = table.name_of.get(gene_id)
    if known is not None:
        notes.append(("symbols_from_table", f"{gene_id} -> {known}"))
        return known
    if is_ensembl(gene_id) and is_date(given):
        notes.append(("dates_kept", f"the symbol of {gene_id} is the date {given}"))
    return unversioned(given) or gene_id


def _summed_up(notes: Iterable[tuple[str, str]]) -> tuple[Repair, ...]:
    """Count the notes of each kind and keep the first example."""
    examples: dict[str, list[str]] = {}
    for what, example in notes:
        examples.setdefault(what, []).append(example)
    return tuple(Repair(what, len(of_kind), of_kind[0]) for what, of_kind in sorted(examples.items()))


def _unique_both_ways(pairs: Sequence[tuple[str, str]]) -> GeneTable:
    ids_of: dict[str, list[str]] = {}
    names_of: dict[str, list[str]] = {}
    for name, gene_id in pairs:
        ids_of.setdefault(name, []).append(gene_id)
        names_of.setdefault(gene_id, []).append(name)
    of_genes = {gene_id: [name for name in names if not is_ensembl(name)] for gene_id, names in names_of.items()}
    return GeneTable(
        id_of={name: ids[0] for name, ids in ids_of.items() if len(ids) == 1},
        name_of={gene_id: names[0] for gene_id, names in of_genes.items() if len(names) == 1},
        ambiguous=frozenset(name for name, ids in ids_of.items() if len(ids) > 1),
    )


def other_orf(name: str) -> str | None:
    """Spell ``C1ORF112`` as ``C1orf112`` and the other way round."""
    match = re.fullmatch(r"(C(?:\d+|X|Y))(orf|ORF)(\d+.*)", name)
    return match.group(1) + match.group(2).swapcase() + match.group(3) if match else None
