from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets_bench import curve
from scfm_assets_bench.models import collecting_encoder, masked_language_model
from scfm_assets_bench.settings import BenchSettings
from scfm_assets_bench.simulated import draw_cells, spread_lengths
from scfm_assets_tests.bench.tiny import TINY, silent

PLAN = curve.CurvePlan(TINY, (1, 3, 4), spread_lengths(20, 60, 8), n_tfs=10, resamples=60, n_panel=80, batch=2)


@pytest.fixture(scope="module")
def curves():
    cells = draw_cells(TINY, PLAN.lengths, n_panel=PLAN.n_panel)
    ours = curve.ours(PLAN, collecting_encoder(TINY), cells, silent)
    return ours, curve.typical(PLAN, masked_language_model(TINY), cells, silent)


def test_both_sides_find_the_same_curve(curves):
    ours, typical = curves
    points = {(n, repeat, layer) for n in (1, 3, 4) for repeat in (0, 1) for layer in (1, 2)}
    assert set(ours.auroc) == set(typical.auroc) == points
    for point in points:
        (value, low, high), (their_value, their_low, their_high) = ours.auroc[point], typical.auroc[point]
        assert value == pytest.approx(their_value, abs=2e-4)  # rounding may turn neighbours round
        assert low < value < high
        # Other draws of the same bootstrap: limits scatter by about a tenth of their distance.
        assert abs(low - their_low) + abs(high - their_high) < 0.6 * (their_high - their_low)
    assert len({round(value, 6) for value, _, _ in ours.auroc.values()}) > 6


def test_the_whole_and_its_parts_are_compared():
    lines = list(curve.compare(replace(PLAN, resamples=5), silent))
    whole, forward, evaluation = lines
    assert "(16 forwards typical, 8 ours)" in forward.case
    assert whole.seconds == pytest.approx(forward.seconds + evaluation.seconds)
    assert whole.baseline_seconds == pytest.approx(forward.baseline_seconds + evaluation.baseline_seconds)
    assert whole.error == evaluation.error < 2e-4


def test_repeats_are_nested_and_share_no_cell():
    members = curve.cell_sets(PLAN)
    for smaller, larger in ((1, 3), (3, 4)):
        for repeat in (0, 1):
            np.testing.assert_array_equal(members[larger][repeat][:smaller], members[smaller][repeat])
    assert sorted([*members[4][0], *members[4][1]]) == list(range(8))


def test_a_curve_is_scaled_in_cells_and_pairs_and_nothing_else():
    plan = curve.plan_of(BenchSettings())
    assert plan.n_cells == (1, 2, 4, 6, 8, 12, 20, 30, 40)
    assert (plan.n_tfs, plan.n_panel, plan.resamples, len(plan.lengths)) == (40, 1000, 200, 80)
    whole = curve.plan_of(BenchSettings(scale=1.0))
    assert whole.n_cells == curve.LADDER
    assert (whole.n_tfs, whole.resamples, len(whole.lengths)) == (1000, 200, 2000)
    assert (min(plan.lengths), max(plan.lengths)) == (min(whole.lengths), max(whole.lengths)) == (500, 1500)


def test_a_scale_at_which_points_fall_together_is_refused():
    with pytest.raises(ScfmError, match="must differ"):
        curve.plan_of(BenchSettings(scale=0.01))
