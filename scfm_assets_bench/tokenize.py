"""Rank-value encoding against a loop like Geneformer's, and an atlas on disk within a budget of memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from scfm_assets.core.intake import shape_of
from scfm_assets_bench import naive
from scfm_assets_bench.measure import Timed, interleaved, once, peak_so_far
from scfm_assets_bench.processes import in_fresh_process
from scfm_assets_bench.record import Result
from scfm_assets_bench.simulated import draw_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets_bench.settings import BenchSettings, Tell

BENCH = "tokenize"
MAX_TOKENS = 2048
BUDGET = 2 * 2**30
DENSITY = 0.082
DIGITS = 3
"""Decimals of the medians: few enough for ties, about a quarter of a cell's values, as real medians and counts have."""

NOTES = (
    "Geneformer-like: chunks of 512 cells, division by total and median, argsort(-x) of each cell, as its tokenizer "
    "does; rows sliced: the same without its indexing of the sparse matrix for each cell. Their rates are those of the "
    "first 2,048 cells.",
    "Error: largest relative difference of the ranked values at the same place; places differ only among ties, whose "
    "order argsort leaves open.",
    "On disk: a fresh process reads an h5ad in blocks; its peak is that of the whole process, interpreter and packages "
    "included, against the budget.",
)


def run(settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Compare in memory, then tokenize an atlas on disk."""
    n_cells, n_genes = (2_000, 2_000) if settings.quick else (20_000, 20_000)
    tell(f"drawing {n_cells:,} cells x {n_genes:,} genes")
    counts = draw_counts(n_cells, n_genes, density=DENSITY)
    yield from compare(counts, settings, tell)
    yield on_disk(counts, 10 if settings.full else 1, tell)


def compare(counts: sp.csr_matrix, settings: BenchSettings, tell: Tell) -> Iterator[Result]:
    """Compare the rates of all, and their ranks."""
    n_cells, n_genes = shape_of(counts)
    gene_ids, vocabulary = vocabulary_of(n_genes)
    tokens, medians = vocabulary.token_ids, vocabulary.medians
    few, n_few = counts[:2048], min(n_cells, 2048)
    name = f"{n_cells:,} cells x {n_genes:,} genes, {counts.nnz / 1e6:.1f} M counts"
    encode(counts[:8], gene_ids, vocabulary)  # compiles or loads the kernel
    sides = {
        "ours": lambda: encode(counts, gene_ids, vocabulary),
        "Geneformer-like": lambda: naive.rank_cells(few, tokens, medians, max_tokens=MAX_TOKENS),
        "rows sliced": lambda: naive.rank_cells(few, tokens, medians, max_tokens=MAX_TOKENS, slices=True),
    }
    timed = interleaved(sides, repeats=settings.repeats or (2 if settings.quick else 5), tell=tell, what=name)
    ours = cast("Timed[Tokens]", timed.pop("ours"))
    extrapolated = f", extrapolated from {n_few:,} cells" if n_few < n_cells else ""
    for side, baseline in cast("dict[str, Timed[list[np.ndarray]]]", timed).items():
        theirs = baseline.cpu * n_cells / n_few
        yield Result(
            BENCH,
            name,
            f"{side}{extrapolated}",
            ratio=theirs / ours.cpu,
            seconds=ours.cpu,
            baseline_seconds=theirs,
            error=rank_error(few, ours.value, baseline.value, vocabulary),
        )


def vocabulary_of(n_genes: int) -> tuple[list[str], Vocabulary]:
    """Gene ids, and a vocabulary that knows them all."""
    from scfm_assets.core.genes import build_vocabulary

    gene_ids = [f"ENSG{gene:011d}" for gene in range(n_genes)]
    medians = np.round(np.exp(0.5 * np.random.default_rng(1).standard_normal(n_genes)), DIGITS) + 0.01
    tokens = {gene: place + 2 for place, gene in enumerate(gene_ids)}
    return gene_ids, build_vocabulary(tokens, dict(zip(gene_ids, medians.tolist(), strict=True)))


def encode(counts: sp.csr_matrix, gene_ids: Sequence[str], vocabulary: Vocabulary) -> Tokens:
    """Rank with ours."""
    from scfm_assets.core.tokens import tokenize

    return tokenize(counts, gene_ids, vocabulary, max_tokens=MAX_TOKENS, special=False)


def rank_error(counts: sp.csr_matrix, ours: Tokens, theirs: Sequence[np.ndarray], vocabulary: Vocabulary) -> float:
    """Largest relative difference of count / median at the same place of both rankings.

    Raises
    ------
    RuntimeError
        If a cell has not as many tokens in both.
    """
    worst = 0.0
    value_of_token = np.zeros(vocabulary.size)
    for cell, their_row in enumerate(theirs):
        part = slice(counts.indptr[cell], counts.indptr[cell + 1])
        column = counts.indices[part]
        value_of_token[:] = 0
        value_of_token[vocabulary.token_ids[column]] = counts.data[part] / vocabulary.medians[column]
        our_row = ours.row(cell)
        if len(our_row) != len(their_row):
            message = f"cell {cell} has {len(our_row)} tokens and {len(their_row)}"
            raise RuntimeError(message)
        expected = value_of_token[their_row]
        worst = max(worst, float(np.max(np.abs(value_of_token[our_row] - expected) / expected, initial=0.0)))
    return worst


def on_disk(counts: sp.csr_matrix, times: int, tell: Tell) -> Result:
    """Tokenize an atlas of the same cells, several times over, from a file; in a process that has seen nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atlas.h5ad"
        n_cells, n_genes = times * shape_of(counts)[0], shape_of(counts)[1]
        tell(f"writing {n_cells:,} cells")
        write_h5ad(path, counts, times)
        tell(f"tokenizing {n_cells:,} cells from disk")
        seconds, peak = cast("tuple[float, int]", in_fresh_process(_from_disk, path, BUDGET, threads=1))
    return Result(
        BENCH,
        f"{n_cells:,} cells x {n_genes:,} genes from disk: whole process",
        f"budget of {BUDGET / 2**30:.0f} GiB",
        ratio=BUDGET / peak,
        seconds=seconds,
        peak_bytes=peak,
        baseline_peak_bytes=BUDGET,
    )


def write_h5ad(path: Path, counts: sp.csr_matrix, times: int) -> None:
    """Write the rows of counts several times over, as anndata lays out an h5ad, never holding more than once."""
    import h5py

    n_cells, n_genes = times * shape_of(counts)[0], shape_of(counts)[1]
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for group in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            file.create_group(group).attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n_cells, n_genes)})
        for name, values in (("data", counts.data), ("indices", counts.indices.astype(np.int32))):
            written = matrix.create_dataset(
                name, (counts.nnz * times,), values.dtype, chunks=(min(1 << 18, counts.nnz),)
            )
            for again in range(times):
                written[again * counts.nnz : (again + 1) * counts.nnz] = values
        starts = [counts.indptr[:-1].astype(np.int64) + again * counts.nnz for again in range(times)]
        matrix["indptr"] = np.concatenate([*starts, [counts.nnz * times]])
        for name, ids in (
            ("obs", [f"cell{cell}" for cell in range(n_cells)]),
            ("var", vocabulary_of(n_genes)[0]),
        ):
            frame = file.create_group(name)
            frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            frame.attrs["column-order"] = np.empty(0, dtype="S1")
            frame.create_dataset("_index", data=ids, dtype=h5py.string_dtype())
            frame["_index"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def _from_disk(path: Path, budget: int) -> tuple[float, int]:
    """CPU seconds of tokenizing a file, and the largest memory that this process ever had."""
    from scfm_assets.core.disk_tokens import open_counts, write_tokens
    from scfm_assets.core.tokens import tokenize_rows

    def work() -> None:
        with open_counts(path, "X") as rows:
            gene_ids, vocabulary = vocabulary_of(rows.n_genes)
            blocks = tokenize_rows(rows, gene_ids, vocabulary, max_tokens=MAX_TOKENS, special=False, budget=budget)
            write_tokens(path.with_suffix(".safetensors"), blocks, n_cells=rows.n_cells)

    return once(work).cpu, peak_so_far()
