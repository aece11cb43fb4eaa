"""Proofs about count matrices."""

import numpy as np
import pytest
from scipy import sparse

from scfm_assets.core.intake import counts as counts_module
from scfm_assets.core.intake.counts import as_counts, csr_of, merge_columns, prove_counts, recover_log1p_cp10k, scale_of
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_atlas import log1p_cp10k, small_counts

CELLS = [f"cell{i}" for i in range(40)]
GENES = [f"gene{i}" for i in range(30)]


def recover(matrix):
    return recover_log1p_cp10k(sparse.csr_matrix(matrix), place="file: X", cells=CELLS, genes=GENES)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
)
def test_counts_are_proven_in_every_type(dtype):
    dense = small_counts().astype(dtype)
    proof = prove_counts(csr_of(dense))
    assert proof.ok
    assert proof.n_values == np.count_nonzero(dense)
    assert np.array_equal(as_counts(csr_of(dense)).toarray(), dense.astype(np.int32))


def test_every_kind_of_offender_is_counted_and_the_first_is_named(monkeypatch):
    for chunk in (1, 7, 1 << 22):
        monkeypatch.setattr(counts_module, "_CHUNK", chunk)
        dense = small_counts().astype(np.float64)
        dense[3, 4], dense[3, 9], dense[5, 0], dense[6, 6], dense[7, 7], dense[8, 8] = (
            0.5,
            -2,
            np.nan,
            np.inf,
            3e9,
            -0.5,
        )
        proof = prove_counts(csr_of(dense))
        found = (proof.n_fractional, proof.n_negative, proof.n_not_finite, proof.n_too_large)
        assert found == (1, 2, 2, 1)
        assert not proof.ok
        assert proof.first == (3, 4, 0.5)
        assert proof.words(CELLS, GENES) == (
            "holds 2 not finite and 2 negative and 1 non-integer and 1 larger than 2,147,483,647 values "
            "(first: 0.5 in cell cell3, gene gene4)"
        )


def test_a_matrix_of_zeros_is_no_proof_of_counts():
    proof = prove_counts(sparse.csr_matrix((4, 5), dtype=np.float32))
    assert not proof.ok
    assert "no value but zero" in proof.words(CELLS, GENES)


def test_one_offender_is_spoken_of_in_the_singular():
    assert "1 negative value (first" in prove_counts(csr_of(np.array([[1, -1]]))).words(CELLS, GENES)


def test_counts_do_not_depend_on_how_the_matrix_was_stored():
    dense = small_counts()
    plain = as_counts(csr_of(dense))
    shuffled = plain.copy()
    for row in range(shuffled.shape[0]):
        part = slice(shuffled.indptr[row], shuffled.indptr[row + 1])
        shuffled.indices[part], shuffled.data[part] = (
            shuffled.indices[part][::-1].copy(),
            shuffled.data[part][::-1].copy(),
        )
    shuffled.has_sorted_indices = False
    wide = sparse.csr_matrix((plain.data.astype(np.float64), plain.indices, plain.indptr), shape=plain.shape)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    with_zero = sparse.csr_matrix(dense + 1.0)
    with_zero.data -= 1
    for other in (
        csr_of(shuffled),
        csr_of(wide),
        csr_of(with_zero),
        csr_of(sparse.csc_matrix(dense)),
        csr_of(sparse.csr_array(dense)),
    ):
        same = as_counts(other)
        for name in ("data", "indices", "indptr"):
            assert getattr(same, name).dtype == np.int32
            assert getattr(same, name).tobytes() == getattr(plain, name).tobytes()


def test_values_stored_twice_for_one_cell_and_gene_are_summed_and_the_input_stays_as_it_was():
    twice = sparse.csr_matrix((np.array([2.0, 3.0, 4.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2))
    counts = as_counts(csr_of(twice))
    assert counts.toarray().tolist() == [[4, 5]]
    assert twice.data.tolist() == [2.0, 3.0, 4.0]


def test_sums_beyond_int32_are_refused_not_wrapped():
    large = csr_of(np.array([[2**31 - 1, 2**31 - 1]], dtype=np.int64))
    with pytest.raises(ScfmError, match="4,294,967,294"):
        merge_columns(as_counts(large), np.array([0, 0]))


def test_columns_of_one_group_are_summed():
    dense = small_counts()
    group = np.arange(30) % 7
    plain = np.stack([dense[:, group == g].sum(axis=1) for g in range(7)], axis=1)
    merged = merge_columns(as_counts(csr_of(dense)), group)
    assert np.array_equal(merged.toarray(), plain)
    assert merged.has_sorted_indices
    assert merged.dtype == np.int32


def test_scales_are_told_apart():
    counts = small_counts()
    logged = log1p_cp10k(counts)
    scaled = counts / counts.sum(axis=1, keepdims=True) * 1000
    z = (logged - logged.mean(axis=0)) / logged.std(axis=0)
    noise = np.random.default_rng(1).gamma(1.0, size=counts.shape)
    expected = [
        (counts, "counts"),
        (logged, "log1p"),
        (logged[:, ::2], "log1p_part"),
        (scaled, "normalised"),
        (z, "signed"),
        (noise, "other"),
    ]
    assert [scale_of(csr_of(matrix)).kind for matrix, _ in expected] == [kind for _, kind in expected]
    assert [scale_of(csr_of(matrix)).recoverable for matrix, _ in expected] == [False, True, True, False, False, False]
    assert "scaled to 10,000 in each cell" in scale_of(csr_of(logged)).words


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("written", [lambda x: x, np.float32, lambda x: np.round(x, 3)])
def test_counts_are_recovered_from_log1p_cp10k(step, written):
    everything = small_counts()
    everything[:, 0] = 1
    counts = everything[:, ::step]
    recovered = recover(written(np.log1p(counts / everything.sum(axis=1, keepdims=True) * 10_000)))
    assert np.array_equal(recovered.toarray(), counts)
    assert recovered.dtype == np.int32


def test_one_value_that_is_no_count_stops_the_recovery_and_is_named():
    logged = log1p_cp10k(small_counts())
    unit = np.expm1(logged[12][logged[12] > 0]).min()
    logged[12, 5] = np.log1p(1.4 * unit)
    with pytest.raises(ScfmError, match=r"1 of \d+ values .*1\.400 counts, in cell cell12, gene gene5"):
        recover(logged)


def test_a_value_just_within_the_distance_is_recovered():
    logged = log1p_cp10k(small_counts())[:, :20]
    unit = np.expm1(logged[12][logged[12] > 0]).min()
    for multiple in (2.86, 3.14):
        logged[12, 5] = np.log1p(multiple * unit)
        assert recover(logged).toarray()[12, 5] == 3


@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf, 9.5])
def test_values_that_no_logarithm_has_stop_the_recovery(value):
    logged = log1p_cp10k(small_counts())
    logged[4, 2] = value
    with pytest.raises(ScfmError, match="in cell cell4, gene gene2"):
        recover(logged)


def test_counts_scaled_to_more_than_ten_thousand_are_not_recovered_as_if_they_were():
    counts = small_counts()
    with pytest.raises(ScfmError, match="cannot sum to 20,000, as they do in cell cell0"):
        recover(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 20_000))
