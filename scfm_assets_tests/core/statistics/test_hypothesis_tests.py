"""Benjamini-Hochberg against statsmodels and scipy, families, and what verdicts say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from scfm_assets.core.statistics import hypothesis_tests
from scfm_assets.core.statistics.hypothesis_tests import Test, benjamini_hochberg
from scfm_assets.tables.studies import TESTS

ONE = Test("study", "family", "it holds", "t", value=2.0, p=0.01, n=30, effect=0.4, effect_of="d", power=0.9, mde=0.5)


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=60))
def test_q_values_are_those_of_statsmodels_and_scipy(p):
    found = benjamini_hochberg(np.array(p))
    assert found == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)
    assert found == pytest.approx(false_discovery_control(p), abs=1e-12)


def test_the_published_p_values_get_the_right_q_values():
    found = benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_what_could_not_be_tested_does_not_count():
    p = np.array([0.01, np.nan, 0.04, np.nan, 0.03])
    found = benjamini_hochberg(p)
    assert np.isnan(found).tolist() == [False, True, False, True, False]
    assert found[[0, 2, 4]] == pytest.approx(benjamini_hochberg(p[[0, 2, 4]]))
    assert benjamini_hochberg(np.array([])).shape == (0,)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_q_is_taken_inside_each_family_of_each_study_and_over_all():
    rng = np.random.default_rng(0)
    families = [("a", "x"), ("b", "x"), ("a", "y"), ("a", "x"), ("b", "x"), ("a", "x"), ("a", "y")]
    p = rng.random(len(families)) ** 3
    tests = [
        replace(ONE, study=study, family=family, hypothesis=f"h{i}", p=float(own))
        for i, ((study, family), own) in enumerate(zip(families, p, strict=True))
    ]
    table = hypothesis_tests.tests_table(tests)
    assert table.schema == TESTS.schema
    assert table["hypothesis"].to_pylist() == [f"h{i}" for i in range(7)]
    assert table["q_global"].to_pylist() == pytest.approx(multipletests(p, method="fdr_bh")[1])
    q = np.array(table["q_family"].to_pylist())
    for family in set(families):
        own = [i for i, name in enumerate(families) if name == family]
        assert q[own] == pytest.approx(multipletests(p[own], method="fdr_bh")[1])


@pytest.mark.parametrize(
    ("q", "power", "said"),
    [
        (0.05, 0.1, "supported"),
        (0.051, 0.79, "underpowered"),
        (0.051, 0.8, "not supported"),
        (0.9, np.nan, "underpowered"),
        (np.nan, 0.99, "underpowered"),
        (np.nan, np.nan, "underpowered"),
    ],
)
def test_a_null_result_without_power_is_underpowered(q, power, said):
    (row,) = hypothesis_tests.tests_table([replace(ONE, p=q, power=power)]).to_pylist()
    assert row["verdict"] == said


def test_unknown_numbers_are_null_and_no_test_gives_no_row():
    (row,) = hypothesis_tests.tests_table([Test("s", "f", "h", "none", value=np.nan, p=np.nan)]).to_pylist()
    names = ("value", "p", "q_family", "q_global", "n", "effect", "effect_of", "power", "mde")
    assert all(row[name] is None for name in names)
    assert row["verdict"] == "underpowered"
    assert hypothesis_tests.tests_table([]).num_rows == 0


def test_a_hypothesis_counts_once_and_a_probability_is_one():
    with pytest.raises(ValueError, match="2 tests of the same hypothesis"):
        hypothesis_tests.tests_table([ONE, replace(ONE, p=0.5)])
    for wrong in ({"p": 1.01}, {"p": -0.1}, {"power": 2.0}):
        with pytest.raises(ValueError, match="no probability"):
            replace(ONE, **wrong)


def test_families_of_true_null_hypotheses_are_seldom_supported():
    rng = np.random.default_rng(1)
    any_supported = [(benjamini_hochberg(rng.random(10)) <= 0.05).any() for _ in range(4000)]
    assert np.mean(any_supported) == pytest.approx(0.05, abs=0.014)  # four standard errors
