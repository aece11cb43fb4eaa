from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens import count_blocks, ranking
from scfm_assets.core.tokens.encode import Tokens, tokenize
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_counts import a_vocabulary, as_lists, reference, some_counts


@pytest.fixture(params=["numba", "numpy"])
def _both_ways(request, monkeypatch):
    """Run a test with the compiled kernel and without numba."""
    if request.param == "numpy":
        monkeypatch.setattr(ranking, "has_numba", lambda: False)
    else:
        assert ranking.has_numba()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    levels=st.integers(1, 4),
    limit=st.integers(1, 12),
    chunk=st.integers(1, 40),
    compiled=st.booleans(),
)
def test_tokens_equal_a_plain_reference_for_any_counts_columns_and_chunks(seed, levels, limit, chunk, compiled):
    rng = np.random.default_rng(seed)
    vocabulary = a_vocabulary(12, seed, levels=levels)
    genes = [*vocabulary.gene_ids.tolist(), "unknown", "other"]
    genes = [genes[i] for i in rng.permutation(len(genes))]
    counts = some_counts(7, len(genes), seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_blocks, "CHUNK_ENTRIES", chunk)
        patch.setattr(ranking, "has_numba", lambda: compiled)
        found = tokenize(counts, genes, vocabulary, max_tokens=limit, special=False)
    assert as_lists(found) == reference(counts, genes, vocabulary, limit)
    assert found.ids.dtype == np.int32
    assert found.offsets.dtype == np.int64


@pytest.mark.parametrize("limit", [2048, 30])
def test_tokens_differ_from_geneformers_own_float64_formula_only_inside_ties(limit):
    vocabulary = a_vocabulary(300, 1)
    genes = vocabulary.gene_ids.tolist()
    counts = some_counts(40, 300, 2)
    found = tokenize(counts, genes, vocabulary, max_tokens=limit, special=False)
    for i, row in enumerate(counts.toarray()):
        scaled = row / row.sum() * 10_000 / vocabulary.medians
        value_of_token = dict(zip(vocabulary.token_ids.tolist(), scaled.tolist(), strict=True))
        expressed = np.flatnonzero(row)
        theirs = np.sort(scaled[expressed])[::-1][:limit]
        ours = [value_of_token[token] for token in found.row(i).tolist()]
        np.testing.assert_allclose(ours, theirs, rtol=2e-7)
        assert len(set(found.row(i).tolist())) == len(ours)


@pytest.mark.usefixtures("_both_ways")
def test_ties_go_by_gene_id_and_not_by_token_id_or_column():
    vocabulary = build_vocabulary({"<pad>": 0, "B": 1, "A": 3, "C": 2}, {"A": 2.0, "B": 1.0, "C": 0.5})
    counts = sp.csr_array(np.array([[1, 4, 2]], dtype=np.int32))
    assert as_lists(tokenize(counts, ["C", "A", "B"], vocabulary, max_tokens=9, special=False)) == [[3, 1, 2]]


@pytest.mark.usefixtures("_both_ways")
def test_the_division_is_rounded_once_from_double_to_single_precision():
    """Medians so close that dividing in single precision would order them otherwise."""
    rng = np.random.default_rng(0)
    genes = [f"G{i:05d}" for i in range(500)]
    medians = (1 + 1e-6 * rng.random(500)).tolist()
    vocabulary = build_vocabulary(dict(zip(genes, range(500), strict=True)), dict(zip(genes, medians, strict=True)))
    counts = sp.csr_array(rng.integers(1, 3, (3, 500)).astype(np.int32))
    found = tokenize(counts, genes, vocabulary, max_tokens=500, special=False)
    assert as_lists(found) == reference(counts, genes, vocabulary, 500)


@pytest.fixture
def case() -> tuple[sp.csr_array, list[str], Vocabulary, Tokens]:
    vocabulary = a_vocabulary(80, 3, levels=3, special=True)
    genes = [*vocabulary.gene_ids.tolist(), "unknown"]
    counts = some_counts(30, 81, 4)
    return counts, genes, vocabulary, tokenize(counts, genes, vocabulary, max_tokens=25, special=True)


@pytest.mark.parametrize("chunk", [1, 13, 100, 10**9])
def test_tokens_do_not_depend_on_chunks(case, chunk, monkeypatch):
    counts, genes, vocabulary, expected = case
    monkeypatch.setattr(count_blocks, "CHUNK_ENTRIES", chunk)
    assert tokenize(counts, genes, vocabulary, max_tokens=25, special=True).digest == expected.digest


def test_tokens_do_not_depend_on_the_order_of_rows(case):
    counts, genes, vocabulary, expected = case
    order = np.random.default_rng(0).permutation(30)
    found = tokenize(counts[order], genes, vocabulary, max_tokens=25, special=True)
    assert found.digest == expected.take(order).digest


