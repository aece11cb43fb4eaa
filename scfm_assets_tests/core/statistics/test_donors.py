"""What is left out where donors are known, and the jackknife within them."""

import numpy as np
import pytest

from scfm_assets.core.statistics import Donors
from scfm_assets.core.statistics.jackknife import freedom_within, jackknife_error


def test_five_donors_are_left_out_whole_and_four_speak_of_themselves():
    group = np.arange(20) % 10
    none = Donors.of_cells(group, np.array([None] * 20, object))
    assert (none.n, none.kind, none.strata, none.are_few) == (None, "cells", None, False)
    five = Donors.of_cells(group, (group // 2).astype(str))
    assert (five.n, five.kind, five.strata, five.are_few) == (5, "donors", None, False)
    four = Donors.of_cells(group, np.minimum(group // 2, 3).astype(str))
    assert (four.n, four.kind, four.are_few) == (4, "cells", True)
    assert four.strata.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]
    mixed = Donors.of_cells(np.zeros(4, int), np.array(["a", "b", "a", "b"]))
    assert (mixed.n, mixed.of_group.tolist()) == (2, [-1])


def test_the_jackknife_within_donors_is_the_error_of_a_mean_of_strata():
    rng = np.random.default_rng(0)
    strata, sizes = np.repeat([0, 1, 2], 4), np.full(12, 5)
    means = rng.normal(size=12) + 10 * strata
    value = means.mean()
    left_out = np.array([np.delete(means, i).mean() for i in range(12)])
    within = sum(np.var(means[strata == s], ddof=1) / 4 for s in range(3)) / 9
    assert jackknife_error(value, left_out, sizes, strata) == pytest.approx(np.sqrt(within))
    assert jackknife_error(value, left_out, sizes) > 5 * np.sqrt(within)
    assert jackknife_error(value, left_out, sizes, np.zeros(12)) == pytest.approx(
        jackknife_error(value, left_out, sizes)
    )
    assert freedom_within(sizes, strata) == 9
    assert freedom_within(sizes) == 11
    assert freedom_within(np.array([0, 4, 4]), np.array([0, 1, 1])) == 1


def test_donors_of_one_group_each_say_nothing_of_how_their_cells_differ():
    left_out = np.array([0.1, 0.2, 0.3])
    assert freedom_within(np.ones(3, int), np.arange(3)) == 0
    assert jackknife_error(0.2, left_out, np.ones(3), np.arange(3)) == 0
