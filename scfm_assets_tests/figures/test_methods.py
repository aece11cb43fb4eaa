"""What the figure of methods draws."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from scfm_assets.core.evaluation.method_verdicts import BEATS, NULL, UNDERPOWERED
from scfm_assets.figures.files import thumbnail_markdown
from scfm_assets.figures.methods import LOOKS, forest


def row(method: str, value: float, verdict: str, **more) -> dict:
    return {
        "model": "mine", "method": method, "layer": 3, "role": "null" if verdict == NULL else "model",
        "network": "truth", "universe": "tf_grid", "metric": "auroc", "value": value,
        "network_lo": value - 0.05, "network_hi": value + 0.05, "cells_lo": value - 0.02, "cells_hi": value + 0.02,
        "n_pos": 1200, "verdict": verdict, "confounding": None, **more,
    }  # fmt: skip


ROWS = [
    row("mean_product", 0.62, NULL),
    row("detection_product", 0.55, NULL, network_lo=None, network_hi=None),
    row("attention", 0.8, BEATS, confounding="confounded"),
    row("hidden_state", 0.6, UNDERPOWERED, cells_lo=None, cells_hi=None),
    row("attention", 0.7, BEATS, network="other"),
    row("attention", 4.0, BEATS, metric="auprc_ratio"),
]


def test_methods_stand_in_the_order_of_their_values_beside_the_highest_null():
    figure = forest(pa.Table.from_pylist(ROWS), "Methods in lung, $600 cells")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["truth, 1,200 edges", "other, 1,200 edges"]
    ax = figure.axes[0]
    dots = [(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in ax.lines
            if line.get_marker() not in ("None", "") and line.get_markersize() < 10]  # fmt: skip
    assert dots == [(0.6, 0, LOOKS[UNDERPOWERED][0]), (0.8, 1, LOOKS[BEATS][0])]
    intervals = [tuple(np.round(line.get_xdata(), 3)) for line in ax.lines if len(line.get_xdata()) == 2]
    assert {(0.75, 0.85), (0.78, 0.82), (0.55, 0.65), (0.62, 0.62), (0.5, 0.5)} <= set(intervals)
    assert (0.58, 0.62) not in intervals  # no interval over cells
    rings = [line for line in ax.lines if line.get_markersize() > 10]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [(0.8, 1)]
    (band,) = ax.patches
    assert (round(band.get_x(), 3), round(band.get_x() + band.get_width(), 3)) == (0.57, 0.67)
    texts = [text.get_text() for text in ax.texts]
    assert "attention of mine, layer 3" in texts
    assert not any("mean product" in text for text in texts)
    note = figure.texts[1].get_text().replace("\n", " ")
    assert "circle: beats the nulls, diamond: underpowered." in note
    assert len(thumbnail_markdown(figure)) < 50_000


def test_other_metrics_and_universes_are_asked_for_and_nothing_is_said():
    figure = forest(pa.Table.from_pylist(ROWS), metric="auprc_ratio")
    assert [ax.get_xlabel() for ax in figure.axes] == ["AUPRC over base rate"]
    assert not figure.axes[0].patches  # no null by this metric
    (ax,) = forest(pa.Table.from_pylist(ROWS), universe="degree_matched").axes
    assert "no network" in ax.texts[0].get_text()
