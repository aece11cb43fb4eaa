"""Answers by their thresholds, controls that must be seen, and tests in their families."""

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.statistics import hypothesis_tests
from scfm_assets.studies.reference_saturation.slopes import slopes
from scfm_assets.studies.reference_saturation.verdicts import (
    answer_for_known_edges,
    answer_with_truth,
    hypotheses,
    verdict_of,
)
from scfm_assets_tests.studies.reference_saturation.small_saturation import (
    FALLS,
    LOST,
    RISES,
    SMALL,
    UNSURE,
    curve,
    relabelled,
    slopes_table,
    small_scores,
)


@pytest.mark.parametrize(
    ("rows", "answer"),
    [(RISES, "no"), (LOST, "yes"), (UNSURE, "underpowered"), (FALLS, "no")],
)
def test_the_truth_says_whether_labels_explain_a_failure(rows, answer):
    assert answer_with_truth(rows) == answer


def test_without_intervals_nothing_is_said():
    bare = [row | dict.fromkeys(("lo", "hi", "error", "p")) for row in RISES]
    assert answer_with_truth(bare) == "underpowered"
    assert answer_for_known_edges(bare) == "underpowered"


@pytest.mark.parametrize(
    ("complete", "interaction", "answer"),
    [
        ((0.01, 0.02), (-0.1, 0.1), "no failure"),
        ((-0.01, 0.01), (-0.01, 0.01), "no"),
        ((-0.01, 0.01), (0.001, 0.01), "no"),
        ((-0.01, 0.01), (0.001, 0.1), "yes"),
        ((-0.01, 0.01), (-0.1, 0.1), "underpowered"),
    ],
)
def test_known_edges_are_carried_on_to_unknown_ones(complete, interaction, answer):
    assert answer_for_known_edges(curve({0.1: (-1, 1), 1.0: complete}, interaction)) == answer


CIRCULAR = relabelled(LOST, hiding="circular")
GROWING = relabelled(FALLS, noise_growth=0.002)


@pytest.mark.parametrize(
    ("curves", "answer", "holds", "said"),
    [
        ((RISES, CIRCULAR, GROWING), "no", True, "All 1 curves rise however many labels are hidden: AUROC by +0.0200"),
        ((FALLS, CIRCULAR, GROWING), "no", True, "but for 1 that fall"),
        ((RISES, relabelled(LOST, hiding="degree"), CIRCULAR, GROWING), "yes", False, "1 of 2 curves lose"),
        ((RISES, relabelled(UNSURE, hiding="degree"), GROWING), "underpowered", None, "1 of 2 curves do not say"),
        ((RISES, relabelled(RISES, hiding="circular"), GROWING), "underpowered", None, "circular labels"),
        ((LOST, CIRCULAR, relabelled(RISES, noise_growth=0.002)), "underpowered", None, "growing noise"),
    ],
)
def test_the_verdict_needs_its_controls(curves, answer, holds, said):
    table = slopes_table(*curves)
    found = verdict_of(table, hypothesis_tests.tests_table(hypotheses({"slopes": table})))
    assert (found.answer, found.holds) == (answer, holds)
    assert said in found.sentence


def test_tests_stand_in_three_families_and_say_what_the_slopes_say():
    table_of_slopes = slopes(SMALL, small_scores())
    tests = hypotheses({"slopes": table_of_slopes})
    table = hypothesis_tests.tests_table(tests)  # refuses a hypothesis that is there twice
    assert {name: table["family"].to_pylist().count(name) for name in set(table["family"].to_pylist())} == {
        "labels_explain": 2 * 2 * 2,  # methods, metrics, hidings
        "beyond_prediction": 2,
        "growth_of_noise": 2 * 2,
    }
    rows = {(row["method"], row["hiding"], row["term"], row["completeness"]): row for row in table_of_slopes.to_pylist()
            if row["metric"] == "auroc" and row["noise_growth"] == 0}  # fmt: skip
    falls = next(t for t in tests if "AUROC of spearman" in t.hypothesis and "growing by 0 a cell" in t.hypothesis)
    row = rows["spearman", "random", "slope", 1.0]
    t = row["value"] / row["error"]
    assert falls.p == pytest.approx(stats.t(3).cdf(t))
    assert falls.effect == pytest.approx(t / 2)
    less = next(t for t in tests if "AUROC of pearson" in t.hypothesis and "by degree" in t.hypothesis)
    row = rows["pearson", "degree", "interaction", None]
    assert less.p == pytest.approx(stats.t(3).sf(row["value"] / row["error"]))
    beyond = next(t for t in tests if t.family == "beyond_prediction" and "pearson" in t.hypothesis)
    assert beyond.p == pytest.approx(rows["pearson", "random", "interaction", None]["excess_p"])
    assert all(0 <= test.power <= 1 and np.isfinite(test.mde) for test in tests)
