"""Gene names that a spreadsheet turned into dates, and the names that genes got because of it."""

from __future__ import annotations

import re

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
FAMILIES = {
    "MAR": {"MARCH": range(1, 12), "MARC": range(1, 3)},
    "SEP": {"SEPT": range(1, 15)},
    "OCT": {"OCT": range(1, 12)},
    "DEC": {"DEC": range(1, 2)},
}
"""Gene families whose members a spreadsheet reads as days of a month, under their old names, and their numbers."""
RENAMED = (("SEPT", "SEPTIN"), ("MARCH", "MARCHF"), ("MARC", "MTARC"), ("DEC", "DELEC"))
"""Names before and after the HGNC renamed these families because of the spreadsheets (Nature Genetics 52, 2020)."""

_MONTH = rf"({'|'.join(MONTHS)})(?:UARY|RUARY|CH|IL|E|Y|UST|T|TEMBER|OBER|EMBER)?"
_DAY_MONTH = re.compile(rf"(\d{{1,2}})[-/ ]{_MONTH}(?:[-/ ](?:\d{{2}}|\d{{4}}))?")
# Two digits, as spreadsheets write years: Oct-4 with one is how people write the gene.
_MONTH_NUMBER = re.compile(rf"{_MONTH}[-/ ](\d{{2}})")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")


def is_date(name: str) -> bool:
    """Whether a spreadsheet turned this gene name into a date: ``1-Sep``, ``Sep-01``, ``2001-09-01 00:00:00``."""
    return _read(name) is not None


def undate(name: str) -> tuple[str, ...]:
    """Old names of the genes that a date may have been; none if it is no date or no such gene is known.

    ``1-Sep`` was SEPT1 (now SEPTIN1, see `renamed`); ``2-Mar`` was MARCH2 or MARC2, which cannot be told apart.
    """
    month, numbers = _read(name) or ("", ())
    families = FAMILIES.get(month, {})
    return tuple(f"{family}{n}" for family, known in families.items() for n in numbers if n in known)


def renamed(name: str) -> str | None:
    """The present HGNC name of SEPT9, MARCH1, MARC1 or DEC1, None for other names."""
    for old, new in RENAMED:
        if name.startswith(old) and name[len(old) :].isdecimal():
            return new + name[len(old) :]
    return None


def _read(name: str) -> tuple[str, tuple[int, ...]] | None:
    """Read a date as its month and the numbers that may have stood behind the gene's family."""
    text = name.strip().upper()
    if match := _DAY_MONTH.fullmatch(text):
        month, numbers = match.group(2), (int(match.group(1)),)
    elif match := _MONTH_NUMBER.fullmatch(text):
        month, numbers = match.group(1), (int(match.group(2)),)
    elif (match := _ISO_DATE.fullmatch(text)) and 1 <= int(match.group(2)) <= len(MONTHS):
        year, day = int(match.group(1)) % 100, int(match.group(3))
        month = MONTHS[int(match.group(2)) - 1]
        # SEPT2 becomes the 2nd of September of some year; Sep-02, read once more, becomes the 1st of September 2002.
        numbers = (day, year) if day == 1 and 1 < year <= 15 else (day,)
    else:
        return None
    return (month, numbers) if all(0 < number <= 31 for number in numbers) else None
