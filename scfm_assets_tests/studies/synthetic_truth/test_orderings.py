"""Agreement of orders against scipy, and on tables whose orders are known."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.studies.synthetic_truth.orderings import kendall, orderings, ranks, spearman
from scfm_assets.studies.synthetic_truth.scores import measure
from scfm_assets.studies.synthetic_truth.settings import Settings
from scfm_assets.studies.synthetic_truth.tables import ORDERINGS, RANKS
from scfm_assets_tests.studies.synthetic_truth.made_up_scores import made_up, noisy

UP = {"pearson": noisy(0.6), "spearman": noisy(0.7, seed=1), "grnboost": noisy(0.8, seed=2)}
DOWN = {"pearson": noisy(0.8, seed=3), "spearman": noisy(0.7, seed=4), "grnboost": noisy(0.6, seed=5)}


def rows(table, **equal):
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in equal.items())]


def test_correlations_of_orders_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for n in (3, 5, 9):
        one, other = rng.normal(size=(2, n))
        assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic, abs=1e-12)
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    tied = np.array([1.0, 1.0, 2.0])
    assert spearman(tied, np.array([3.0, 1.0, 2.0])) == pytest.approx(stats.spearmanr(tied, [3, 1, 2]).statistic)
    assert spearman(np.ones(3), tied) == 0
    assert kendall(np.ones(3), tied) == 0


def test_same_and_opposite_orders_of_simulators_are_told_from_each_other():
    table = orderings(Settings(), made_up({("linear", "none"): UP, ("hill", "none"): UP, ("copula", "none"): DOWN}))
    assert table.schema == ORDERINGS.schema
    found = {(row["simulator"], row["simulator_other"]): row for row in rows(table, compared="simulators")}
    assert set(found) == {("linear", "hill"), ("linear", "copula"), ("hill", "copula")}
    assert [found["linear", "hill"][name] for name in ("tau", "lo", "hi", "spearman")] == [1] * 4
    assert [found["linear", "copula"][name] for name in ("tau", "lo", "hi", "spearman")] == [-1] * 4
    assert found["linear", "copula"]["ordered"] == "grnboost > spearman > pearson"
    assert found["linear", "copula"]["ordered_other"] == "pearson > spearman > grnboost"
    assert (found["hill", "copula"]["n_methods"], found["hill", "copula"]["n_seeds"]) == (3, 8)


def test_data_sets_of_cases_are_drawn_together_and_those_of_simulators_apart():
    """Noise that all seeds of both sides share cancels between cases, and widens the interval between simulators."""
    wild = {name: noisy(0.7 + i / 100, sd=0.2, seed=i) for i, name in enumerate(("pearson", "spearman", "grnboost"))}
    lower = {name: values - 0.05 for name, values in wild.items()}
    table = orderings(
        Settings(), made_up({("linear", "none"): wild, ("linear", "batch"): lower, ("hill", "none"): wild})
    )
    (case,) = rows(table, compared="cases")
    assert (case["case"], case["case_other"]) == ("none", "batch")
    assert [case[name] for name in ("tau", "lo", "hi")] == [1, 1, 1]
    (pair,) = rows(table, compared="simulators")
    assert pair["lo"] < 0.5


def test_agreement_between_seeds_is_the_mean_over_their_pairs():
    of = {name: np.random.default_rng(i).normal(0.6 + i / 50, 0.05, 6) for i, name in enumerate("abcd")}
    (row,) = rows(orderings(Settings(), made_up({("linear", "none"): of})), compared="seeds")
    values = np.array(list(of.values())).T
    pairs = [(i, j) for i in range(6) for j in range(i)]
    assert row["tau"] == pytest.approx(np.mean([stats.kendalltau(values[i], values[j]).statistic for i, j in pairs]))
    rho = [stats.spearmanr(values[i], values[j]).statistic for i, j in pairs]
    assert row["spearman"] == pytest.approx(np.mean(rho))
    # Jackknife by hand: equal sizes, variance (n - 1) / n times the sum of squares around the mean.
    without = [np.mean([stats.kendalltau(values[i], values[j]).statistic for i, j in pairs if s not in (i, j)])
               for s in range(6)]  # fmt: skip
    error = np.sqrt(5 / 6 * np.sum((without - np.mean(without)) ** 2))
    assert row["hi"] - row["tau"] == pytest.approx(min(stats.t.ppf(0.975, 5) * error, 1 - row["tau"]))
    assert row["interval"] == "jackknife"


def test_only_methods_of_both_sides_are_compared_and_one_is_too_few():
    few = {name: UP[name] for name in ("pearson", "spearman")}
    table = orderings(Settings(), made_up({("linear", "none"): UP, ("linear", "batch"): few}))
    assert [row["n_methods"] for row in rows(table, compared="cases")] == [2]
    alone = orderings(Settings(), made_up({("linear", "none"): {"pearson": noisy(0.6)}}))
    assert alone.num_rows == 0


def test_one_data_set_gives_an_order_and_no_interval():
    one = {name: values[:1] for name, values in UP.items()}
    table = orderings(Settings(), made_up({("linear", "none"): one, ("hill", "none"): one}))
    assert {(row["tau"], row["lo"], row["hi"]) for row in table.to_pylist()} == {(1.0, None, None)}


def test_ranks_say_how_far_they_move_over_seeds():
    close = {"pearson": noisy(0.7, sd=0.05), "spearman": noisy(0.701, sd=0.05, seed=1), "grnboost": noisy(0.9)}
    table = ranks(Settings(), made_up({("linear", "none"): close}))
    assert table.schema == RANKS.schema
    found = {row["method"]: row for row in rows(table, metric="auroc")}
    assert [found[name]["rank"] for name in close] == [3, 2, 1]
    assert (found["grnboost"]["rank_lo"], found["grnboost"]["rank_hi"]) == (1, 1)
    assert (found["pearson"]["rank_lo"], found["pearson"]["rank_hi"]) == (2, 3)
    assert found["grnboost"]["mean"] == pytest.approx(0.9)
    assert found["grnboost"]["sd"] == pytest.approx(close["grnboost"].std(ddof=1))


@pytest.mark.long
def test_the_order_on_networks_like_ds1_is_stable_over_seeds():
    """DS1 of SERGIO: 100 genes, 10 regulators, 258 edges, nine types of 300 cells, its technical noise.

    Measured here: mutual information .641, Pearson .628, partial correlation .599, Spearman .598, and the product of
    means .626. Tau between data sets is 0.51 (0.15 to 0.87).
    """
    spec = Settings(
        simulators=("hill",), cases=(), n_cells=2700, n_genes=100, n_tfs=10, density=258 / 990,
        methods=("pearson", "spearman", "partial_correlation", "mutual_information"),
    )  # fmt: skip
    scores = measure(spec, {})
    (row,) = rows(orderings(Settings(), scores), compared="seeds", metric="auroc")
    assert row["lo"] > 0
    found = {row["method"]: row for row in rows(ranks(Settings(), scores), metric="auroc")}
    assert (found["mutual_information"]["rank_lo"], found["mutual_information"]["rank_hi"]) == (1, 1)
    assert (found["pearson"]["rank_lo"], found["pearson"]["rank_hi"]) == (2, 2)
    assert found["spearman"]["rank_lo"] >= 3
    assert found["partial_correlation"]["rank_lo"] >= 3
