"""What is concluded of curves whose truth is known, against the shares that are promised (`-s` shows the figures)."""

from __future__ import annotations

import numpy as np
import pytest

from scfm_assets_tests.core.curves.worlds import TRUTHS, Figures, World, figures

SETS = 240
SLACK = 3 * np.sqrt(0.05 * 0.95 / SETS)
"""Three standard errors of a share of 5 %."""
GIVEN = 60
"""Experiments with an asymptote, below which their share that holds the truth is not judged."""
WORLDS = [
    World(truth, nested=nested, sd=sd)
    for truth in TRUTHS
    for nested, sd in ((True, 0.005), (True, 0.02), (False, 0.005))
]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=WORLDS, ids=lambda w: f"{w.truth}, {'nested' if w.nested else 'iid'} {w.sd}")
def world_and_figures(request) -> tuple[World, Figures]:
    seen = figures(request.param, SETS)
    print(f"\n{request.param.truth}, {'nested' if request.param.nested else 'iid'} {request.param.sd}: {seen}")
    return request.param, seen


def test_asymptotes_and_characteristic_counts_hold_the_truth_as_often_as_they_say(world_and_figures):
    world, seen = world_and_figures
    if np.isfinite(world.asymptote) and seen.given * SETS >= GIVEN:
        assert seen.covered >= 0.95 - SLACK * np.sqrt(1 / seen.given)
    if world.characteristic_n and seen.n_given * SETS >= GIVEN:
        assert seen.n_covered >= 0.95 - SLACK * np.sqrt(1 / seen.n_given)


def test_a_curve_without_an_end_is_hardly_ever_given_one(world_and_figures):
    world, seen = world_and_figures
    if np.isinf(world.asymptote):
        assert seen.given <= 0.05


def test_the_true_form_is_hardly_ever_called_worse(world_and_figures):
    assert world_and_figures[1].worse <= 0.05


def test_a_flat_curve_is_called_flat_and_no_other_one_is(world_and_figures):
    world, seen = world_and_figures
    if world.truth == "flat" and world.sd <= 0.005:
        assert seen.flat >= 0.90
    if world.truth != "flat":
        assert seen.flat <= 0.05


def test_the_largest_count_is_predicted_as_often_as_is_said(world_and_figures):
    assert 0.95 - 2 * SLACK <= world_and_figures[1].held_out <= 1.0
