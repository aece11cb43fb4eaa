"""Cells as genes with binned values, held against exact fractions, numpy's quantiles, and themselves in any order."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens import count_blocks
from scfm_assets.core.tokens import value_bins as module
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.core.tokens.value_bins import Binning, tokenize_binned
from scfm_assets.errors import ScfmError

N_GENES, CLS = 60, 7
CLS_VALUE = -2.0


def a_vocabulary(n_genes: int = N_GENES, seed: int = 0) -> Vocabulary:
    """Genes whose tokens are not in the order of their names, special ones between them."""
    names = [f"G{i:04d}" for i in range(n_genes)]
    tokens = np.random.default_rng(seed).permutation(np.delete(np.arange(n_genes + 1), CLS)).tolist()
    ids = {**dict(zip(names, tokens, strict=True)), "<cls>": CLS}
    return build_vocabulary(ids, dict.fromkeys(names, 1.0), names="symbol")


def some_counts(n_cells: int, n_genes: int = N_GENES, seed: int = 0, *, largest: int = 9) -> sp.csr_array:
    """Cells with few and many genes, one without any and one with a single one, and counts of every size."""
    rng = np.random.default_rng(seed)
    shares = rng.choice([0.05, 0.3, 0.9], (n_cells, 1))
    dense = rng.integers(1, largest + 1, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < shares)
    dense[:1] = 0
    dense[1:2] *= np.arange(n_genes) == 5
    dense[2:3, 3] = 60_000
    return sp.csr_array(dense.astype(np.int32))


# Plain references ---------------------------------------------------------------------------------------------------


def exact_edges(values: list[int], n_bins: int) -> list[Fraction]:
    """Quantiles at 0, 1/(n_bins - 2), ..., 1, linear between neighbours, without rounding."""
    ascending, edges = sorted(values), []
    for k in range(n_bins - 1):
        place = Fraction(k * (len(values) - 1), n_bins - 2)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        edges.append(ascending[low] + (place - low) * (ascending[high] - ascending[low]))
    return edges


def reference(
    counts: sp.csr_array, names: list[str], vocabulary: Vocabulary, binning: Binning
) -> list[list[tuple[int, float]]]:
    """Tokens and values of each cell, gene by gene; `beyond` is 'highest' alone."""
    token_of = dict(zip(vocabulary.gene_ids.tolist(), vocabulary.token_ids.tolist(), strict=True))
    cells = []
    for row in counts.toarray().tolist():
        totals: dict[str, int] = {}
        for name, count in zip(names, row, strict=True):
            if name in token_of and count:
                totals[name] = totals.get(name, 0) + count
        edges = exact_edges(list(totals.values()), binning.n_bins) if totals else []
        values = {}
        for name, total in totals.items():
            upto, below = sum(edge <= total for edge in edges), sum(edge < total for edge in edges)
            values[name] = upto if binning.ties == "highest" else -(-(upto + below) // 2)
        kept = sorted(totals, key=lambda name: (-totals[name], name))[: binning.max_tokens - 1]
        genes = sorted((token_of[name], float(values[name])) for name in kept)
        cells.append([(CLS, CLS_VALUE), *genes])
    return cells


def as_lists(tokens: Tokens) -> list[list[tuple[int, float]]]:
    assert tokens.values is not None
    assert (tokens.ids.dtype, tokens.offsets.dtype, tokens.values.dtype) == (np.int32, np.int64, np.float32)
    rows = ((tokens.row(i), tokens.row_values(i)) for i in range(tokens.n_cells))
    return [list(zip(ids.tolist(), values.tolist(), strict=True)) for ids, values in rows]


@pytest.fixture(params=["numba", "numpy"])
def _both_ways(request, monkeypatch):
    """Run a test with the compiled kernel and without numba."""
    if request.param == "numpy":
        monkeypatch.setattr(module, "has_numba", lambda: False)
    else:
        assert module.has_numba()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    n_bins=st.sampled_from([51, 3, 4, 7, 300]),
    max_tokens=st.sampled_from([1200, 20, 2, 1]),
    largest=st.sampled_from([1, 3, 40, 9000]),
    ties=st.sampled_from(module.TIES),
    chunk=st.integers(1, 60),
    compiled=st.booleans(),
)
def test_tokens_and_bins_equal_exact_fractions(seed, n_bins, max_tokens, largest, ties, chunk, compiled):
    rng = np.random.default_rng(seed)
    vocabulary = a_vocabulary(seed=seed)
    names = [*vocabulary.gene_ids.tolist(), "unknown", "G0003"]
    names = [names[i] for i in rng.permutation(len(names))]
    counts = some_counts(8, len(names), seed, largest=largest)
    binning = Binning(n_bins, max_tokens, ties=ties, cls_value=CLS_VALUE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_blocks, "CHUNK_ENTRIES", chunk)
        patch.setattr(module, "has_numba", lambda: compiled)
        found = tokenize_binned(counts, names, vocabulary, binning)
    assert as_lists(found) == reference(counts, names, vocabulary, binning)


def digitized(row: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The bins of non-zero values of a normalised logarithmic row as numpy counts them: upto and below."""
    edges = np.quantile(row, np.linspace(0, 1, n_bins - 1))
    return np.digitize(row, edges), np.digitize(row, edges, right=True)


