"""The delete-a-group jackknife and the bootstrap over groups against closed forms and brute-force repetition."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.evaluation.readings import readings_of_rows
from scfm_assets.core.metrics.metrics import bins_of, values_of
from scfm_assets.core.scores.left_out import without
from scfm_assets.core.statistics.jackknife import jackknife_error, jackknife_parts
from scfm_assets.core.universes.universe import ALL_PAIRS, OBSERVED, TF_GRID, PanelEdges
from scfm_assets_tests.core.statistics.cell_bootstrap import cell_bootstrap

T, K = 12, 60
TFS = np.arange(T)
EDGES = PanelEdges(K, TFS, np.repeat(TFS, 4), np.tile(np.arange(20, 24), T) + np.repeat(TFS, 4))


def mean_without(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean without each group."""
    return np.array([values[group != g].mean() for g in range(group.max() + 1)])


def test_the_error_of_a_mean_over_equal_groups_is_that_of_the_group_means():
    values, group = np.random.default_rng(0).gamma(2, size=60), np.repeat(np.arange(10), 6)
    found = jackknife_error(values.mean(), mean_without(values, group), np.full(10, 6))
    of_groups = values.reshape(10, 6).mean(axis=1)
    assert found == pytest.approx(of_groups.std(ddof=1) / np.sqrt(10), rel=1e-12)


def test_the_error_of_a_mean_over_single_cells_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=25)
    found = jackknife_error(values.mean(), mean_without(values, np.arange(25)), np.ones(25, int))
    assert found == pytest.approx(stats.sem(values), rel=1e-12)


def test_unequal_groups_follow_the_published_formula_term_by_term():
    rng = np.random.default_rng(2)
    sizes = np.array([3, 9, 5, 0, 4])
    values, group = rng.normal(size=21), np.repeat(np.arange(5), sizes)
    whole, n, g = np.median(values), 21, 4
    left = np.array([np.median(values[group != j]) for j in range(5)])
    estimate = g * whole - sum((1 - sizes[j] / n) * left[j] for j in (0, 1, 2, 4))
    terms = []
    for j in (0, 1, 2, 4):
        h = n / sizes[j]
        pseudo = h * whole - (h - 1) * left[j]
        terms.append((pseudo - estimate) ** 2 / (h - 1))
    assert jackknife_error(whole, left, sizes) == pytest.approx(np.sqrt(sum(terms) / g), rel=1e-12)


def test_the_error_of_a_mean_over_unequal_groups_is_right_on_average():
    rng, sizes = np.random.default_rng(3), np.array([2, 7, 4, 11, 6, 3, 9, 5, 8, 5])
    group = np.repeat(np.arange(10), sizes)
    squares = [
        jackknife_error(v.mean(), mean_without(v, group), sizes) ** 2 for v in rng.normal(size=(3000, sizes.sum()))
    ]
    # The squared error of a mean of 60 numbers of variance 1; the average of 3000 is known to about 1 %.
    assert np.mean(squares) == pytest.approx(1 / 60, rel=0.05)


def test_products_of_the_parts_of_two_means_are_their_covariance():
    rng = np.random.default_rng(3)
    two, group = rng.normal(size=(60, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]]), np.repeat(np.arange(10), 6)
    parts = np.stack([jackknife_parts(v.mean(), mean_without(v, group), np.full(10, 6)) for v in two.T])
    assert parts @ parts.T == pytest.approx(np.cov(two.reshape(10, 6, 2).mean(1).T) / 10, rel=1e-12)


def test_groups_of_one_stratum_are_compared_with_each_other_alone():
    values, group = np.random.default_rng(4).normal(size=60), np.repeat(np.arange(10), 6)
    donor = np.repeat([0, 1], 5)
    moved = values + 5.0 * donor[group]
    here, there = (jackknife_parts(v.mean(), mean_without(v, group), np.full(10, 6), donor) for v in (values, moved))
    assert there == pytest.approx(here)
    of_groups = values.reshape(2, 5, 6).mean(2)
    assert (here**2).sum() == pytest.approx((of_groups.var(axis=1, ddof=1) / 5).sum() / 4)


def test_a_group_without_cells_has_no_part():
    values, group = np.random.default_rng(5).normal(size=60), np.repeat(np.arange(10), 6)
    left_out, sizes = np.append(mean_without(values, group), values.mean()), np.append(np.full(10, 6), 0)
    parts = jackknife_parts(values.mean(), left_out, sizes)
    assert parts[-1] == 0
    assert parts[:-1] == pytest.approx(jackknife_parts(values.mean(), left_out[:-1], sizes[:-1]))


def test_fewer_than_two_groups_or_an_undefined_metric_say_nothing():
    one = np.array([0, 7, 0])
    assert np.isnan(jackknife_error(np.array([0.5]), np.full((3, 1), 0.4), one)).all()
    left = np.array([[0.4, 0.4], [np.nan, 0.5], [0.5, 0.6]])
    found = jackknife_error(np.array([0.5, 0.5]), left, np.array([3, 3, 3]))
    assert np.isnan(found).tolist() == [True, False]
    assert jackknife_error(np.array([0.5]), np.array([[np.nan], [0.4], [0.6]]), np.array([0, 3, 3])) > 0


