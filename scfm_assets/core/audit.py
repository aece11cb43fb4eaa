"""The readable audit of an atlas: what is in the file, what would be put right, what would be refused."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scfm_assets.core import h5ad
from scfm_assets.core.atlas import read
from scfm_assets.core.atlas_spec import UNDECLARED, AtlasSpec
from scfm_assets.core.count_source import matrices, take_counts, var_at
from scfm_assets.core.counts import csr_of, prove_counts, scale_of, shape_of
from scfm_assets.core.errors import ScfmError
from scfm_assets.core.genes import GeneNames, Repair, texts
from scfm_assets.core.intake import check_organism, choose, take_barcodes, take_genes, take_label, unite_genes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

T = TypeVar("T")

USUAL_COLUMNS = {
    "cell_type": ("cell_type", "celltype", "CellType", "cell_types", "cell_ontology_class", "bulk_labels"),
    "donor": ("donor_id", "donor", "patient_id", "patient", "individual", "subject"),
    "batch": ("batch", "sample_id", "sample", "library_id", "library"),
    "gene_id": ("ensembl_id", "gene_ids", "gene_id", "feature_id", "ensembl"),
    "symbol": ("feature_name", "symbol", "gene_symbols", "gene_symbol", "gene_name", "gene_short_name"),
}
"""Names under which people usually keep what an atlas declares, the most telling first."""
_LISTED = 12


@dataclass(frozen=True)
class Section:
    """A part of the audit: a title and what there is to say, one fact per line."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class AtlasAudit:
    """What `process` would do with an atlas.

    Attributes
    ----------
    place
        The file.
    sections
        What is in it.
    repairs
        What would be put right.
    refusals
        What would stop it: all of it, not only the first.
    """

    place: str
    sections: tuple[Section, ...]
    repairs: tuple[Repair, ...]
    refusals: tuple[ScfmError, ...]

    @property
    def ok(self) -> bool:
        """Whether the atlas can be used as it is declared."""
        return not self.refusals

    def text(self) -> str:
        """Write the audit for a terminal."""
        repaired = [f"{repair.n:,} {repair.what.replace('_', ' ')} ({repair.example})" for repair in self.repairs]
        refused = [f"{refusal.problem}. {refusal.remedy or ''}".rstrip() for refusal in self.refusals]
        verdict = "the atlas can be used as declared" if self.ok else "the atlas cannot be used as declared"
        sections = (
            *self.sections,
            Section("Would be put right", tuple(repaired) or ("nothing",)),
            Section("Would be refused", tuple(refused) or ("nothing",)),
            Section("Verdict", (verdict,)),
        )
        width = max(len(section.title) for section in sections) + 4
        return "\n".join([self.place, *(_paragraph(section, width) for section in sections)]) + "\n"


def audit_file(path: Path, spec: AtlasSpec, vocabularies: Mapping[str, Collection[str]] | None = None) -> AtlasAudit:
    """Audit an .h5ad file.

    Parameters
    ----------
    path
        The file; it stands for that of `spec`.
    spec
        What is declared about it, by the catalog or by `guess_spec`.
    vocabularies
        Canonical gene ids that each model knows, by its name.

    Raises
    ------
    ScfmError
        If the file cannot be read at all. Everything else is a refusal within the audit.
    """
    spec = replace(spec, path=path)
    return audit(read(spec), spec, vocabularies)


def guess_spec(path: Path, tissue: str = "atlas", organism: str = "human") -> AtlasSpec:
    """Declare a file by the usual names of its columns, for an audit without a catalog.

    Raises
    ------
    ScfmError
        If the file cannot be read.
    """
    obs, var = h5ad.column_names(path)
    columns = {"cell_type": obs, "donor": obs, "batch": obs, "gene_id": var, "symbol": var}
    found: dict[str, Any] = {
        name: next((usual for usual in USUAL_COLUMNS[name] if usual in there), None) for name, there in columns.items()
    }
    return AtlasSpec(tissue=tissue, path=path, organism=organism, **found)


def audit(adata: AnnData, spec: AtlasSpec, vocabularies: Mapping[str, Collection[str]] | None = None) -> AtlasAudit:
    """Ask every step of `process`, note what each would put right or refuse, and describe what there is.

    Parameters
    ----------
    adata
        From `read`, `read_scanpy` or a simulator.
    spec
        What is declared about it.
    vocabularies
        Canonical gene ids that each model knows, by its name.
    """
    refusals: list[ScfmError] = []
    obs: Any = adata.obs
    source = _ask(refusals, lambda: take_counts(adata, spec))
    counts = None if source is None else source.counts
    _ask(refusals, lambda: take_barcodes(adata.obs_names, spec))
    for name in UNDECLARED:
        _ask(refusals, lambda name=name: take_label(obs, name, spec))
    names = _ask(refusals, lambda: take_genes(var_at(adata, source.place if source else "X"), spec))
    sections, repairs = [_matrices(adata, source.place if source else None)], [*(source.repairs if source else ())]
    if counts is not None:
        sections.append(_libraries(counts))
    if names is not None:
        sections += [_genes(names, spec), _coverage(names, counts, vocabularies or {})]
        repairs += names.repairs
        _ask(refusals, lambda: check_organism(names, spec))
        for model, known in (vocabularies or {}).items():
            _ask(refusals, lambda model=model, known=known: _check_overlap(names, model, known, spec))
    if counts is not None and names is not None:
        united = _ask(refusals, lambda: unite_genes(counts, names, spec)) or (counts, None, ())
        chosen = _ask(refusals, lambda: choose(united[0], adata.obs_names.to_numpy(), spec)) or (None, None, ())
        repairs += (*united[2], *chosen[2])
    columns = {"Cell types": "cell_type", "Donors": "donor", "Batches": "batch"}
    sections += [Section(title, _labels(obs, getattr(spec, name), name)) for title, name in columns.items()]
    return AtlasAudit(spec.place, tuple(sections), tuple(repairs), tuple(refusals))


