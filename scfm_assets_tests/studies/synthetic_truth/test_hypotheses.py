"""The tests of the study against scipy, and its answer on tables where it is known."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.statistics import hypothesis_tests
from scfm_assets.studies.synthetic_truth.hypotheses import STUDY, hypotheses, verdict
from scfm_assets.studies.synthetic_truth.orderings import orderings
from scfm_assets.studies.synthetic_truth.settings import Settings
from scfm_assets_tests.studies.synthetic_truth.made_up_scores import NULL_NAMES, made_up, noisy

SIMULATED = ("linear", "hill", "copula")


def tables_of(scores):
    return {"scores": scores, "orderings": orderings(Settings(), scores)}


def of_family(scores, family):
    return [test for test in hypotheses(tables_of(scores)) if test.family == family]


def judged(scores):
    return verdict(tables_of(scores), hypothesis_tests.tests_table(hypotheses(tables_of(scores))))


def test_p_is_the_largest_of_paired_tests_against_each_null():
    rng = np.random.default_rng(0)
    nulls = {name: rng.normal(0.5 + i / 50, 0.03, 6) for i, name in enumerate(NULL_NAMES)}
    values = rng.normal(0.58, 0.03, 6)
    (test,) = of_family(made_up({("hill", "none"): {"pearson": values}}, nulls), "beats_nulls")
    found = {name: stats.ttest_rel(values, own, alternative="greater") for name, own in nulls.items()}
    hardest = max(found, key=lambda name: found[name].pvalue)
    assert test.p == pytest.approx(found[hardest].pvalue, rel=1e-9)
    assert hardest in test.statistic
    difference = values - nulls[hardest]
    assert test.value == pytest.approx(difference.mean())
    assert test.effect == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert (test.study, test.n) == (STUDY, 6)
    shift, freedom = 0.05 / (difference.std(ddof=1) / np.sqrt(6)), 5
    of_hardest = stats.nct.sf(stats.t.ppf(0.95, freedom), freedom, shift)
    assert 0.05 < test.power <= of_hardest + 0.03  # of all four at once
    assert test.effect_of == "Cohen's d over data sets"


def test_a_case_is_tested_for_a_fall_of_each_correlation_only():
    clean, misled = noisy(0.7, sd=0.02), noisy(0.65, sd=0.02, seed=1)
    scores = made_up(
        {
            ("hill", "none"): {"pearson": clean, "grnboost": clean},
            ("hill", "batch"): {"pearson": misled, "grnboost": misled},
        }
    )
    (test,) = of_family(scores, "misled")
    assert test.hypothesis == "the case batch lowers the AUROC of pearson on the hill simulator"
    assert test.p == pytest.approx(stats.ttest_rel(clean, misled, alternative="greater").pvalue)
    assert test.value == pytest.approx(0.05)


def test_agreement_is_a_sign_test_over_data_sets():
    def three(order, seed):
        return {name: noisy(0.6 + 0.02 * place, sd=0.03, seed=seed + place) for place, name in enumerate(order)}

    one, other = three("abc", 0), three("acb", 10)
    scores = made_up({("linear", "none"): one, ("hill", "none"): other})
    (test,) = of_family(scores, "simulators_agree")
    taus = [stats.kendalltau([one[m][s] for m in "abc"], [other[m][s] for m in "abc"]).statistic for s in range(8)]
    above = sum(tau > 0 for tau in taus)
    assert 0 < above < 8
    assert test.p == pytest.approx(stats.binomtest(above, 8, 0.5, alternative="greater").pvalue)
    assert test.effect == above / 8
    assert test.power == pytest.approx(8 * 0.9**7 * 0.1 + 0.9**8)  # 7 of 8 have p = 9 / 256
    assert test.power > 0.8


def test_a_method_that_is_the_nulls_and_noise_is_seldom_found_to_beat_them():
    """400 made-up studies: at most 5 % and two Monte Carlo errors. The nulls are as noisy as the method."""
    rng, found = np.random.default_rng(3), 0
    for _ in range(400):
        nulls = dict(zip(NULL_NAMES, rng.normal(0.5, 0.03, (4, 5)), strict=True))
        (test,) = of_family(made_up({("hill", "none"): {"pearson": rng.normal(0.5, 0.03, 5)}}, nulls), "beats_nulls")
        found += test.p <= 0.05
    assert found / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_tests_go_into_the_registry_and_families_are_three():
    scores = made_up(
        {(name, case): {"pearson": noisy(0.7, seed=1), "spearman": noisy(0.6, seed=2)}
         for name in SIMULATED for case in ("none", "hubs")}
    )  # fmt: skip
    table = hypothesis_tests.tests_table(hypotheses(tables_of(scores)))
    assert set(table["family"].to_pylist()) == {"beats_nulls", "misled", "simulators_agree"}
    assert table.num_rows == 2 * 3 + 2 * 3 + 3


def test_the_answer_is_yes_where_one_method_wins_everywhere():
    own = {"pearson": noisy(0.7, seed=1), "spearman": noisy(0.5, seed=2)}
    found = judged(made_up({(name, "none"): own for name in SIMULATED}))
    assert (found.answer, found.holds) == ("yes", True)
    assert "1 (pearson) of 2" in found.sentence
    assert "1.00 between linear and hill" in found.sentence


def test_the_answer_is_no_where_each_method_fails_somewhere_in_spite_of_its_power():
    of = {name: {"pearson": noisy(0.7 if name != "hill" else 0.45, seed=1)} for name in SIMULATED}
    found = judged(made_up({(name, "none"): own for name, own in of.items()}))
    assert (found.answer, found.holds) == ("no", False)
    assert "none of 1" in found.sentence


def test_the_answer_is_underpowered_where_data_sets_are_few_or_wild():
    wild = made_up({(name, "none"): {"pearson": noisy(0.55, n=3, sd=0.2, seed=1)} for name in SIMULATED})
    alone = made_up({(name, "none"): {"pearson": noisy(0.9, n=1)} for name in SIMULATED})
    for scores in (wild, alone):
        found = judged(scores)
        assert (found.answer, found.holds) == ("underpowered", None)
