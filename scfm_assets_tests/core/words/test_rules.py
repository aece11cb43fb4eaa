"""Words against the numbers beside them: whatever is drawn, none contradicts another or its interval."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.words import (
    BEATS,
    DOES_NOT_BEAT,
    MARGINS,
    UNDERPOWERED,
    WORSE,
    Margin,
    against_ceiling,
    against_chance,
    against_nulls,
    compared,
    is_best,
    is_conclusive,
    is_steady,
    place_of,
    shows_no_knowledge,
    trend_of,
    verdict_of_test,
)

SHARES = st.floats(0, 1)
LIMITS = st.tuples(SHARES, SHARES).map(sorted)
MAYBE = st.none() | st.just(float("nan")) | SHARES
AUROC = MARGINS["auroc"]


@settings(max_examples=400)
@given(limits=LIMITS, reference=SHARES, metric=st.sampled_from(sorted(MARGINS)))
def test_a_place_says_no_more_and_no_less_than_its_interval(limits, reference, metric):
    (low, high), margin = limits, MARGINS[metric]
    place = place_of(low, high, reference, margin)
    least, most = margin.around(reference)
    assert least <= reference <= most
    holds, inside = low <= reference <= high, least <= low and high <= most
    assert (place in {"at", "not told apart"}) == holds
    assert (place in {"at", "just above", "just below"}) == inside
    assert (place in {"above", "just above"}) == (low > reference)
    assert (place in {"below", "just below"}) == (high < reference)


@settings(max_examples=400)
@given(limits=LIMITS, reference=SHARES)
def test_words_of_chance_and_ceilings_hold_what_they_say(limits, reference):
    low, high = limits
    for word, known in (
        (against_chance(low, high), 0.5),
        (against_ceiling(low, high, ceiling=reference), reference),
    ):
        if word in {"at chance", "reaches its ceiling"}:
            assert low <= known <= high
            assert known - 0.05 <= low
            assert high <= known + 0.05
        assert ("above" in word) == (low > known)
        assert ("below" in word) == (high < known)
        assert ("not told apart" in word) == (
            low <= known <= high and not (low >= known - 0.05 and high <= known + 0.05)
        )
        assert not word.startswith("near") or (known - 0.05 <= low and high <= known + 0.05)


def test_the_words_that_were_false():
    """Sentences of earlier reports, with the numbers that stood beside them."""
    assert against_chance(0.580, 0.610) == "above chance"  # 0.595, "at chance, as it must be"
    assert against_chance(0.514, 0.566) == "above chance"  # 0.540, on the same page `confounded`
    assert against_ceiling(0.902, 0.941, ceiling=0.944) == "near its ceiling, but below it"  # 0.924, "reaches"
    assert against_ceiling(0.922, 0.953, ceiling=0.944) == "reaches its ceiling"
    assert against_chance(0.441, 0.517) == "not told apart from chance"
    assert against_chance(0.454, 0.523) == "at chance"


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_without_limits_nothing_is_said(missing):
    assert place_of(missing, missing, 0.5, AUROC) == "no interval"
    assert against_chance(missing, missing) == "no interval to judge it by"
    assert compared(missing, missing) == "indistinguishable"
    assert trend_of(missing, missing, AUROC) == "no interval"
    assert verdict_of_test(missing, 0.9) == "underpowered"
    assert verdict_of_test(0.3, missing) == "underpowered"
    assert not is_conclusive(missing)
    assert place_of(0.6, missing, 0.5, AUROC) == "above"  # the side that is known is enough
    assert place_of(missing, 0.51, 0.5, AUROC) == "not told apart"


@settings(max_examples=200)
@given(ends=st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted))
def test_a_difference_is_told_exactly_where_its_interval_leaves_out_0(ends):
    low, high = ends
    word = compared(low, high)
    assert (word == "better") == (low > 0)
    assert (word == "worse") == (high < 0)
    trend = trend_of(low, high, AUROC)
    assert (trend == "rises") == (low > 0)
    assert (trend == "falls") == (high < 0)
    assert (trend == "flat") == (low <= 0 <= high and low >= -0.05 and high <= 0.05)


def test_a_flat_ratio_is_counted_from_its_level():
    ratio = MARGINS["auprc_ratio"]
    assert trend_of(-0.3, 0.3, ratio, level=2.0) == "flat"  # a factor of 1.16 at most
    assert trend_of(-0.3, 0.3, ratio, level=1.0) == "not told apart from flat"
    assert ratio.around(2.0) == pytest.approx((2 / np.exp(0.2), 2 * np.exp(0.2)))
    assert ratio.above(2.0) == pytest.approx(2 * np.expm1(0.2))
    assert (str(ratio), str(AUROC)) == ("a factor of 1.22", "0.05")
    assert Margin(0.1).above(0.7) == pytest.approx(0.1)


def test_the_best_is_better_than_each_and_never_alone():
    assert is_best(["better", "better"])
    assert not is_best(["better", "indistinguishable"])
    assert not is_best([])


@settings(max_examples=300)
@given(
    words=st.lists(st.sampled_from(["better", "worse", "indistinguishable"]), max_size=6),
    worse=st.booleans(),
    p=MAYBE,
    power=MAYBE,
)
def test_no_method_beats_without_every_comparison_and_none_is_dismissed_without_power(words, worse, p, power):
    verdict = against_nulls(words, worse=worse, p_degrees=p, power=power)
    if verdict == BEATS:
        assert words
        assert set(words) == {"better"}
        assert p <= 0.05
    if verdict == DOES_NOT_BEAT:
        assert power >= 0.8
        assert not np.isnan(p)
    assert shows_no_knowledge(verdict) == (verdict in {DOES_NOT_BEAT, WORSE})
    assert verdict in {BEATS, DOES_NOT_BEAT, WORSE, UNDERPOWERED}


@settings(max_examples=200)
@given(q=MAYBE, power=MAYBE)
def test_a_test_without_power_is_never_a_null_result(q, power):
    verdict = verdict_of_test(q, power)
    tested, able = q is not None and not np.isnan(q), power is not None and power >= 0.8
    assert (verdict == "supported") == (tested and q <= 0.05)
    assert (verdict == "not supported") == (tested and q > 0.05 and able)


@settings(max_examples=200)
@given(limits=LIMITS, value=SHARES)
def test_only_donors_speak_of_other_cells(limits, value):
    low, high = limits
    for kind, others in product(("tfs", "cells", "donors", "network"), (True, False)):
        if is_steady(value, low, high, left_out=kind, of_others=others):
            assert (kind, others) == ("donors", True)
            assert low <= value <= high
            assert high - low <= 0.1 + 1e-12
