from __future__ import annotations

import anndata
import numpy as np

from scfm_assets.core.tokens.encode import Tokens
from scfm_assets_bench import naive, tokenize
from scfm_assets_bench.settings import BenchSettings
from scfm_assets_bench.simulated import draw_counts
from scfm_assets_tests.bench.tiny import silent


def test_simulated_counts_are_as_sparse_as_asked_for():
    counts = draw_counts(600, 2000, density=0.082)
    assert abs(counts.nnz / (600 * 2000) - 0.082) < 0.01
    assert (counts.data == np.rint(counts.data)).all()
    assert counts.data.min() == 1


def test_all_ways_of_ranking_agree_but_for_the_order_of_ties():
    counts = draw_counts(520, 400, density=0.2)
    lines = list(tokenize.compare(counts, BenchSettings(repeats=1), silent))
    assert [line.baseline for line in lines] == ["Geneformer-like", "rows sliced"]
    assert all(line.error < 1e-6 for line in lines)


def test_rows_sliced_and_rows_indexed_are_the_same_ranking():
    counts = draw_counts(30, 200, density=0.3)
    tokens, medians = np.arange(5, 205), np.linspace(0.5, 2, 200)
    indexed, sliced = (naive.rank_cells(counts, tokens, medians, max_tokens=20, slices=s) for s in (False, True))
    for cell, (one, other) in enumerate(zip(indexed, sliced, strict=True)):
        np.testing.assert_array_equal(one, other)
        values = counts[cell].toarray()[0] / medians
        assert values[one - 5].tolist() == sorted(values[values > 0], reverse=True)[:20]


def test_a_wrong_rank_is_seen_and_a_swap_of_ties_is_not():
    gene_ids, vocabulary = tokenize.vocabulary_of(300)
    counts = draw_counts(20, 300, density=0.3)
    ours = tokenize.encode(counts, gene_ids, vocabulary)
    rows = [ours.row(cell).copy() for cell in range(20)]
    assert tokenize.rank_error(counts, ours, rows, vocabulary) == 0
    columns = counts[3].indices
    value = dict(zip(vocabulary.token_ids[columns], counts[3].data / vocabulary.medians[columns], strict=True))
    tied = next(i for i in range(len(rows[3]) - 1) if value[rows[3][i]] == value[rows[3][i + 1]])
    rows[3][[tied, tied + 1]] = rows[3][[tied + 1, tied]]
    assert tokenize.rank_error(counts, ours, rows, vocabulary) == 0
    rows[3] = rows[3][::-1]
    assert tokenize.rank_error(counts, Tokens.of(rows), [ours.row(cell) for cell in range(20)], vocabulary) > 0.1


def test_the_file_on_disk_is_one_that_anndata_reads(tmp_path):
    counts = draw_counts(12, 50, density=0.3)
    tokenize.write_h5ad(tmp_path / "atlas.h5ad", counts, 3)
    adata = anndata.read_h5ad(tmp_path / "atlas.h5ad")
    assert adata.shape == (36, 50)
    np.testing.assert_array_equal(adata.X.toarray(), np.tile(counts.toarray(), (3, 1)))
    assert adata.var_names.tolist() == tokenize.vocabulary_of(50)[0]


def test_an_atlas_on_disk_is_tokenized_in_a_process_of_its_own():
    line = tokenize.on_disk(draw_counts(50, 100, density=0.3), 2, silent)
    assert line.case.startswith("100 cells x 100 genes from disk")
    assert line.baseline_peak_bytes == 2 * 2**30
    assert 0 < line.peak_bytes < line.baseline_peak_bytes
    assert line.ratio == line.baseline_peak_bytes / line.peak_bytes
