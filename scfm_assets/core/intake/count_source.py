"""Where in an atlas the raw counts are, and the proof that they are counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.core.genes import Repair
from scfm_assets.core.intake.counts import as_counts, csr_of, prove_counts, recover_log1p_cp10k, scale_of, shape_of
from scfm_assets.core.intake.spec import AUTO, AtlasSpec
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from scipy import sparse


@dataclass(frozen=True)
class CountSource:
    """The counts of an atlas as they were found.

    Attributes
    ----------
    counts
        CSR int32, shape (n_cells, n_genes).
    var
        Annotation of the genes; that of ``raw`` if the counts are there.
    place
        ``X``, ``layers/<name>`` or ``raw.X``.
    repairs
        What was put right.
    """

    counts: sparse.csr_matrix
    var: pd.DataFrame
    place: str
    repairs: tuple[Repair, ...] = ()


def take_counts(adata: AnnData, spec: AtlasSpec) -> CountSource:
    """Find the raw counts and prove that they are counts.

    Raises
    ------
    ScfmError
        If the declared place is not there or holds anything but counts; the remedy names another place that does.
    """
    present = matrices(adata)
    places = wanted(spec, present)
    n_cells, n_genes = shape_of(present[places[0]])
    if not n_cells or not n_genes:
        problem = f"{places[0]} has {n_cells:,} cells and {n_genes:,} genes"
        raise ScfmError(spec.place, problem, "An atlas needs at least one cell and one gene.")
    if spec.recover is not None:
        return _recovered(adata, spec, present, places[0])
    for place in places:
        matrix = csr_of(present[place])
        if prove_counts(matrix).ok:
            return CountSource(as_counts(matrix), var_at(adata, place), place)
    raise _no_counts(adata, spec, present, places)


def matrices(adata: AnnData) -> dict[str, Any]:
    """List every matrix of numbers in an AnnData by its place: ``X``, ``layers/<name>``, ``raw.X``."""
    named: dict[str, Any] = {"X": adata.X}
    # anndata 0.13 keeps X among the layers, under None.
    named |= {f"layers/{name}": layer for name, layer in adata.layers.items() if name is not None}
    named["raw.X"] = None if adata.raw is None else adata.raw.X
    return {place: matrix for place, matrix in named.items() if matrix is not None and matrix.dtype.kind in "biuf"}


def wanted(spec: AtlasSpec, places: Iterable[str]) -> list[str]:
    """The places of a file at which to look for counts, in order.

    Raises
    ------
    ScfmError
        If there is none.
    """
    places = list(places)
    candidates = AUTO if spec.counts == "auto" else (spec.counts,)
    present = [place for place in candidates if place in places]
    if not present:
        problem = f"holds no matrix of numbers at {' or '.join(candidates)} (it has: {', '.join(places) or 'none'})"
        remedy = f"Name one of them as `counts` for {spec.entry}." if places else "Use a file that holds counts."
        raise ScfmError(spec.place, problem, remedy)
    return present


def var_at(adata: AnnData, place: str) -> pd.DataFrame:
    """Annotation of the genes of the matrix at a place."""
    var: Any = adata.raw.var if place == "raw.X" and adata.raw is not None else adata.var
    return var


def matrix_lines(place: str, matrix: sparse.csr_matrix, obs: pd.DataFrame, var: pd.DataFrame) -> tuple[str, ...]:
    """Lines on a matrix: its size, and what its values are."""
    n_cells, n_genes = shape_of(matrix)
    filled = matrix.nnz / max(n_cells * n_genes, 1)
    contents = prove_counts(matrix).words(obs.index.tolist(), var.index.tolist())
    scale = scale_of(matrix).words if 0 not in (n_cells, n_genes) else "is empty"
    return (
        f"{place}: {n_cells:,} cells x {n_genes:,} genes of {matrix.dtype}, {filled:.1%} filled",
        f"{place} {contents} and {scale}",
    )


def _recovered(adata: AnnData, spec: AtlasSpec, present: Mapping[str, Any], place: str) -> CountSource:
    """Recover the counts under the scaled values at the declared place."""
    if spec.counts == "auto":
        problem = f"`recover: {spec.recover}` is declared, but not which values it is about"
        raise ScfmError(spec.place, problem, f"Name them as `counts` for {spec.entry}: one of {', '.join(present)}.")
    matrix = csr_of(present[place])
    if prove_counts(matrix).ok:
        raise ScfmError(spec.place, f"{place} holds raw counts already", f"Leave `recover` of {spec.entry} out.")
    var = var_at(adata, place)
    where = f"{spec.place}: {place}"
    counts = recover_log1p_cp10k(matrix, place=where, cells=adata.obs_names.tolist(), genes=var.index.tolist())
    repair = Repair("counts_recovered", counts.nnz, f"from log1p of counts scaled to 10,000 in {place}")
    return CountSource(counts, var, place, (repair,))


def _no_counts(adata: AnnData, spec: AtlasSpec, present: Mapping[str, Any], places: Sequence[str]) -> ScfmError:
    """The error that says what is at the places that were looked at, and where counts are instead."""
    cells = adata.obs_names.tolist()
    by_place = {place: csr_of(matrix) for place, matrix in present.items()}
    problems = []
    for place in places:
        what = prove_counts(by_place[place]).words(cells, var_at(adata, place).index.tolist())
        problems.append(f"{place} {what} and {scale_of(by_place[place]).words}")
    elsewhere = [place for place, matrix in by_place.items() if place not in places and prove_counts(matrix).ok]
    recoverable = [place for place, matrix in by_place.items() if scale_of(matrix).recoverable]
    remedy = "Counts must be raw integers. "
    if elsewhere:
        remedy += f"The file also has {elsewhere[0]!r}, which is integer: write `counts: {elsewhere[0]}` "
    elif recoverable:
        remedy += f"They can be recovered: write `counts: {recoverable[0]}` and `recover: log1p_cp10k` "
    else:
        remedy += "No place in the file holds any: take the data from before normalisation "
    return ScfmError(spec.place, "; ".join(problems), f"{remedy}for {spec.entry}.")