def test_tokens_do_not_depend_on_the_order_of_columns(case):
    counts, genes, vocabulary, expected = case
    order = np.random.default_rng(0).permutation(81)
    found = tokenize(counts[:, order], [genes[i] for i in order], vocabulary, max_tokens=25, special=True)
    assert found.digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
def test_tokens_do_not_depend_on_sparse_index_order_stored_zeros_or_split_entries(case):
    counts, genes, vocabulary, expected = case
    rng = np.random.default_rng(0)
    data, indices, indptr = [], [], [0]
    for i in range(30):
        columns = counts.indices[counts.indptr[i] : counts.indptr[i + 1]]
        values = counts.data[counts.indptr[i] : counts.indptr[i + 1]]
        order = rng.permutation(len(columns))
        absent = np.setdiff1d(np.arange(81), columns)[:2]
        # The first count is stored as 1 and the rest, two absent genes as zeros.
        parts = [values[order][1:], [1, values[order][0] - 1], [0, 0]]
        data.append(np.concatenate(parts))
        indices.append(np.concatenate([columns[order][1:], columns[order][[0, 0]], absent]))
        indptr.append(indptr[-1] + len(data[-1]))
    entries = (np.concatenate(data).astype(np.int32), np.concatenate(indices), np.array(indptr))
    shuffled = sp.csr_array(entries, shape=(30, 81))
    assert not shuffled.has_sorted_indices
    assert tokenize(shuffled, genes, vocabulary, max_tokens=25, special=True).digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_tokens_do_not_depend_on_the_type_of_the_counts(case, dtype, kind):
    counts, genes, vocabulary, expected = case
    found = tokenize(kind(counts.astype(dtype)), genes, vocabulary, max_tokens=25, special=True)
    assert found.digest == expected.digest


@pytest.mark.usefixtures("_both_ways")
def test_special_tokens_stand_first_and_last_and_count_towards_the_longest_cell(case):
    counts, genes, vocabulary, found = case
    without = tokenize(counts, genes, vocabulary, max_tokens=23, special=False)
    assert found.lengths.max() == 25
    for i in range(30):
        assert found.row(i).tolist() == [2, *without.row(i).tolist(), 3]


@pytest.mark.usefixtures("_both_ways")
def test_a_cell_without_any_known_gene_keeps_its_place():
    vocabulary = a_vocabulary(3, special=True)
    counts = sp.csr_array(np.array([[1, 0], [0, 5], [2, 0]], dtype=np.int32))
    genes = ["G00001", "unknown"]
    assert tokenize(counts, genes, vocabulary, max_tokens=9, special=False).lengths.tolist() == [1, 0, 1]
    assert tokenize(counts, genes, vocabulary, max_tokens=9, special=True).row(1).tolist() == [2, 3]
    assert tokenize(counts[:0], genes, vocabulary, max_tokens=9, special=True).n_cells == 0


@pytest.mark.usefixtures("_both_ways")
def test_columns_of_one_gene_are_summed_before_ranking():
    tokens, medians = {"<pad>": 0, "ENSG1": 1, "ENSG2": 2}, {"ENSG1": 1.0, "ENSG2": 1.0}
    vocabulary = build_vocabulary(tokens, medians, {"OLD1": "ENSG1", "NAME1": "ENSG1", "GONE": "ENSG9"})
    counts = sp.csr_array(np.array([[2, 3, 4], [5, 0, 4]], dtype=np.int32))
    # Together the two columns of ENSG1 make 6 > 3 in the first cell; an alias is also found in capitals.
    assert as_lists(tokenize(counts, ["OLD1", "ENSG2", "name1"], vocabulary, max_tokens=9, special=False)) == [
        [1, 2],
        [1],
    ]
    assert set(vocabulary.aliases) == {"OLD1", "NAME1"}


def test_counts_without_any_known_gene_are_refused_with_examples_of_both_sides():
    counts = sp.csr_array(np.ones((2, 4), dtype=np.int32))
    with pytest.raises(ScfmError, match=r"none of the 4 gene ids \(such as 'TP53', 'MYC', 'GATA1'\)") as caught:
        tokenize(counts, ["TP53", "MYC", "GATA1", "SPI1"], a_vocabulary(5), max_tokens=9, special=False)
    assert "'G00000', 'G00001', 'G00002'" in str(caught.value)
    assert "gene_table" in str(caught.value)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [-1.0, 0.5, np.nan, np.inf, 2.0**32, 2.0**63, 1e300])
def test_values_that_cannot_be_counts_are_refused_with_their_row(value, dtype):
    with np.errstate(over="ignore"):
        counts = sp.csr_array(np.array([[2, 0, 1], [1, value, 3]]).astype(dtype))
    with pytest.raises(ScfmError, match=rf"first: {re.escape(format(counts[1, 1]))} in row 1;.*\n.*raw counts"):
        tokenize(counts, ["G00000", "G00001", "G00002"], a_vocabulary(3), max_tokens=9, special=False)


