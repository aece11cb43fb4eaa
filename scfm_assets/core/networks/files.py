"""The files that reference networks come in: which columns each kind has, and a table of text read from any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scfm_assets.errors import ScfmError

FIELDS = ("tf", "target", "sign", "confidence", "tissue")
"""What an edge says; every format names some column for at least the first two."""

SIGNS = {"activation": 1, "repression": -1, "unknown": 0, "+": 1, "-": -1, "": 0, "na": 0, "nan": 0, "none": 0}
"""Signs in words, lower case; a number counts by its sign."""

ENDINGS = {".parquet": None, ".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ending of a file's name (before .gz) to its separator."""


@dataclass(frozen=True)
class NetworkFormat:
    """How one kind of file names its columns; of several names the first that is present is taken.

    Parameters
    ----------
    name, doc
        As the catalog writes it, and what it is.
    tf, target, sign, confidence, tissue
        Names of the column of each field, the preferred one first.
    raised, lowered
        Columns that mark activation and repression, of formats that mark both in columns of their own.
    bare
        Columns of a file that comes without a header, `()` where none does.
    ending
        What a file is whose name has no known ending, such as an answer of a web service.
    """

    name: str
    doc: str
    tf: tuple[str, ...] = ("tf", "source")
    target: tuple[str, ...] = ("target",)
    sign: tuple[str, ...] = ()
    confidence: tuple[str, ...] = ()
    tissue: tuple[str, ...] = ()
    raised: str | None = None
    lowered: str | None = None
    bare: tuple[str, ...] = ()
    ending: str | None = None


FORMATS = (
    NetworkFormat(
        "trrust",
        "TRRUST v2 raw table: mode is Activation, Repression or Unknown; with or without a header",
        sign=("mode", "sign"),
        bare=("tf", "target", "mode", "pmids"),
    ),
    NetworkFormat(
        "dorothea",
        "DoRothEA regulons: mor is the mode of regulation, confidence a letter from A to E",
        sign=("mor", "weight"),
        confidence=("confidence",),
    ),
    NetworkFormat("collectri", "CollecTRI regulons as decoupler exports them", sign=("weight", "mor")),
    NetworkFormat(
        "omnipath",
        "OmniPath's table of interactions: a letter of DoRothEA, and activation and repression in columns of their own",
        tf=("source_genesymbol",),
        target=("target_genesymbol",),
        confidence=("dorothea_level",),
        raised="is_stimulation",
        lowered="is_inhibition",
        ending=".tsv",
    ),
    NetworkFormat(
        "beeline",
        "BEELINE's truth: Gene1, Gene2 and, where it is known, Type + or -",
        tf=("Gene1", "tf"),
        target=("Gene2", "target"),
        sign=("Type", "sign"),
    ),
    NetworkFormat(
        "decoupler",
        "any network in the form of decoupler and geneRNIB: source, target and a weight whose sign counts",
        tf=("source", "tf"),
        sign=("weight", "mor"),
        confidence=("confidence",),
    ),
    NetworkFormat(
        "table",
        "any table; columns of other names are declared under `columns`",
        tf=("tf",),
        sign=("sign",),
        confidence=("confidence",),
        tissue=("tissue",),
    ),
)


def sign_of(text: str) -> int | None:
    """Read a sign: 1, -1, 0 (unknown), or None if the text is no sign."""
    word = text.strip().lower()
    if word in SIGNS:
        return SIGNS[word]
    try:
        return int(np.sign(float(word)))
    except ValueError:
        return None


def read_table(path: Path, form: NetworkFormat) -> pd.DataFrame:
    """Read a TSV, CSV (both may be gzipped) or Parquet file.

    Text stays as it is written: gene symbols such as NA, 1-Mar or 007 come through unchanged.

    Raises
    ------
    ScfmError
        No such file, an ending that is not known, or content that is no table.
    """
    place = str(path)
    ending = next((suffix for suffix in reversed(path.suffixes) if suffix in ENDINGS), form.ending)
    if not path.is_file():
        raise ScfmError(place, "no such file", "Name the file of the network under `path`.")
    if ending is None:
        raise ScfmError(place, "is not a table by its name", f"Allowed endings: {', '.join(ENDINGS)}, also with .gz.")
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        text = pd.read_csv(path, sep=ENDINGS[ending], header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        problem = f"cannot be read as a table ({str(error).strip() or type(error).__name__})"
        remedy = "Is it complete, and separated as its name says: .csv by commas, .tsv and .txt by tabs?"
        raise ScfmError(place, problem, remedy) from error
    first = [str(value).strip() for value in text.iloc[0]]
    if len(first) == len(form.bare) and sign_of(first[form.bare.index(form.sign[0])]) is not None:
        return text.set_axis(list(form.bare), axis=1)
    return text.iloc[1:].set_axis(first, axis=1).reset_index(drop=True)
