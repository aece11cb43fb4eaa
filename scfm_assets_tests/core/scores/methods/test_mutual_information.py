"""Mutual information against scikit-learn's, and against what it should be where that is known."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import mutual_info_score

from scfm_assets.core.scores import baselines
from scfm_assets.core.scores.baselines import Cells
from scfm_assets.core.scores.methods import mutual_information as module
from scfm_assets.core.scores.methods.mutual_information import BINS, bins_of_genes, mutual_information
from scfm_assets_tests.core.scores.methods.small_cells import small_cells


def bins_of(values: np.ndarray) -> np.ndarray:
    return bins_of_genes(values > 0, rankdata(values, axis=0))


@pytest.mark.parametrize("at_once", [1, 1 << 24])
@pytest.mark.parametrize("n_cells", [5, 120])
def test_it_is_that_of_scikit_learn_with_millers_correction(n_cells, at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    cells = small_cells(n_cells)
    bins, found = bins_of(cells.expression), mutual_information(cells)
    for i in range(bins.shape[1]):
        for j in range(bins.shape[1]):
            one, other = bins[:, i], bins[:, j]
            filled = len(set(one)) + len(set(other)) - len(set(zip(one, other, strict=True)))
            expected = mutual_info_score(one, other) + (filled - 1) / (2 * n_cells)
            assert found[i, j] == pytest.approx(expected, abs=1e-10)


def test_bins_hold_the_same_number_of_cells_absent_ones_and_ties_stay_together():
    values = np.column_stack(
        [np.arange(40.0), np.r_[np.zeros(20), np.arange(1, 21)], np.r_[np.zeros(10), np.full(30, 2)]]
    )
    bins = bins_of(values)
    assert np.bincount(bins[:, 1], minlength=BINS).tolist() == [20, 5, 5, 5, 5]
    assert sorted(np.bincount(bins[1:, 0], minlength=BINS)[1:].tolist()) == [9, 10, 10, 10]
    assert bins[0, 0] == 0
    assert len(set(bins[10:, 2])) == 1
    assert not bins_of(np.zeros((4, 2))).any()
    for column, own in zip(values.T, bins.T, strict=True):
        assert (np.diff(own[np.argsort(column, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(("n_cells", "bias"), [(60, 0.06), pytest.param(600, 0.002, marks=pytest.mark.long)])
def test_the_correction_takes_most_of_the_bias_and_with_many_cells_all(n_cells, bias):
    counts = np.random.default_rng(3).poisson(3.0, (n_cells, 60)).astype(float)
    cells = Cells(counts, depth=np.full(n_cells, 500.0), n_detected=np.full(n_cells, 60.0))
    bins, above = bins_of(cells.expression), np.triu_indices(60, 1)
    found = mutual_information(cells)[above]
    plain = [mutual_info_score(bins[:, i], bins[:, j]) for i, j in zip(*above, strict=True)]
    assert abs(found.mean()) < bias < np.mean(plain) / 2
    assert (found < 0).any()


def test_it_sees_what_correlation_does_not():
    rng = np.random.default_rng(5)
    level = rng.uniform(1, 9, 2000)
    counts = np.column_stack([np.round(level), np.round(2 + (level - 5) ** 2), rng.poisson(5, 2000)])
    cells = Cells(counts, depth=np.full(2000, 1e4), n_detected=np.full(2000, 3.0))
    assert baselines.pearson(cells)[0, 1] < 0.25
    assert mutual_information(cells)[0, 1] > 0.5
    assert mutual_information(cells)[0, 2] < 0.01