@pytest.mark.usefixtures("_both_ways")
def test_values_that_cannot_be_counts_are_refused_in_genes_that_nobody_knows_too():
    counts = sp.csr_array(np.array([[2, -1]]))
    with pytest.raises(ScfmError, match="first: -1 in row 0"):
        tokenize(counts, ["G00000", "unknown"], a_vocabulary(3), max_tokens=9, special=False)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize(
    ("column", "dtype"),
    [(-1, np.int32), (3, np.int32), (2**31 - 1, np.int32), (-1, np.int64), (3, np.int64), (2**32, np.int64)],
)
def test_an_index_beyond_the_columns_is_a_bug_of_the_caller_and_reads_nothing(column, dtype):
    counts = sp.csr_array(np.array([[1, 2, 3]], dtype=np.int32))
    counts.indices = np.array([0, column, 1], dtype=dtype)
    with pytest.raises(ValueError, match="3 columns"):
        tokenize(counts, ["G00000", "G00001", "G00002"], a_vocabulary(3), max_tokens=9, special=False)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("indptr", [[0, 2, 1, 3], [0, 1, 2, 9]])
def test_row_pointers_that_fall_or_lead_too_far_are_a_bug_of_the_caller_and_read_nothing(indptr):
    counts = some_counts(3, 3)
    counts.data, counts.indices = np.ones(3, np.int32), np.zeros(3, np.int32)
    counts.indptr = np.array(indptr, dtype=np.int32)
    with pytest.raises(ValueError, match="row pointers"):
        tokenize(counts, ["G00000", "G00001", "G00002"], a_vocabulary(3), max_tokens=9, special=False)


def test_a_longest_cell_without_room_for_its_special_tokens_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="at most -1 tokens"):
        tokenize(some_counts(2, 3), ["G00000", "x", "y"], a_vocabulary(3, special=True), max_tokens=1, special=True)


def test_gene_ids_that_do_not_belong_to_the_columns_are_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="gene ids"):
        tokenize(some_counts(2, 3), ["G00000"], a_vocabulary(3), max_tokens=9, special=False)


def test_taking_rows_keeps_their_tokens_in_the_asked_order(case):
    *_, tokens = case
    taken = tokens.take([4, 0, 4])
    assert as_lists(taken) == [tokens.row(i).tolist() for i in (4, 0, 4)]
    assert tokens.take([]).n_cells == 0
    assert Tokens.of([]).lengths.tolist() == []


def test_panel_indices_reach_tokens_and_never_special_ones():
    vocabulary = a_vocabulary(6, special=True)
    panel = ["G00004", "absent", "G00001"]
    found = vocabulary.panel_of_token(panel)
    assert len(found) == vocabulary.size == 10
    assert found[vocabulary.token_ids[vocabulary.rows_of(["G00004", "G00001"])]].tolist() == [0, 2]
    assert (found >= 0).sum() == 2
    assert (found[list(vocabulary.special_ids)] == -1).all()
    assert vocabulary.rows_of(["absent"]).tolist() == [-1]


def test_two_panel_genes_of_one_token_leave_it_to_the_canonical_id():
    vocabulary = build_vocabulary(
        {"A": 0, "B": 1}, {"A": 1.0, "B": 1.0}, {"OLD": "A", "OLDER": "A", "X": "B", "Y": "B"}
    )
    assert vocabulary.panel_of_token(["OLD", "A", "OLDER"]).tolist() == [1, -1]
    assert vocabulary.panel_of_token(["OLDER", "Y", "OLD", "X"]).tolist() == [0, 1]


def test_vocabulary_digests_see_every_part():
    parts = [
        ({"<pad>": 0, "A": 1}, {"A": 1.0}, {}),
        ({"<pad>": 0, "A": 2}, {"A": 1.0}, {}),
        ({"<cls>": 0, "A": 1}, {"A": 1.0}, {}),
        ({"<pad>": 0, "A": 1}, {"A": 1.5}, {}),
        ({"<pad>": 0, "A": 1}, {"A": 1.0}, {"B": "A"}),
        ({"<pad>": 0, "B": 1}, {"B": 1.0}, {}),
    ]
    assert len({build_vocabulary(*part).digest for part in parts}) == len(parts)
    assert build_vocabulary(*parts[0]).digest == build_vocabulary(parts[0][0], {"A": 1.0, "Z": 3.0}, {"Q": "Z"}).digest