@pytest.mark.usefixtures("_both_ways")
def test_bins_differ_from_numpys_quantiles_of_normalised_logarithms_only_where_a_quantile_is_a_value():
    """There numpy's interpolation misses the value by a rounding error now and then, to either side."""
    n_bins, compared, different = 51, 0, 0
    vocabulary = a_vocabulary(400, 3)
    counts = some_counts(60, 400, 4, largest=30)
    for ties in module.TIES:
        binning = Binning(n_bins, 1200, ties=ties, cls_value=CLS_VALUE)
        found = tokenize_binned(counts, vocabulary.gene_ids.tolist(), vocabulary, binning)
        for i, row in enumerate(counts.toarray()):
            tokens, ours = found.row(i)[1:], found.row_values(i)[1:]
            column = np.argsort(vocabulary.token_ids)[np.searchsorted(np.sort(vocabulary.token_ids), tokens)]
            assert (row[column] > 0).all()
            if not len(column):
                continue
            upto, below = digitized(np.log1p(row / row.sum() * 1e4)[column], n_bins)
            theirs = upto if ties == "highest" else np.ceil(0.5 * (below - upto) + upto)
            ascending = np.sort(row[column])
            first = np.searchsorted(ascending, row[column])
            last = np.searchsorted(ascending, row[column], side="right") - 1
            on_a_quantile = np.zeros(len(column), bool)
            for place in (first, last):
                on_a_quantile |= (place * (n_bins - 2)) % max(len(column) - 1, 1) == 0
            wrong = ours != theirs
            assert not (wrong & ~on_a_quantile).any()
            assert (np.abs(ours - theirs) <= 1).all() or len(column) == 1
            compared, different = compared + len(column), different + int(wrong.sum())
    assert compared > 10_000
    assert different < 0.01 * compared


def test_the_random_draw_of_scgpt_lies_between_the_rules_for_ties():
    """Its ceil(u below + (1 - u) upto) is never above 'highest', and on average where 'middle' puts it."""
    rng = np.random.default_rng(0)
    row = rng.integers(1, 5, 500).astype(float)
    upto, below = digitized(row, 51)
    drawn = np.ceil(rng.random((4000, 1)) * (below - upto) + upto)
    vocabulary = a_vocabulary(500)
    column = np.argsort(vocabulary.token_ids)
    counts = sp.csr_array(row[None].astype(np.int32))
    names = vocabulary.gene_ids.tolist()
    found = (tokenize_binned(counts, names, vocabulary, Binning(51, 1200, ties=ties)) for ties in module.TIES)
    middle, highest = (tokens.values[1:] for tokens in found)
    assert (drawn.max(0)[column] <= highest).all()
    assert (drawn.min(0)[column] <= middle).all()
    np.testing.assert_allclose(drawn.mean(0)[column], middle, atol=0.7)  # half a bin, and what 4000 draws leave open


