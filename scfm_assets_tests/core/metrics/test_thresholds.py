"""Codes of scores among thresholds against comparing every score with every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.metrics import thresholds
from scfm_assets.core.metrics.thresholds import coarser, codes_of


def by_comparison(scores: np.ndarray, at: np.ndarray) -> np.ndarray:
    """2 x (thresholds below) + 1 if the score is one of them."""
    compared = scores[..., None]
    return 2 * (at < compared).sum(axis=-1) + (at == compared).any(axis=-1)


SCORES = {
    "uniform": lambda rng: rng.random(9000),
    "both signs": lambda rng: rng.normal(size=9000),
    "mostly zero": lambda rng: rng.lognormal(-8, 2, 9000) * (rng.random(9000) < 0.3),
    "heavily tied": lambda rng: np.round(rng.normal(size=9000), 1),
    "one value": lambda _: np.full(9000, 0.25),
    "signed zeros": lambda rng: np.where(rng.random(9000) < 0.5, -0.0, 0.0),
    "crowded": lambda rng: 1 + rng.random(9000) * 1e-6,
    "huge and tiny": lambda rng: rng.choice([-1e30, -1e-30, 0, 1e-30, 1e30], 9000),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("made", SCORES.values(), ids=SCORES.keys())
@pytest.mark.parametrize("p", [1, 5, 300])
def test_codes_say_what_lies_below_and_whether_the_score_is_a_threshold(dtype, made, p):
    rng = np.random.default_rng(p)
    scores = made(rng).astype(dtype)
    at = np.unique(rng.choice(scores, p))
    assert np.array_equal(codes_of(scores, at), by_comparison(scores, at))


def test_short_and_whole_number_scores_have_the_same_codes():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(7, 3)).astype(np.float32)
    assert np.array_equal(codes_of(few, np.unique(few[:2])), by_comparison(few, np.unique(few[:2])))
    whole = rng.integers(9, size=9000)
    assert np.array_equal(codes_of(whole, np.array([2, 7])), by_comparison(whole, np.array([2, 7])))
    assert not codes_of(few, np.empty(0, np.float32)).any()


def test_codes_do_not_depend_on_how_many_scores_are_looked_up_at_once(monkeypatch):
    scores = np.random.default_rng(1).normal(size=(30, 200)).astype(np.float32)
    at = np.unique(scores[:2])
    expected = codes_of(scores, at)
    monkeypatch.setattr(thresholds, "AT_ONCE", 7)
    assert np.array_equal(codes_of(scores, at), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40), st.data())
def test_any_finite_scores_are_looked_up_by_their_bits(values, data):
    scores = np.tile(np.array(values, np.float32), thresholds.FEW // len(values) + 1)
    at = np.unique(np.array(data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=20)), np.float32))
    assert np.array_equal(codes_of(scores, at), by_comparison(scores, at))


def test_codes_among_some_thresholds_follow_from_those_among_all():
    rng = np.random.default_rng(2)
    scores = np.round(rng.normal(size=500), 1)
    at = np.unique(rng.choice(scores, 40))
    kept = rng.random(len(at)) < 0.4
    assert np.array_equal(coarser(kept)[codes_of(scores, at)], by_comparison(scores, at[kept]))