@pytest.mark.parametrize(
    ("tokens", "medians", "message"),
    [
        ({"<pad>": 0}, {}, "no gene"),
        ({"A": 0, "B": 0}, {"A": 1.0, "B": 1.0}, "token id 0"),
        ({"A": -1, "B": 0}, {"A": 1.0, "B": 1.0}, "token id -1"),
        ({"A": 0, "B": 1}, {"A": 1.0}, "'B' has None"),
        ({"A": 0, "B": 1}, {"A": 1.0, "B": 0.0}, "'B' has 0.0"),
        ({"A": 0, "B": 1}, {"A": float("nan"), "B": 1.0}, "'A' has nan"),
        ({"A": 0, "B": 1}, {"A": float("inf"), "B": 1.0}, "'A' has inf"),
    ],
)
def test_dictionaries_that_cannot_be_right_are_refused_by_name(tokens, medians, message):
    with pytest.raises(ScfmError, match=message):
        build_vocabulary(tokens, medians, place="tokens.json")


# Orders that are hard to sort ---------------------------------------------------------------------------------------


def shuffled_within_rows(counts: sp.csr_array, seed: int) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    order = [rng.permutation(np.arange(a, b)) for a, b in zip(counts.indptr, counts.indptr[1:], strict=False)]
    order = np.concatenate(order).astype(int)
    return sp.csr_array((counts.data[order], counts.indices[order], counts.indptr), shape=counts.shape)


@pytest.mark.parametrize("spread", [0.0, 1e-7, 1e-4, 1e-2, 15.0])
@pytest.mark.parametrize("outlier", [False, True])
def test_tokens_equal_the_plain_reference_however_close_the_quotients_lie(spread, outlier):
    """From all the same to all over the range of a float32, with one gene far away from the others or none."""
    rng = np.random.default_rng(7)
    genes = [f"G{i:05d}" for i in range(700)]
    medians = np.exp(spread * rng.standard_normal(700))
    medians[350] = 1e-30 if outlier else 1.0
    tokens = dict(zip(genes, range(700), strict=True))
    vocabulary = build_vocabulary(tokens, dict(zip(genes, medians.tolist(), strict=True)))
    counts = sp.csr_array(rng.integers(0, 3, (4, 700)))
    order = rng.permutation(700)
    names = [genes[i] for i in order]
    expected = reference(counts, names, vocabulary, 650)
    for matrix in (counts, shuffled_within_rows(counts, 1)):
        assert as_lists(tokenize(matrix, names, vocabulary, max_tokens=650, special=False)) == expected


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_genes=st.sampled_from([1, 2, 63, 64, 65, 300]),
    density=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    scale=st.sampled_from([0.0, 0.1, 1.0, 50.0]),
    limit=st.integers(0, 80),
    dtype=st.sampled_from(["int8", "int32", "int64", "uint64", "float32", "float64", ">i4", ">f8", "bool"]),
    index=st.sampled_from(["int32", "int64", "uint16", ">i4"]),
)
def test_the_compiled_kernel_equals_numpy_bit_for_bit(seed, n_genes, density, scale, limit, dtype, index):
    rng = np.random.default_rng(seed)
    n_columns = n_genes + 3
    dense = rng.integers(1, 100, (5, n_columns)) * (rng.random((5, n_columns)) < density)
    counts = shuffled_within_rows(sp.csr_array(dense), seed)
    counts.data, counts.indices = counts.data.astype(dtype), counts.indices.astype(index)
    gene_of_column = rng.integers(-1, n_genes, n_columns)  # some unknown, some of one gene
    gene_of_column[0] = 0
    medians, tokens = np.exp(scale * rng.standard_normal(n_genes)), rng.permutation(n_genes).astype(np.int32)
    genes = np.array([f"G{i:05d}" for i in range(n_genes)])
    vocabulary = Vocabulary(genes, tokens, medians, cls=900, eos=901)
    names = ["unknown" if gene < 0 else genes[gene] for gene in gene_of_column]
    found = []
    for compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranking, "has_numba", lambda compiled=compiled: compiled)
            found.append(tokenize(counts, names, vocabulary, max_tokens=limit + 2, special=True))
    assert found[0].digest == found[1].digest


def test_counts_that_may_not_be_written_to_are_tokenized_like_others(case):
    counts, genes, vocabulary, expected = case
    for array in (counts.data, counts.indices, counts.indptr):
        array.flags.writeable = False
    assert tokenize(counts, genes, vocabulary, max_tokens=25, special=True).digest == expected.digest


def test_without_a_folder_for_compiled_code_the_kernel_is_compiled_for_this_process_only(case, monkeypatch):
    import numba

    counts, genes, vocabulary, expected = case
    real, kept = numba.njit, []

    def nowhere(*args, cache=False, **options):
        kept.append(cache)
        if cache:
            message = "cannot cache function: no locator available"
            raise RuntimeError(message)
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    monkeypatch.setattr(ranking, "compiled", ranking.compiled.__wrapped__)
    assert tokenize(counts, genes, vocabulary, max_tokens=25, special=True).digest == expected.digest
    assert kept == [True, False]
