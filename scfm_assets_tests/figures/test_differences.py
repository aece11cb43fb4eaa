"""What the figure of two checkpoints draws."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.figures.differences import difference_by_layer
from scfm_assets.figures.files import thumbnail_markdown


def compared(**columns: object) -> pa.Table:
    """Differences of layers 1 to 3 that equal layer / 10, give or take the repeat, with one further head."""
    rows = []
    for layer, repeat, method, direction, network, interval in itertools.product(
        (1, 2, 3),
        (0, 1),
        ("attention", "attention_lift"),
        ("tf_queries", "tf_keys"),
        ("truth", "own"),
        ("tfs", "cells"),
    ):
        difference = layer / 10 + (repeat - 0.5) / 100 - (direction == "tf_keys") - (network == "own") / 2
        reach = 0.02 if interval == "tfs" else 0.5
        rows.append(
            {
                "tissue": "lung", "n_cells": 1500, "repeat": repeat, "model": "mine", "checkpoint": "b" * 12,
                "checkpoint_before": "a" * 12, "method": method, "layer": layer, "head": None, "direction": direction,
                "network": network, "universe": "tf_grid", "metric": "auroc", "difference": difference,
                "lo": difference - reach, "hi": difference + reach, "interval": interval, **columns,
            }
        )  # fmt: skip
    rows.append({**rows[0], "head": 2, "difference": 99.0})
    return pa.Table.from_pylist(rows)


def test_every_method_has_a_panel_with_a_line_for_each_network_and_direction():
    figure = difference_by_layer(compared(), layer=3)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["attention", "attention lift"]
    ax = figure.axes[0]
    means = [
        ys
        for ys in (list(np.round(line.get_ydata(), 3)) for line in ax.lines if line.get_linestyle() != "None")
        if len(ys) == 3
    ]
    assert sorted(means) == [[-1.4, -1.3, -1.2], [-0.9, -0.8, -0.7], [-0.4, -0.3, -0.2], [0.1, 0.2, 0.3]]
    texts = {text.get_text() for text in ax.texts}
    assert {"truth", "own", "no change"} <= texts


def test_the_fixed_layer_is_ringed_and_bars_are_over_tfs():
    ax = difference_by_layer(compared(), layer=2).axes[0]
    rings = [line for line in ax.lines if line.get_markersize() == 15]
    assert sorted(round(float(ring.get_ydata()[0]), 3) for ring in rings) == [-0.3, 0.2]
    bars = [segment for part in ax.collections for segment in part.get_segments()]
    assert bars
    assert all(np.ptp(segment[:, 1]) == pytest.approx(0.04) for segment in bars)


def test_names_and_checkpoints_stand_above_and_the_picture_fits_into_metadata():
    figure = difference_by_layer(compared(model="$mine<b>"), layer=None)
    told = " ".join(text.get_text() for text in figure.texts)
    assert "$mine<b>: what checkpoint bbbbbbbbbbbb changed since aaaaaaaaaaaa" in told
    assert "1,500 cells" in told
    assert len(thumbnail_markdown(figure)) < 50_000


def test_nothing_to_compare_is_said():
    empty = compared().slice(0, 0)
    (ax,) = difference_by_layer(empty, layer=3).axes
    assert "No layers to compare" in ax.texts[0].get_text()
    without_layers = compared(layer=None)
    assert difference_by_layer(without_layers, layer=3).axes[0].texts
