"""Which column of obs is what: by its name, and by what it holds. A guess is reported and never silent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scfm_assets.core.genes import texts


@dataclass(frozen=True)
class Role:
    """Something that people keep of every cell.

    Attributes
    ----------
    name
        What we call it; a key of an atlas in the catalog if `declared`.
    names
        How people call the column, the most telling first; case and punctuation do not count.
    declared
        Whether the catalog takes a column for it.
    of_kinds
        Whether it must have several values, each in more than one cell: what one value says of all cells is no label.
    """

    name: str
    names: tuple[str, ...]
    declared: bool = False
    of_kinds: bool = False


ROLES = (
    Role(
        "cell_type",
        (
            *("cell_type", "cell_types", "cell_ontology_class", "author_cell_type", "free_annotation"),
            *("cell_type_name", "cell_annotation", "annotation", "annotations", "cell_label", "cluster_name"),
            *("bulk_labels", "cell_type_ontology_term_id"),
        ),
        declared=True,
        of_kinds=True,
    ),
    Role(
        "donor",
        (
            *("donor_id", "donor", "patient_id", "patient", "individual"),
            *("subject", "subject_id", "participant", "mouse_id"),
        ),
        declared=True,
    ),
    Role(
        "batch",
        ("batch", "batch_id", "sample_id", "sample", "library_id", "library", "orig.ident", "gem_group", "channel"),
        declared=True,
    ),
    Role("assay", ("assay", "protocol", "technology", "platform", "assay_ontology_term_id"), declared=True),
    Role("tissue", ("tissue", "organ", "tissue_type", "tissue_detail", "tissue_ontology_term_id")),
    Role("organism", ("organism", "species", "organism_ontology_term_id")),
    Role("disease", ("disease", "condition", "disease_ontology_term_id")),
    Role("development_stage", ("development_stage", "age", "day", "timepoint", "development_stage_ontology_term_id")),
    Role("perturbation", ("perturbation", "guide", "treatment", "stim")),
    Role("is_primary_data", ("is_primary_data",)),
)
"""Roles, those of the catalog first; the names are those of CELLxGENE's schema, of scanpy, of Seurat and of papers."""

UNTOLD = frozenset({"unknown", "unassigned", "unlabelled", "unlabeled", "undefined", "none", "not available", "n.a."})
"""Labels, in lower case, that stand for no label if most cells have them."""
ORGANISM_NAMES = {
    "human": ("human", "homo sapiens", "ncbitaxon:9606", "hsapiens", "h. sapiens", "9606"),
    "mouse": ("mouse", "mus musculus", "ncbitaxon:10090", "mmusculus", "m. musculus", "10090"),
    "rat": ("rat", "rattus norvegicus", "ncbitaxon:10116"),
    "zebrafish": ("zebrafish", "danio rerio", "ncbitaxon:7955"),
    "fly": ("fly", "drosophila melanogaster", "ncbitaxon:7227"),
    "worm": ("worm", "caenorhabditis elegans", "ncbitaxon:6239"),
}


@dataclass(frozen=True)
class Fit:
    """A column whose name says that it may play a role.

    Attributes
    ----------
    column
        Its name.
    n_values
        Different values, missing ones left out.
    n_missing
        Cells that have none.
    objection
        Why what it holds cannot play the role, None if it can.
    """

    column: str
    n_values: int
    n_missing: int
    objection: str | None = None


def fits(obs: pd.DataFrame, role: Role) -> tuple[Fit, ...]:
    """List the columns whose name may stand for a role, the most telling first, each with what speaks against it."""
    ranks = {_plain(name): rank for rank, name in enumerate(role.names)}
    named = [(ranks[_plain(name)], str(name)) for name in obs.columns if _plain(name) in ranks]
    if role.of_kinds:
        longer = _plain(role.name)
        named += [
            (len(ranks), str(name)) for name in obs.columns if longer in _plain(name) and _plain(name) not in ranks
        ]
    return tuple(_fit(obs, name, role) for _, name in sorted(named))


def best(obs: pd.DataFrame, role: Role) -> str | None:
    """The column that plays a role by name and by content, None if there is none."""
    return next((fit.column for fit in fits(obs, role) if fit.objection is None), None)


def role_named(name: str) -> Role:
    """The role of this name, one of `ROLES`."""
    return next(role for role in ROLES if role.name == name)


def organisms_said(obs: pd.DataFrame) -> tuple[str, tuple[str, ...]] | None:
    """The column of obs that names organisms, and those it names as we do; None if there is no such column."""
    for fit in fits(obs, role_named("organism")):
        labels = {label for label in texts(obs[fit.column].unique()) if label}
        known = {ours for label in labels for ours, theirs in ORGANISM_NAMES.items() if label.strip().lower() in theirs}
        if known:
            return fit.column, tuple(sorted(known))
    return None


def untold(labels: Iterable[str]) -> np.ndarray:
    """Whether each label stands for none."""
    return np.array([not label or label.strip().lower() in UNTOLD for label in labels], dtype=bool)


def _fit(obs: pd.DataFrame, name: str, role: Role) -> Fit:
    column: Any = obs[name]
    counts = column.value_counts(dropna=False)
    labels = texts(counts.index)
    sizes = counts.to_numpy()
    none = untold(labels)
    n_missing, n_values = int(sizes[none].sum()), int((~none & (sizes > 0)).sum())
    n_cells = len(column)
    objection = None
    if n_values == 0:
        objection = f"it has no value for any of {n_cells:,} cells"
    elif n_missing > 0.5 * n_cells:
        objection = f"it has no value for {n_missing:,} of {n_cells:,} cells"
    elif role.of_kinds and pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != bool:
        objection = "it holds numbers"
    elif role.of_kinds and n_values == 1:
        objection = f"it says {labels[~none & (sizes > 0)][0]!r} of every cell"
    elif role.declared and n_values > max(0.5 * n_cells, 1):
        objection = f"it has {n_values:,} different values for {n_cells:,} cells"
    return Fit(name, n_values, n_missing, objection)


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
