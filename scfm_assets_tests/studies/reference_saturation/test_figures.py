"""What the figures of the study of incomplete references draw."""

from __future__ import annotations

import numpy as np
import pytest

from scfm_assets.figures.files import thumbnail_markdown
from scfm_assets.studies.reference_saturation.figures import saturation_curves, saturation_slopes
from scfm_assets.studies.reference_saturation.slopes import slopes
from scfm_assets_tests.studies.reference_saturation.small_saturation import SMALL, small_scores

SCORES, SLOPES = small_scores(), slopes(SMALL, small_scores())


@pytest.mark.parametrize("metric", ["auroc", "auprc_ratio"])
def test_every_completeness_is_a_line_with_its_prediction_and_the_means_are_right(metric):
    figure = saturation_curves(SCORES, metric=metric)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "density 0.002, constant noise", "density 0.002, noise + 0.002 n",
    ]  # fmt: skip
    ax = figure.axes[0]
    markers = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    assert len(markers) == 3  # completenesses
    rows = SCORES.to_pandas().query(
        "method == 'pearson' and hiding == 'random' and noise_growth == 0 and completeness == 1"
    )
    value = rows.auroc if metric == "auroc" else rows.auprc * (rows.n_pos + rows.n_neg) / rows.n_pos
    assert markers[0].get_ydata() == pytest.approx(value.groupby(rows.n_cells).mean().to_numpy())
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert np.allclose(dashed[0].get_ydata(), markers[0].get_ydata())  # nothing is hidden
    assert {text.get_text() for text in ax.texts} >= {"100%", "50%", "25%"}
    assert len(thumbnail_markdown(figure)) < 50_000


def test_slopes_stand_over_completeness_for_each_way_to_hide():
    figure = saturation_slopes(SLOPES, method="spearman")
    ax = figure.axes[0]
    assert {text.get_text() for text in ax.texts} >= {"random", "degree", "circular", "no change"}
    rows = SLOPES.to_pandas().query(
        "method == 'spearman' and hiding == 'random' and noise_growth == 0 and metric == 'auroc' and term == 'slope'"
    )
    drawn = next(line for line in ax.lines if line.get_marker() == "o")
    assert drawn.get_ydata() == pytest.approx(rows.value.to_numpy()[::-1])
    assert len(thumbnail_markdown(figure)) < 50_000


def test_nothing_measured_is_said():
    (ax,) = saturation_curves(SCORES.slice(0, 0)).axes
    assert "nothing was measured" in ax.texts[0].get_text()
    (ax,) = saturation_slopes(SLOPES.slice(0, 0)).axes
    assert "nothing was measured" in ax.texts[0].get_text()