# One cell, one result -----------------------------------------------------------------------------------------------


@pytest.fixture(params=module.BEYOND)
def case(request) -> tuple[sp.csr_array, list[str], Vocabulary, Binning, Tokens]:
    vocabulary = a_vocabulary(seed=3)
    names = [*vocabulary.gene_ids.tolist(), "unknown"]
    counts = some_counts(30, len(names), 4)
    binning = Binning(51, 25, beyond=request.param, cls_value=CLS_VALUE)
    found = tokenize_binned(counts, names, vocabulary, binning)
    assert (found.lengths == 25).sum() > 5  # cells that had too many genes
    return counts, names, vocabulary, binning, found


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("chunk", [1, 13, 100, 10**9])
def test_a_cell_does_not_depend_on_chunks_companions_or_their_order(case, chunk, monkeypatch):
    counts, names, vocabulary, binning, expected = case
    monkeypatch.setattr(count_blocks, "CHUNK_ENTRIES", chunk)
    order = np.random.default_rng(0).permutation(30)[:20]
    for rows in (np.arange(30), order, order[:1]):
        found = tokenize_binned(counts[rows], names, vocabulary, binning)
        assert found.digest == expected.take(rows).digest


@pytest.mark.usefixtures("_both_ways")
def test_a_cell_does_not_depend_on_the_order_of_columns_or_on_genes_nobody_knows(case):
    counts, names, vocabulary, binning, expected = case
    order = np.random.default_rng(0).permutation(len(names))
    found = tokenize_binned(counts[:, order], [names[i] for i in order], vocabulary, binning)
    assert found.digest == expected.digest
    without = tokenize_binned(counts[:, :-1], names[:-1], vocabulary, binning)
    assert without.digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
def test_a_cell_does_not_depend_on_sparse_index_order_stored_zeros_or_split_entries(case):
    counts, names, vocabulary, binning, expected = case
    rng = np.random.default_rng(0)
    data, indices, indptr = [], [], [0]
    for i in range(30):
        entries = slice(counts.indptr[i], counts.indptr[i + 1])
        columns, values = counts.indices[entries], counts.data[entries]
        order = rng.permutation(len(columns))
        absent = np.setdiff1d(np.arange(len(names)), columns)[:2]
        split = [1, values[order][0] - 1] if len(order) else []  # the first count in two parts
        data.append(np.concatenate([values[order][1:], split, np.zeros(len(absent))]))
        indices.append(np.concatenate([columns[order][1:], columns[order][:1].repeat(2), absent]))
        indptr.append(indptr[-1] + len(data[-1]))
    entries = (np.concatenate(data).astype(np.int32), np.concatenate(indices).astype(np.int32), np.array(indptr))
    shuffled = sp.csr_array(entries, shape=counts.shape)
    assert tokenize_binned(shuffled, names, vocabulary, binning).digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32, np.float64])
def test_a_cell_does_not_depend_on_the_type_of_its_counts(case, dtype):
    counts, names, vocabulary, binning, expected = case
    assert tokenize_binned(counts.astype(dtype), names, vocabulary, binning).digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
def test_normalising_to_another_depth_changes_no_bin(case):
    counts, names, vocabulary, binning, expected = case
    deeper = counts * np.arange(1, 31, dtype=np.int32)[:, None]
    found = tokenize_binned(sp.csr_array(deeper), names, vocabulary, binning)
    if binning.beyond == "highest":  # a sample by content is another one for another content
        assert found.digest == expected.digest


