"""What the figures of the study of synthetic truth draw."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.figures.files import thumbnail_markdown
from scfm_assets.studies.synthetic_truth.figures import agreement, auroc_by_method, change_by_case, moments
from scfm_assets.studies.synthetic_truth.masters import master_regulators
from scfm_assets.studies.synthetic_truth.orderings import orderings
from scfm_assets.studies.synthetic_truth.settings import Settings
from scfm_assets.studies.synthetic_truth.tables import SCORES
from scfm_assets_tests.studies.synthetic_truth.made_up_scores import NULL_NAMES, made_up, noisy

OWN = {"pearson": noisy(0.6, sd=0.03), "mutual_information": noisy(0.7, sd=0.03, seed=1)}
NULLS = {name: noisy(0.5 + place / 50, seed=place) for place, name in enumerate(NULL_NAMES)}
SCORED = made_up(
    {
        ("linear", "none"): OWN,
        ("linear", "batch"): {name: values - 0.1 for name, values in OWN.items()},
        ("hill", "none"): OWN,
        ("hill", "hubs"): {name: values + noisy(0.05, seed=9) for name, values in OWN.items()},
    },
    NULLS,
)


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def markers(ax):
    """Means that are drawn: (x, y) of lines of one point with a marker of 7 points."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in ax.lines
        if line.get_markersize() == 7 and len(line.get_xdata()) == 1
    ]


def test_methods_stand_with_their_data_sets_their_mean_and_its_interval_beside_the_nulls():
    figure = auroc_by_method(SCORED)
    assert titles(figure) == ["linear", "hill"]
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["pearson", "mutual\ninformation"]
    assert markers(ax) == [(0, pytest.approx(0.6)), (1, pytest.approx(0.7))]
    (dots,) = (line for line in ax.lines if line.get_marker() == "." and abs(line.get_xdata().mean()) < 0.5)
    assert sorted(dots.get_ydata()) == pytest.approx(sorted(OWN["pearson"]))
    half = stats.t.ppf(0.975, 7) * OWN["pearson"].std(ddof=1) / np.sqrt(8)
    ends = [tuple(line.get_ydata()) for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
    assert pytest.approx((0.6 - half, 0.6 + half)) in ends
    low, high = ax.patches[0].get_extents().transformed(ax.transData.inverted()).intervaly
    assert (low, high) == (pytest.approx(0.5), pytest.approx(0.56))
    assert "uniform attention" in [text.get_text() for text in ax.texts]
    assert len(thumbnail_markdown(figure)) < 60_000


def test_changes_are_those_of_the_case_and_a_case_that_a_simulator_lacks_stays_empty():
    linear, hill = change_by_case(SCORED).axes
    assert [label.get_text() for label in linear.get_xticklabels()] == ["batch", "hubs"]
    assert [y for _, y in markers(linear)] == [pytest.approx(-0.1)] * 2
    assert {round(x) for x, _ in markers(linear)} == {0}
    assert {round(x) for x, _ in markers(hill)} == {1}
    assert [y for _, y in markers(hill)] == [pytest.approx(0.05)] * 2


def test_agreement_writes_tau_of_simulators_seeds_and_cases():
    figure = agreement(orderings(Settings(), SCORED))
    assert titles(figure) == ["simulators", "cases"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.00"] * 4
    assert len(figure.axes[1].texts) == 2  # each simulator has one of the two cases
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["linear", "hill"]


def test_moments_are_drawn_over_those_expected():
    table = master_regulators(HillSpec(dt=0.1), n_cells=50)
    figure = moments(table)
    assert titles(figure) == ["mean", "variance"]
    drawn = figure.axes[1].containers[0][0].get_ydata()
    assert drawn == pytest.approx(table["variance"].to_numpy() / table["variance_expected"].to_numpy())


def test_nothing_to_draw_is_said():
    empty = SCORES.rows([])
    for figure, words in (
        (auroc_by_method(empty), "nothing was simulated"),
        (change_by_case(empty), "mislead nobody"),
        (agreement(orderings(Settings(), empty)), "fewer than two methods"),
    ):
        assert words in figure.axes[0].texts[0].get_text()
