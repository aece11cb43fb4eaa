"""Other names of the genes of a vocabulary of symbols: old and new ones, ids, and what spreadsheets made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import product
from typing import TYPE_CHECKING

from scfm_assets.core.genes import FAMILIES, RENAMED, renamed, undate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path


def aliases_of(symbols: Iterable[str], gene_table: Path | None = None) -> dict[str, str]:
    """Give the names that lead to exactly one of these symbols and are none of them.

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
    own = set(symbols)
    spelled = _spellings(own)
    return spelled if gene_table is None else _of_table(own, spelled, gene_table) | spelled


def _spellings(own: Collection[str]) -> dict[str, str]:
    """Follow names that a rule changes: SEPT9 and SEPTIN9, C1ORF112 and C1orf112, 9-Sep; and ids that a name holds.

    Where several genes share a name, the published vocabularies write ``7SK_ENSG00000260682``; for genes without a name
    they write the id with its version.
    """
    from scfm_assets.core.genes import ENSEMBL, other_orf

    found: dict[str, set[str]] = defaultdict(set)
    for symbol in own:
        old = [was + symbol.removeprefix(now) for was, now in RENAMED if symbol.removeprefix(now).isdecimal()]
        held = ENSEMBL.fullmatch(symbol.rpartition("_")[2])
        for other in (renamed(symbol), other_orf(symbol), held.group(1) if held else None, *old):
            if other is not None and other not in own:
                found[other].add(symbol)
    for month, families in FAMILIES.items():
        days = sorted({n for numbers in families.values() for n in numbers})
        for day, spell in product(days, ("{n}-{month}", "{month}-{n:02d}")):
            date = spell.format(n=day, month=month.capitalize())
            genes = undate(date)
            known = [name for gene in genes for name in (gene, renamed(gene) or gene) if name in own]
            if len(genes) == 1 and known:
                found[date].add(known[0])
    return _unique(found)


def _of_table(own: Collection[str], spelled: dict[str, str], path: Path) -> dict[str, str]:
    from scfm_assets.core.genes import organism_of, read_gene_pairs

    pairs = read_gene_pairs(path)
    organism_of_id = {gene_id: organism_of(gene_id) for _, gene_id in pairs}
    organisms = Counter(organism_of_id[gene_id] for name, gene_id in sorted(pairs) if name in own)
    organism = organisms.most_common(1)[0][0] if organisms else None
    pairs = {(name, gene_id) for name, gene_id in pairs if organism_of_id[gene_id] == organism}
    symbols_of_id: dict[str, set[str]] = defaultdict(set)
    for name, gene_id in pairs:
        symbol = name if name in own else spelled.get(name)
        if symbol is not None:
            symbols_of_id[gene_id].add(symbol)
    found = defaultdict(set, symbols_of_id)
    for name, gene_id in pairs:
        if name not in own and name not in spelled:
            found[name] |= symbols_of_id.get(gene_id, set())
    return {name: symbol for name, symbol in _unique(found).items() if name not in own}


def _unique(found: dict[str, set[str]]) -> dict[str, str]:
    return {name: next(iter(symbols)) for name, symbols in sorted(found.items()) if len(symbols) == 1}
