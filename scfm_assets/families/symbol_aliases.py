"""Other names of the genes of a vocabulary of symbols: old and new ones, ids, and what spreadsheets made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import product
from pathlib import Path

from scfm_assets.core.genes import ENSEMBL, FAMILIES, RENAMED, organism_of, other_orf, read_gene_pairs, renamed, undate


def aliases_of(symbols: Iterable[str], gene_table: Path | None = None) -> dict[str, str]:
    """Names that lead to exactly one of these symbols and are none of them.

    Case counts throughout: ``Gapdh`` of the mouse is not ``GAPDH``.

    Parameters
    ----------
    symbols
        Those of the vocabulary.
    gene_table
        Table with columns gene_name and ensembl_id: leads ids, and other names of the same gene, to symbols. Genes of
        an organism that few of the symbols belong to are left out: ``H19`` is a gene of human and of mouse.

    Raises
    ------
    ScfmError
        If the table is missing or unreadable.
    """
    vocabulary = set(symbols)
    spelled = _spellings(vocabulary)
    return spelled if gene_table is None else _of_table(vocabulary, spelled, gene_table) | spelled


def _spellings(vocabulary: Collection[str]) -> dict[str, str]:
    """Follow names that a rule changes: SEPT9 and SEPTIN9, C1ORF112 and C1orf112, 9-Sep; and ids that a name holds.

    Where several genes share a name, the published vocabularies write ``7SK_ENSG00000260682``; for genes without a name
    they write the id with its version.
    """
    symbols_of_name: dict[str, set[str]] = defaultdict(set)
    for symbol in vocabulary:
        old = [was + symbol.removeprefix(now) for was, now in RENAMED if symbol.removeprefix(now).isdecimal()]
        match = ENSEMBL.fullmatch(symbol.rpartition("_")[2])
        for other in (renamed(symbol), other_orf(symbol), match.group(1) if match else None, *old):
            if other is not None and other not in vocabulary:
                symbols_of_name[other].add(symbol)
    for month, families in FAMILIES.items():
        days = sorted({n for numbers in families.values() for n in numbers})
        for day, spell in product(days, ("{n}-{month}", "{month}-{n:02d}")):
            date = spell.format(n=day, month=month.capitalize())
            genes = undate(date)
            known = [name for gene in genes for name in (gene, renamed(gene) or gene) if name in vocabulary]
            if len(genes) == 1 and known:
                symbols_of_name[date].add(known[0])
    return _unique(symbols_of_name)


def _of_table(vocabulary: Collection[str], spelled: dict[str, str], path: Path) -> dict[str, str]:
    pairs = read_gene_pairs(path)
    organism_of_id = {gene_id: organism_of(gene_id) for _, gene_id in pairs}
    organisms = Counter(organism_of_id[gene_id] for name, gene_id in sorted(pairs) if name in vocabulary)
    organism = organisms.most_common(1)[0][0] if organisms else None
    pairs = {(name, gene_id) for name, gene_id in pairs if organism_of_id[gene_id] == organism}
    symbols_of_id: dict[str, set[str]] = defaultdict(set)
    for name, gene_id in pairs:
        symbol = name if name in vocabulary else spelled.get(name)
        if symbol is not None:
            symbols_of_id[gene_id].add(symbol)
    symbols_of_name = defaultdict(set, symbols_of_id)
    for name, gene_id in pairs:
        if name not in vocabulary and name not in spelled:
            symbols_of_name[name] |= symbols_of_id.get(gene_id, set())
    return {name: symbol for name, symbol in _unique(symbols_of_name).items() if name not in vocabulary}


def _unique(symbols_of_name: dict[str, set[str]]) -> dict[str, str]:
    return {name: next(iter(symbols)) for name, symbols in sorted(symbols_of_name.items()) if len(symbols) == 1}