def cells(rng: np.random.Generator, n_cells: int, *, noise: float, differ: float = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each cell's pairs (n_cells, T, K) and whether it holds them: edges show more in some cells than others.

    `differ` is how much more, `noise` belongs to one pair in one cell; pairs differ by 0.5 in all cells alike.
    """
    strength = rng.normal(0.5, differ, size=(n_cells, 1, 1))
    of_pair = np.random.default_rng(99).normal(0, 0.5, size=(T, K))  # the same in every data set
    scores = strength * EDGES.mask[:T] + of_pair + noise * rng.normal(size=(n_cells, T, K))
    genes = rng.random((n_cells, K)) < 0.6
    return scores, genes[:, :T, None] & genes[:, None, :]


def summed(scores: np.ndarray, held: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums and cells by group, the groups slightly unequal."""
    group = np.arange(len(scores)) % n_groups
    sums = np.stack([(scores * held)[group == g].sum(axis=0) for g in range(n_groups)])
    return sums, np.stack([held[group == g].sum(axis=0) for g in range(n_groups)]), np.bincount(group)


def auroc_of(sums: np.ndarray, held: np.ndarray) -> float:
    """AUROC of mean scores, pairs of a gene with itself left out."""
    keep = ~np.eye(T, K, dtype=bool)
    means = np.divide(sums, held, out=np.zeros_like(sums), where=held > 0)
    return float(values_of(bins_of(means[keep], EDGES.mask[:T][keep]))[0])


@pytest.mark.parametrize(("differ", "noise", "low", "high"), [(2, 0.5, 0.9, 1.1), (2, 4, 0.9, 1.1), (0, 6, 0.95, 1.5)])
def test_the_error_over_cells_of_an_auroc_is_the_spread_over_new_cells(differ, noise, low, high):
    """200 data sets of 124 cells: their AUROCs spread by the true amount, which the mean squared error must give.

    The spread is known to 5 %. Where nothing but noise moves the order of pairs, the jackknife is too large, as Efron
    and Stein (1981, Annals of Statistics 9) proved that it can be, and not too small.
    """
    rng = np.random.default_rng(5)
    values, squares = [], []
    for _ in range(200):
        sums, held, sizes = summed(*cells(rng, 124, noise=noise, differ=differ), 10)
        left = without(sums.sum(axis=0)[None], sums[:, None], held.sum(axis=0) - held)
        without_group = [
            readings_of_rows(left[g, 0], TFS, np.ones((T, K), bool), [EDGES])[0].total(TF_GRID) for g in range(10)
        ]
        aurocs = np.array([values_of(bins)[0] for bins in without_group])
        if not values:
            again = [auroc_of(np.delete(sums, g, 0).sum(axis=0), np.delete(held, g, 0).sum(axis=0)) for g in range(10)]
            assert aurocs == pytest.approx(again, abs=1e-3)  # float32 scores may swap close pairs
        values.append(auroc_of(sums.sum(axis=0), held.sum(axis=0)))
        squares.append(float(jackknife_error(np.array(values[-1]), aurocs, sizes)) ** 2)
    spread = np.std(values, ddof=1)
    assert low < np.sqrt(np.mean(squares)) / spread < high
    reach = stats.t.ppf(0.975, 9) * np.sqrt(squares)
    assert np.mean(np.abs(np.array(values) - np.mean(values)) < reach) > 0.92  # 95 % less three standard errors


def test_the_bootstrap_over_groups_spreads_like_the_jackknife():
    rng = np.random.default_rng(6)
    of_jackknife, of_bootstrap = [], []
    for _ in range(12):
        sums, held, sizes = summed(*cells(rng, 124, noise=0.5), 20)
        left = [auroc_of(np.delete(sums, g, 0).sum(axis=0), np.delete(held, g, 0).sum(axis=0)) for g in range(20)]
        whole = auroc_of(sums.sum(axis=0), held.sum(axis=0))
        of_jackknife.append(jackknife_error(np.array(whole), np.array(left), sizes) ** 2)
        drawn = cell_bootstrap(sums, held, tfs=TFS, edges=EDGES, universe=TF_GRID, resamples=150, rng=rng)
        of_bootstrap.append(drawn[0].var())
    assert np.sqrt(np.mean(of_bootstrap)) == pytest.approx(np.sqrt(np.mean(of_jackknife)), rel=0.15)


def test_a_draw_of_groups_is_the_metrics_of_the_cells_drawn(monkeypatch):
    sums, held, _ = summed(*cells(np.random.default_rng(7), 30, noise=1), 10)
    held[:, 3, 40:] = 0  # no cell holds these
    sums[held == 0] = 0
    how = {"tfs": TFS, "edges": EDGES, "resamples": 25}
    found = {
        universe.name: cell_bootstrap(sums, held, universe=universe, rng=np.random.default_rng(8), **how)
        for universe in (TF_GRID, OBSERVED)
    }
    weights = np.random.default_rng(8).multinomial(10, np.full(10, 0.1), size=25)
    for b, weight in enumerate(weights):
        total, cells_held = np.tensordot(weight, sums, 1), np.tensordot(weight, held, 1)
        means = np.divide(total, cells_held, out=np.zeros_like(total), where=cells_held > 0).astype(np.float32)
        keep = ~np.eye(T, K, dtype=bool)
        for name, mask in (("tf_grid", keep), ("observed", keep & (cells_held > 0))):
            expected = values_of(bins_of(means[mask], EDGES.mask[:T][mask]))
            assert found[name][:, b] == pytest.approx(expected, abs=5e-3)  # float32 means may swap close pairs
    monkeypatch.setattr("scfm_assets_tests.core.statistics.cell_bootstrap.AT_ONCE", 1)
    again = cell_bootstrap(sums, held, universe=TF_GRID, rng=np.random.default_rng(8), **how)
    assert again == pytest.approx(found["tf_grid"], abs=5e-3)
    with pytest.raises(ValueError, match="all_pairs"):
        cell_bootstrap(sums, held, universe=ALL_PAIRS, rng=np.random.default_rng(8), **how)
