"""Multinomial draws against the distribution they must have."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.statistics import multinomial
from scfm_assets.core.statistics.multinomial import Multinomial, poisson_tables

DRAWS = 40_000


def drawn(counts, total, draws=DRAWS, seed=0) -> np.ndarray:
    """Draw rows of the same total."""
    return Multinomial(np.array(counts), np.random.SeedSequence(seed)).draw(np.full(draws, total))


@pytest.mark.parametrize("theta", [0.0, 0.37, 0.99])
def test_tables_are_the_cumulative_poisson_distribution(theta):
    tables = poisson_tables(theta)
    for count in (0, 1, 2, 30, 511):
        end = tables.last[count] + 1
        start = 0 if count == 0 else tables.last[count - 1] + 1
        values = np.arange(start, end) - tables.offset[count]
        np.testing.assert_allclose(
            tables.cumulative[start:end], stats.poisson.cdf(values, theta * count), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("total", [3600, 3661, 3720])
def test_every_row_has_its_total_and_moments_are_those_of_a_multinomial(total):
    counts = np.array([1, 1, 3, 50, 600, 2000, 1, 5, 1000])
    rows, share = drawn(counts, total), counts / counts.sum()
    assert np.array_equal(rows.sum(axis=1), np.full(DRAWS, total))
    assert rows.min() >= 0
    spread = np.sqrt(total * share * (1 - share))
    assert np.all(np.abs(rows.mean(axis=0) - total * share) < 5 * spread / np.sqrt(DRAWS))
    covariance = np.cov(rows.T)
    expected = total * (np.diag(share) - np.outer(share, share))
    # The standard error of a covariance of nearly normal counts; five of them, and room for the skew of rare counts.
    error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / DRAWS)
    assert np.all(np.abs(covariance - expected) < 5 * error + 0.05 * np.abs(np.diag(np.diag(expected))))


def test_single_bins_are_binomial():
    counts = np.array([7, 1, 2, 400, 90])
    rows = drawn(counts, 500)
    for bin_, count in enumerate(counts):
        low, high = stats.binom.interval(0.999, 500, count / 500)
        edges = np.arange(low, high + 1)
        expected = stats.binom.pmf(edges, 500, count / 500) * DRAWS
        common = expected > 20
        found = np.array([(rows[:, bin_] == edge).sum() for edge in edges])
        chi2 = ((found - expected)[common] ** 2 / expected[common]).sum()
        assert chi2 < stats.chi2.ppf(1 - 1e-4, common.sum())


def test_numpys_multinomial_has_the_same_distribution_of_a_sum_over_bins():
    counts = np.random.default_rng(1).integers(1, 60, 80)
    weights = np.arange(80)
    ours = drawn(counts, int(counts.sum())) @ weights
    theirs = np.random.default_rng(2).multinomial(counts.sum(), counts / counts.sum(), size=DRAWS) @ weights
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-4


def test_rows_do_not_depend_on_how_many_are_drawn_at_once():
    counts = [1, 4, 900, 30, 2, 600]
    totals = np.random.default_rng(3).integers(1400, 1600, 500)
    at_once = Multinomial(np.array(counts), np.random.SeedSequence(4)).draw(totals)
    one_by_one = Multinomial(np.array(counts), np.random.SeedSequence(4))
    assert np.array_equal(at_once, np.concatenate([one_by_one.draw(totals[i : i + 7]) for i in range(0, 500, 7)]))


def test_rows_that_hold_too_many_already_are_drawn_afresh(monkeypatch):
    monkeypatch.setattr(multinomial, "SLACK", 0.0)  # half of all rows
    counts = np.array([40, 3, 1, 56])
    rows = drawn(counts, 100)
    assert np.array_equal(rows.sum(axis=1), np.full(DRAWS, 100))
    assert rows.mean(axis=0) == pytest.approx(counts, abs=5 * 5 / np.sqrt(DRAWS))
    assert rows.var(axis=0) == pytest.approx(counts * (1 - counts / 100), rel=0.06)