# Genes beyond -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_both_ways")
def test_a_cell_that_fits_keeps_all_its_genes_whatever_the_rule():
    vocabulary, counts = a_vocabulary(), some_counts(20)
    both = [
        tokenize_binned(counts, vocabulary.gene_ids.tolist(), vocabulary, Binning(51, N_GENES + 1, beyond=beyond))
        for beyond in module.BEYOND
    ]
    assert both[0].digest == both[1].digest
    assert (both[0].lengths == np.diff(counts.indptr) + 1).all()


@pytest.mark.usefixtures("_both_ways")
def test_a_sample_by_content_is_even_over_genes_and_keeps_the_bins_of_the_whole_cell():
    vocabulary = a_vocabulary()
    names = vocabulary.gene_ids.tolist()
    counts = sp.csr_array(np.random.default_rng(0).integers(1, 50, (3000, N_GENES)).astype(np.int32))
    whole = tokenize_binned(counts, names, vocabulary, Binning(51, 1200))
    part = tokenize_binned(counts, names, vocabulary, Binning(51, 16, beyond="content"))
    assert set(part.lengths.tolist()) == {16}
    for i in range(0, 3000, 100):
        bins = dict(zip(whole.row(i).tolist(), whole.row_values(i).tolist(), strict=True))
        assert [bins[token] for token in part.row(i).tolist()] == part.row_values(i).tolist()
    times = np.bincount(part.ids, minlength=N_GENES + 1)[vocabulary.token_ids]
    # 15 of 60 genes in each of 3000 cells: 750 each, with a standard deviation of 24.
    assert np.abs(times - 750).max() < 5 * 24
    once = np.zeros((3000, N_GENES + 1))
    once[np.repeat(np.arange(3000), 16), part.ids] = 1
    together = (once[:, vocabulary.token_ids].T @ once[:, vocabulary.token_ids])[np.triu_indices(N_GENES, 1)]
    # A pair in 15 * 14 / (60 * 59) of the cells: 178 +- 13; 1770 pairs stay within five deviations.
    assert np.abs(together - 178).max() < 5 * 13


def test_both_ways_keep_the_same_sample(monkeypatch):
    vocabulary, counts = a_vocabulary(), some_counts(40, largest=9000)
    binning = Binning(51, 12, beyond="content")
    compiled = tokenize_binned(counts, vocabulary.gene_ids.tolist(), vocabulary, binning)
    monkeypatch.setattr(module, "has_numba", lambda: False)
    assert tokenize_binned(counts, vocabulary.gene_ids.tolist(), vocabulary, binning).digest == compiled.digest


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("value", [-1.0, 0.5, np.nan, np.inf, 2.0**32, 1e300])
def test_values_that_cannot_be_counts_are_refused_with_their_row(value):
    counts = sp.csr_array(np.array([[2, 0, 1], [1, value, 3]]))
    with pytest.raises(ScfmError, match=rf"first: {re.escape(format(value))} in row 1;.*\n.*raw counts"):
        tokenize_binned(counts, ["G0000", "unknown", "G0001"], a_vocabulary(), Binning(51, 9))


@pytest.mark.usefixtures("_both_ways")
def test_columns_that_there_are_not_are_refused():
    broken = sp.csr_array(np.ones((1, 2), np.int32))
    broken.indices = np.array([0, 7], np.int32)
    with pytest.raises(ValueError, match="from 0 to 7, 2 columns"):
        tokenize_binned(broken, ["G0000", "G0001"], a_vocabulary(), Binning(51, 9))


def test_counts_without_any_known_gene_are_refused_with_examples_of_both_sides():
    counts = sp.csr_array(np.ones((1, 2), np.int32))
    with pytest.raises(ScfmError, match=r"none of the 2 genes \(such as 'A', 'B'\).*\(such as 'G0000'"):
        tokenize_binned(counts, ["A", "B"], a_vocabulary(), Binning(51, 9))


@pytest.mark.parametrize("wrong", [{"n_bins": 2}, {"max_tokens": 0}, {"ties": "lowest"}, {"beyond": "random"}])
def test_a_binning_that_bins_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="no binning"):
        Binning(**({"n_bins": 51, "max_tokens": 9} | wrong))
