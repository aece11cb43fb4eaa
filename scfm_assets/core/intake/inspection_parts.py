"""The parts of an inspection: each looks at one side of an atlas and says what is there, one fact per line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.base import shown
from scfm_assets.core.genes import CASED, ORGANISMS, as_written_by, look_at, texts
from scfm_assets.core.intake.count_source import matrices, matrix_lines, var_at
from scfm_assets.core.intake.counts import csr_of, shape_of
from scfm_assets.core.intake.files import notes_of
from scfm_assets.core.intake.files.memory import size
from scfm_assets.core.intake.findings import AtlasFacts
from scfm_assets.core.intake.obs_columns import ROLES, Role, fits, untold
from scfm_assets.core.intake.spec import UNDECLARED, AtlasSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    from scfm_assets.core.genes import GeneNames, GeneTable
    from scfm_assets.core.intake.count_source import CountSource
    from scfm_assets.core.intake.coverage import ModelCoverage
    from scfm_assets.core.intake.guess import Clues

_LISTED = 12


@dataclass(frozen=True)
class Section:
    """A part of the inspection: a title and what there is to say, one fact per line."""

    title: str
    lines: tuple[str, ...]
    verbatim: bool = False


def file_section(adata: AnnData, spec: AtlasSpec, source: CountSource | None) -> Section:
    """The section on the kind of the file, and the memory that it takes."""
    lines = [notes_of(adata).format]
    if spec.path is not None and spec.path.is_file():
        lines[0] += f", {size(spec.path.stat().st_size)}"
    if source is not None:
        # The matrix as it is stored, the proven counts and the chosen ones: values and columns of four bytes each.
        needed = source.counts.nnz * (csr_of(matrices(adata)[source.place]).dtype.itemsize + 4 + 8 + 8)
        lines.append(f"all its cells are taken in at once, however few are drawn: about {size(needed)} of memory")
    return Section("File", tuple(lines))


def matrices_section(adata: AnnData, source: CountSource | None) -> Section:
    """The section on what each matrix that was looked at holds, and which one is taken."""
    lines = list(notes_of(adata).passed)
    obs: Any = adata.obs
    for place, stored in matrices(adata).items():
        lines += matrix_lines(place, csr_of(stored), obs, var_at(adata, place))
    taken = f"counts are taken from {source.place}" if source else "no counts can be taken"
    return Section("Matrices", (*map(_safe, lines), taken))


def library_section(counts: sparse.csr_matrix, symbols: np.ndarray) -> Section:
    """The section on the counts and genes per cell, and what looks wrong about them."""
    totals, genes = np.asarray(counts.sum(axis=1)).ravel(), np.diff(counts.indptr)
    lines = [f"counts per cell: {_range(totals)}", f"genes per cell: {_range(genes)}"]
    mitochondrial = np.array([symbol.upper().startswith("MT-") for symbol in symbols], dtype=bool)
    if mitochondrial.any() and totals.all():
        share = np.median(np.asarray(counts[:, mitochondrial].sum(axis=1)).ravel() / totals)
        lines.append(f"{mitochondrial.sum():,} mitochondrial genes with {share:.1%} of the median cell's counts")
    if counts.nnz and counts.data.max() == 1:
        lines.append("every count is 1: the matrix looks binarised")
    if len(totals) > 1 and np.ptp(totals) <= 0.01 * totals.mean():
        lines.append("all cells have one library size: the counts look down-sampled, or normalised and rounded")
    return Section("Library sizes", tuple(lines))


def columns_section(obs: pd.DataFrame, spec: AtlasSpec) -> Section:
    """The section on which column of obs stands for what, what else would, and why others do not."""
    lines = [line for role in ROLES for line in _role_lines(obs, role, spec)]
    return Section("Columns of obs", tuple(map(_safe, lines)) or ("none",))


def _role_lines(obs: pd.DataFrame, role: Role, spec: AtlasSpec) -> list[str]:
    candidates = fits(obs, role)
    taken = getattr(spec, role.name) if role.declared else None
    if not candidates and taken is None:
        return [f"{role.name}: none"] if role.name in UNDECLARED else []
    others = [f"{fit.column!r} ({_values(fit.n_values)})" for fit in candidates if fit.objection is None]
    against = [f"not {fit.column!r}: {fit.objection}" for fit in candidates if fit.objection and fit.column != taken]
    if not role.declared:
        return [f"{role.name}: {', '.join(others)}, not taken"] if others else []
    if taken is None:
        would = [f"{', '.join(others)} would fit"] if others else []
        return [f"{role.name}: " + "; ".join(["none", *would, *against])]
    known = next((fit for fit in candidates if fit.column == taken), None)
    line = f"{role.name}: {taken!r}" + (f" ({_values(known.n_values)})" if known else "")
    rest = [other for other in others if not other.startswith(f"{taken!r} (")]
    return ["; ".join([line, *([f"{', '.join(rest)} would fit, too"] if rest else []), *against])]


def genes_section(
    names: GeneNames, symbols: np.ndarray, clues: Clues, spec: AtlasSpec, table: GeneTable | None
) -> Section:
    """The section on the names of the genes, their organism, and how their symbols are written."""
    places = ("the index" if column is None else f"column {column!r}" for column in (spec.gene_id, spec.symbol))
    unmapped = names.ids[~names.mapped]
    n, share = names.mapped.sum(), names.mapped.sum() / max(len(names.mapped), 1)
    known = f"{n:,} of {len(names.mapped):,} genes ({share:.1%}) have an Ensembl id"
    lines = ["ids are in {} of var, symbols in {}".format(*places), known]
    if len(unmapped):
        lines.append(f"{len(unmapped):,} keep their name: {_list(unmapped)}")
        spikes = sum(name.startswith("ERCC-0") for name in unmapped)
        if spikes:
            lines.append(f"{spikes:,} are ERCC spike-ins, whose counts are no gene's: take them out of the file")
        elif spec.gene_table is None and spec.organism in ORGANISMS:
            lines.append("a `gene_table` (symbol, Ensembl id) may give them ids")
    reasons = "; ".join(words for _, words in clues) or "nothing in the file tells"
    lines.append(f"organism {spec.organism}: {reasons}")
    lines += _case_lines(symbols, spec, table)
    return Section("Genes", tuple(map(_safe, lines)))


def _case_lines(symbols: np.ndarray, spec: AtlasSpec, table: GeneTable | None) -> list[str]:
    lines = []
    look = look_at(symbols)
    if spec.organism in CASED and look.written not in {None, spec.organism}:
        way = "in lower case" if look.written == "lower" else f"as {look.written}'s"
        lines.append(f"symbols are written {way}, which networks and vocabularies by symbol do not know")
    if table is not None and spec.organism in CASED:
        unknown = [name for name in symbols if name and table.find(name) is None]
        folded = [name for name in unknown if table.find(as_written_by(spec.organism, name)) is not None]
        lines.append(f"the gene table knows {len(symbols) - len(unknown):,} of {len(symbols):,} symbols as they are")
        if folded:
            example = f"{folded[0]} as {as_written_by(spec.organism, folded[0])}"
            lines[-1] += f", {len(folded):,} more only in another case ({example}): see `symbol_case`"
    return lines


def coverage_section(coverages: tuple[ModelCoverage, ...], absent: Mapping[str, str]) -> Section:
    """The section on how much of the atlas each model can see."""
    lines = [coverage.words() for coverage in coverages]
    lines += [f"{model}: not asked ({why})" for model, why in absent.items()]
    return Section("Coverage", tuple(map(_safe, lines)) or ("no model was given",))


def label_lines(obs: pd.DataFrame, column: str | None, name: str) -> tuple[str, ...]:
    """Count the cells of each label, whether or not the column can be used."""
    if column is None:
        return (f"none declared: {UNDECLARED[name]!r} for all {len(obs):,} cells",)
    if column not in obs.columns:
        return (f"obs has no column {shown(column)!r}",)
    values: Any = obs[column]
    sizes = Counter(texts(values))
    missing = sizes.pop("", 0)
    listed = _list([f"{label} {n:,}" for label, n in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))])
    lines = [f"obs column {shown(column)!r}: {_values(len(sizes))}"] + ([listed] if sizes else [])
    vague = {label: n for label, n in sizes.items() if untold([label])[0]}
    lines += [f"{n:,} cells are labelled {shown(label)!r}, which counts as a label" for label, n in vague.items()]
    return (*lines, *([f"{missing:,} cells have no value"] if missing else []))


def confounded_lines(obs: pd.DataFrame, spec: AtlasSpec) -> tuple[str, ...]:
    """Lines on batches and donors that determine the cell type, so that the two cannot be separated."""
    lines = []
    for name in ("batch", "donor"):
        column = getattr(spec, name)
        if spec.cell_type is None or column is None or not {spec.cell_type, column} <= set(obs.columns):
            continue
        types, groups = (texts(obs[each].to_numpy()) for each in (spec.cell_type, column))
        pairs = set(zip(groups.tolist(), types.tolist(), strict=True))
        n_groups, n_types = len(set(groups)), len(set(types))
        if 1 < n_groups == len(pairs) and n_types > 1:
            lines.append(f"every {name} holds cells of one type only: {name} and cell type cannot be told apart")
    return tuple(lines)


def facts_of(
    adata: AnnData,
    obs: pd.DataFrame,
    spec: AtlasSpec,
    kept: sparse.csr_matrix | None,
    *,
    coverages: tuple[ModelCoverage, ...],
    looks_like: str | None,
) -> AtlasFacts:
    """The numbers that a finding rests on: of what would be taken, or of what there is if nothing would be."""
    n_cells, n_genes = (len(obs), adata.n_vars) if kept is None else shape_of(kept)
    genes = float(np.median(np.diff(kept.indptr))) if kept is not None and n_cells else None
    kinds = {name: _n_labels(obs, getattr(spec, name)) for name in ("cell_type", "donor")}
    return AtlasFacts(n_cells, n_genes, genes, kinds["cell_type"], kinds["donor"], spec.organism, coverages, looks_like)


def _n_labels(obs: pd.DataFrame, column: str | None) -> int | None:
    if column is None or column not in obs.columns:
        return None
    values: Any = obs[column]
    return len(set(texts(values.unique())) - {""})


def _values(n: int) -> str:
    return "one value" if n == 1 else f"{n:,} values"


def _range(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{low:,.0f} to {high:,.0f}, median {middle:,.0f}"


def _list(names: Any, most: int = _LISTED) -> str:
    listed = ", ".join(map(shown, names[:most]))
    return listed + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _safe(line: str) -> str:
    """Keep what a file's names hold from doing anything to the terminal."""
    return line if line.isprintable() else "".join(char if char.isprintable() else shown(char) for char in line)
