"""Upper and lower case in gene symbols: whose they are, and how the organism itself writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from scfm_assets.core.genes.date_names import is_date
from scfm_assets.core.genes.identifiers import is_ensembl

CASED = ("human", "mouse")
"""Organisms whose way of writing symbols is known here."""
FEWEST_SYMBOLS = 100
"""Below this many symbols their case says nothing."""
CLEAR_SHARE = 0.8
"""Share of symbols written in one way that tells whose they are."""

_LETTERS = re.compile(r"[A-Za-z]{2}")
# Families that the nomenclatures of the two organisms name differently (HGNC and MGI), whatever the case.
_OF_HUMAN = re.compile(r"HLA-[A-Z]|LINC\d{4,}|ZNF\d|C\d+ORF\d|KIAA\d{4}|RP\d+-\d|SERPINA1|TP53$", re.IGNORECASE)
_OF_MOUSE = re.compile(r"H2-[A-Z]|.*\d[A-Z]\d\dRIK$|GM\d{3,}$|TRP53$", re.IGNORECASE)
_ORF = re.compile(r"(C(?:\d+|X|Y))ORF(\d+.*)", re.IGNORECASE)
_RIK = re.compile(r"(\w*\d\w*)RIK(\d*)", re.IGNORECASE)


@dataclass(frozen=True)
class SymbolLook:
    """How the symbols of a file are written.

    Attributes
    ----------
    n
        Symbols with letters whose case can be told.
    upper, capitalised, lower
        Shares of those written ``GAPDH``, ``Gapdh`` and ``gapdh``.
    human_names, mouse_names
        Names that only genes of this organism have, whatever their case: ``HLA-A``, ``ZNF7``; ``H2-K1``, ``Gm1992``.
    example
        The first of those that are more.
    """

    n: int
    upper: float
    capitalised: float
    lower: float
    human_names: int
    mouse_names: int
    example: str = ""

    @property
    def written(self) -> str | None:
        """The organism whose way of writing this is, ``lower`` for that of none, None if it is not clear."""
        if self.n < FEWEST_SYMBOLS:
            return None
        ways = {"human": self.upper, "mouse": self.capitalised, "lower": self.lower}
        return next((way for way, share in ways.items() if share >= CLEAR_SHARE), None)

    @property
    def named(self) -> str | None:
        """The organism whose nomenclature this is, None if it is not clear."""
        most, least = max(self.human_names, self.mouse_names), min(self.human_names, self.mouse_names)
        if most < 5 or most < 5 * least:
            return None
        return "human" if self.human_names > self.mouse_names else "mouse"

    @property
    def organism(self) -> str | None:
        """The organism that these are likely to be genes of, None if it is not clear."""
        return self.named or (self.written if self.written in CASED else None)


def look_at(symbols: Iterable[str]) -> SymbolLook:
    """Look at how symbols are written; Ensembl ids, dates and names without letters do not count."""
    names = [name for name in symbols if _LETTERS.search(name) and not is_ensembl(name) and not is_date(name)]
    n = max(len(names), 1)
    plain = [_ORF.sub(r"\1\2", name) for name in names]  # C1orf112 is how human's are written
    of_human, of_mouse = ([name for name in names if pattern.match(name)] for pattern in (_OF_HUMAN, _OF_MOUSE))
    return SymbolLook(
        len(names),
        sum(name.isupper() for name in plain) / n,
        # Capitalised: Gapdh, 1700001C02Rik, mt-Nd1.
        sum(not name.isupper() and not name.islower() for name in plain) / n,
        sum(name.islower() for name in plain) / n,
        len(of_human),
        len(of_mouse),
        next(iter(of_human if len(of_human) >= len(of_mouse) else of_mouse), ""),
    )


def as_written_by(organism: str, symbol: str) -> str:
    """Write a symbol as those of human or mouse are written; Ensembl ids and dates stay as they are."""
    if is_ensembl(symbol) or is_date(symbol):
        return symbol
    if organism == "human":
        match = _ORF.fullmatch(symbol)
        return f"{match.group(1).upper()}orf{match.group(2)}" if match else symbol.upper()
    if match := _RIK.fullmatch(symbol):
        return f"{match.group(1).upper()}Rik{match.group(2)}"
    if symbol.upper().startswith("H2-"):
        return symbol.upper()
    return f"mt-{symbol[3:].capitalize()}" if symbol.upper().startswith("MT-") else symbol.capitalize()