def _ask(refusals: list[ScfmError], step: Callable[[], T]) -> T | None:
    """Do a step, or note why it would be refused."""
    try:
        return step()
    except ScfmError as refusal:
        refusals.append(refusal)
        return None


def _matrices(adata: AnnData, taken: str | None) -> Section:
    lines = []
    for place, stored in matrices(adata).items():
        matrix = csr_of(stored)
        n_cells, n_genes = shape_of(matrix)
        filled = matrix.nnz / max(n_cells * n_genes, 1)
        found = prove_counts(matrix).words(adata.obs_names.tolist(), var_at(adata, place).index.tolist())
        lines += [
            f"{place}: {n_cells:,} cells x {n_genes:,} genes of {matrix.dtype}, {filled:.1%} filled",
            f"{place} {found} and {scale_of(matrix).words if 0 not in (n_cells, n_genes) else 'is empty'}",
        ]
    return Section("Matrices", (*lines, f"counts are taken from {taken}" if taken else "no counts can be taken"))


def _libraries(counts: sparse.csr_matrix) -> Section:
    totals, genes = np.asarray(counts.sum(axis=1)).ravel(), np.diff(counts.indptr)
    lines = [f"counts per cell: {_range(totals)}", f"genes per cell: {_range(genes)}"]
    if counts.nnz and counts.data.max() == 1:
        lines.append("every count is 1: the matrix looks binarised")
    if len(totals) > 1 and np.ptp(totals) <= 0.01 * totals.mean():
        lines.append("all cells have one library size: the counts look down-sampled, or normalised and rounded")
    return Section("Library sizes", tuple(lines))


def _genes(names: GeneNames, spec: AtlasSpec) -> Section:
    ids, symbols = ("the index" if column is None else f"column {column!r}" for column in (spec.gene_id, spec.symbol))
    unmapped = names.ids[~names.mapped]
    lines = [f"ids are in {ids} of var, symbols in {symbols}", f"{_share(names.mapped)} have an Ensembl id"]
    if len(unmapped):
        lines.append(f"{len(unmapped):,} keep their name: {_list(unmapped)}")
    return Section("Gene ids", tuple(lines))


def _coverage(
    names: GeneNames, counts: sparse.csr_matrix | None, vocabularies: Mapping[str, Collection[str]]
) -> Section:
    """Say how much of the atlas each model can see."""
    lines = []
    for model, known in vocabularies.items():
        inside = _inside(names, known)
        line = f"{model}: {_share(inside)}"
        if counts is not None:
            seen = counts[:, inside]
            share = seen.sum(dtype=np.int64) / max(counts.sum(dtype=np.int64), 1)
            line += f", {share:.1%} of counts, {np.median(np.diff(seen.indptr)):,.0f} genes in the median cell"
        lines.append(line)
    return Section("Vocabularies", tuple(lines) or ("no model was given",))


def _check_overlap(names: GeneNames, model: str, vocabulary: Collection[str], spec: AtlasSpec) -> None:
    if not _inside(names, vocabulary).any():
        problem = f"no gene of the atlas is in the vocabulary of {model} (first genes: {_list(names.ids, 3)})"
        remedy = f"Name the var column that holds Ensembl ids as `gene_id`, or a `gene_table`, for {spec.entry}."
        raise ScfmError(spec.place, problem, remedy)


def _inside(names: GeneNames, vocabulary: Collection[str]) -> np.ndarray:
    known = frozenset(vocabulary)
    return np.array([gene_id in known for gene_id in names.ids], dtype=bool)


def _labels(obs: pd.DataFrame, column: str | None, name: str) -> tuple[str, ...]:
    """Count the cells of each label, whether or not the column can be used."""
    if column is None:
        return (f"none declared: {UNDECLARED[name]!r} for all {len(obs):,} cells",)
    if column not in obs.columns:
        return (f"obs has no column {column!r}",)
    sizes = Counter(texts(obs[column]))
    missing = sizes.pop("", 0)
    listed = _list([f"{label} {n:,}" for label, n in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))])
    lines = [f"obs column {column!r}: {len(sizes):,} different values"] + ([listed] if sizes else [])
    return (*lines, *([f"{missing:,} cells have no value"] if missing else []))


def _share(genes: np.ndarray) -> str:
    return f"{genes.sum():,} of {len(genes):,} genes ({genes.sum() / max(len(genes), 1):.1%})"


def _range(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{low:,.0f} to {high:,.0f}, median {middle:,.0f}"


def _list(names: Any, most: int = _LISTED) -> str:
    shown = ", ".join(map(str, names[:most]))
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _paragraph(section: Section, width: int) -> str:
    """Set the title in the margin and the lines beside it."""
    lines = [
        wrapped
        for line in section.lines
        for wrapped in textwrap.wrap(line, 120 - width, subsequent_indent="  ", break_long_words=False)
    ]
    margin = [f"  {section.title}".ljust(width), *[" " * width] * (len(lines) - 1)]
    return "\n".join(left + line for left, line in zip(margin, lines, strict=True))
