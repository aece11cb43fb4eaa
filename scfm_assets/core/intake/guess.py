"""Declaring a file that nobody has declared: columns by name and content, the organism by its genes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scfm_assets.core.genes import is_ensembl, look_at, organism_of, texts
from scfm_assets.core.intake.files import labels
from scfm_assets.core.intake.obs_columns import ROLES, best, organisms_said
from scfm_assets.core.intake.spec import AtlasSpec

GENE_COLUMNS = {
    "gene_id": ("ensembl_id", "gene_ids", "gene_id", "feature_id", "ensembl", "Accession", "ensembl_gene_id"),
    "symbol": (
        *("feature_name", "symbol", "gene_symbols", "gene_symbol", "gene_name", "gene_short_name", "hgnc_symbol"),
        *("Gene", "name"),
    ),
}
"""Names under which people keep ids and symbols of genes in var, the most telling first."""
Clues = tuple[tuple[str, str], ...]
"""Organisms that a file may be of, each with the reason for it, the surest first."""
_SAMPLED = 200
"""Names that are looked at before a column is taken for one of Ensembl ids."""


def guess_spec(path: Path, tissue: str | None = None, organism: str | None = None) -> AtlasSpec:
    """Declare a file by what its columns are called and hold, for an inspection without a catalog.

    Parameters
    ----------
    path
        The file or folder.
    tissue
        Name of the atlas, by default made of the file's.
    organism
        What it is to be read as, by default guessed by `evidence`; human where nothing tells.

    Raises
    ------
    ScfmError
        If the file cannot be read.
    """
    obs, var = labels(path)
    columns: dict[str, Any] = {role.name: best(obs, role) for role in ROLES if role.declared}
    gene_id, symbol = _gene_id(var), _symbol(var)
    if gene_id is None and symbol is not None and not _share_of_ids(texts(var.index)) and _are_names(var[symbol]):
        gene_id = symbol  # without ids, the column that is called after symbols says more than an index may
    if organism is None:
        ids = texts(var.index if gene_id is None else var[gene_id])
        symbols = texts(var.index if symbol is None else var[symbol])
        organism = next((candidate for candidate, _ in evidence(ids, symbols, obs)), "human")
    name = tissue or _name(path)
    return AtlasSpec(tissue=name, path=path, organism=organism, gene_id=gene_id, symbol=symbol, **columns)


def evidence(ids: Iterable[str], symbols: Iterable[str], obs: pd.DataFrame) -> Clues:
    """What ids, symbols and obs say of the organism."""
    clues = []
    of_ids = [organism for organism in map(organism_of, ids) if organism is not None]
    if of_ids:
        organism = max(sorted(set(of_ids)), key=of_ids.count)
        clues.append((organism, f"{of_ids.count(organism):,} Ensembl ids are {organism}'s"))
    in_obs = organisms_said(obs)
    if in_obs is not None and len(in_obs[1]) == 1:
        clues.append((in_obs[1][0], f"obs column {in_obs[0]!r} says {in_obs[1][0]}"))
    look = look_at(symbols)
    if look.named is not None:
        n = max(look.human_names, look.mouse_names)
        clues.append((look.named, f"{n:,} symbols are names of {look.named} genes only (first: {look.example})"))
    elif look.organism is not None:
        share = look.upper if look.organism == "human" else look.capitalised
        clues.append((look.organism, f"{share:.0%} of {look.n:,} symbols are written as {look.organism}'s"))
    return tuple(clues)


def entry_lines(spec: AtlasSpec) -> tuple[str, ...]:
    """Write what is declared of an atlas as an entry of a catalog, in YAML."""
    plain = AtlasSpec(tissue=spec.tissue)
    lines = [f"{spec.tissue}:", f"  file: {_scalar(str(spec.path))}"]
    for field in fields(AtlasSpec):
        value = getattr(spec, field.name)
        always = field.name in {"cell_type", "organism"}
        if field.name in {"tissue", "path", "max_n_cells"} or (value == getattr(plain, field.name) and not always):
            continue
        if field.name == "where":
            inner = ", ".join(f"{_scalar(key)}: [{', '.join(map(_scalar, values))}]" for key, values in value.items())
            lines.append(f"  where: {{{inner}}}")
        else:
            lines.append(f"  {field.name}: {_scalar(value)}")
    return tuple(lines)


def _gene_id(var: pd.DataFrame) -> str | None:
    """The column of var that holds most Ensembl ids; None for the index, or if there are none."""
    shares: dict[str | None, float] = {None: _share_of_ids(texts(var.index))}
    shares |= {str(name): _share_of_ids(texts(var[name])) for name in var.columns if _is_text(var[name])}
    usual = [name for name in GENE_COLUMNS["gene_id"] if shares.get(name, 0) > 0]
    most = max(shares.values())
    if shares[None] == most:
        return None
    return next((name for name in usual if shares[name] == most), max(shares, key=lambda name: shares[name]))


def _is_text(column: Any) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype)


def _share_of_ids(names: np.ndarray) -> float:
    spread = names[:: max(len(names) // _SAMPLED, 1)]
    return float(np.mean([is_ensembl(name) for name in spread])) if len(spread) else 0.0


def _are_names(column: Iterable[Any]) -> bool:
    """Whether each gene has one of its own."""
    names = texts(column)
    return "" not in names and len(set(names)) == len(names)


def _symbol(var: pd.DataFrame) -> str | None:
    usual = [name for name in GENE_COLUMNS["symbol"] if name in var.columns and _is_text(var[name])]
    return next((name for name in usual if _share_of_ids(texts(var[name])) < 0.5), None)


def _name(path: Path) -> str:
    """Make a name of an atlas of a file's name."""
    stem = re.sub(r"(\.zarr|\.h5ad|\.h5|\.loom|\.mtx|\.gz|\.zip)+$", "", path.name)
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_")[:63]
    return plain if plain[:1].isalpha() else f"atlas_{plain}"[:63].rstrip("_")


def _scalar(value: Any) -> str:
    """Write a value so that YAML reads it back."""
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_/.~][\w/.@+ ()-]*", text) and text == text.strip()
    words = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"}
    return text if plain and text.lower() not in words else json.dumps(text)
