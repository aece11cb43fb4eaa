"""Shrunken partial correlations against loops, scikit-learn's shrunk covariance and regressions on all other genes."""

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import shrunk_covariance

from scfm_assets.core.scores.baselines import Cells
from scfm_assets.core.scores.methods import METHODS, partial_correlation
from scfm_assets.core.scores.methods.partial_correlation import partial_correlations, shrinkage_intensity
from scfm_assets_tests.core.scores.methods.small_cells import small_cells

FURTHER = (METHODS["partial_correlation"], METHODS["mutual_information"])


def intensity_by_loops(values: np.ndarray) -> float:
    """Schaefer and Strimmer's lambda, one pair at a time."""
    n, k = values.shape
    z = stats.zscore(values, ddof=1)
    over = under = 0.0
    for i in range(k):
        for j in range(k):
            if i != j:
                w = z[:, i] * z[:, j]
                over += n / (n - 1) ** 3 * ((w - w.mean()) ** 2).sum()
                under += (n / (n - 1) * w.mean()) ** 2
    return min(1.0, over / under)


def residual_correlation(values: np.ndarray, i: int, j: int) -> float:
    """Correlation of what all other columns leave of two of them."""
    others = np.column_stack([np.ones(len(values)), np.delete(values, [i, j], axis=1)])
    left = [values[:, at] - others @ np.linalg.lstsq(others, values[:, at], rcond=None)[0] for at in (i, j)]
    return float(np.corrcoef(left)[0, 1])


@pytest.mark.parametrize("n_cells", [9, 40, 400])
def test_intensity_is_that_of_the_definition(n_cells):
    values = np.delete(small_cells(n_cells).expression, 4, axis=1)
    assert shrinkage_intensity(stats.zscore(values)) == pytest.approx(intensity_by_loops(values), rel=1e-10)


@pytest.mark.parametrize("n_cells", [9, 40, 400])
def test_it_is_the_inverse_of_the_shrunk_correlations(n_cells):
    cells = small_cells(n_cells)
    varies = np.ptp(cells.expression, axis=0) > 0
    correlations = np.corrcoef(cells.expression[:, varies].T)
    precision = np.linalg.inv(shrunk_covariance(correlations, intensity_by_loops(cells.expression[:, varies])))
    scale = np.sqrt(np.diag(precision))
    expected = np.abs(precision / np.outer(scale, scale))
    found = partial_correlation.partial_correlation(cells)
    np.testing.assert_allclose(found[np.ix_(varies, varies)], expected, rtol=1e-9, atol=1e-12)
    assert not found[~varies].any()
    assert not found[:, ~varies].any()


def test_with_many_cells_it_is_the_correlation_of_what_all_other_genes_leave():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(50_000, 6)) @ rng.normal(size=(6, 6))
    found = partial_correlations(stats.zscore(values))
    for i, j in [(0, 1), (2, 5), (4, 3)]:
        assert found[i, j] == pytest.approx(residual_correlation(values, i, j), abs=5e-3)


def test_a_chain_has_no_edge_between_its_ends():
    rng = np.random.default_rng(2)
    first = rng.normal(size=20_000)
    second = first + rng.normal(size=20_000)
    third = second + rng.normal(size=20_000)
    found = np.abs(partial_correlations(stats.zscore(np.column_stack([first, second, third]))))
    assert found[0, 2] < 0.03
    assert min(found[0, 1], found[1, 2]) > 0.4


def test_a_copy_of_a_gene_and_fewer_cells_than_genes_give_finite_scores():
    counts = np.random.default_rng(0).poisson(2.0, (2, 5)).astype(float)
    for panel in (counts, np.column_stack([small_cells().panel_counts] * 2)):
        cells = Cells(panel, depth=panel.sum(axis=1) + 9, n_detected=np.full(len(panel), 5.0))
        for method in FURTHER:
            assert np.isfinite(method.function(cells, slice(None))).all()


@pytest.mark.parametrize("method", FURTHER, ids=lambda method: method.name)
def test_scores_of_some_genes_are_rows_of_those_of_all(method):
    cells = small_cells()
    every = method.function(cells, slice(None))
    np.testing.assert_allclose(method.function(cells, np.array([7, 2])), every[[7, 2]], atol=1e-12)
    np.testing.assert_allclose(every, every.T, atol=1e-12)
    assert not every[4, :4].any()
    assert not method.null
    assert method.doc
