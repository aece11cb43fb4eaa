"""What the figure of reliability draws."""

from __future__ import annotations

import itertools

import pyarrow as pa

from scfm_assets.figures.reliability import reliability_over_cells

LEVEL = {("mine", "attention"): 0.5, ("other", "attention"): 0.3, ("mine", "attention_lift"): 0.2,
         ("baselines", "pearson"): 0.1, ("baselines", "mean_product"): 0.8}  # fmt: skip


def table(**columns: object) -> pa.Table:
    """Reliabilities that rise with the cells and differ by 0.02 between repeats."""
    rows = [
        {
            "tissue": "lung", "n_cells": n_cells, "repeat": repeat, "model": model, "method": method,
            "network": network, "n_pos": n_pos, "pearson": level + n_cells / 10_000 + (repeat - 0.5) / 50, **columns,
        }
        for ((model, method), level), n_cells, repeat, (network, n_pos) in itertools.product(
            LEVEL.items(), (100, 200, 400), (0, 1), (("truth", 50), ("small", 5))
        )
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def test_every_method_of_models_has_a_panel_and_baselines_share_the_last():
    figure = reliability_over_cells(table(), "lung")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["attention", "attention lift", "baselines and nulls"]
    drawn = {
        title: sorted(
            round(float(line.get_ydata()[-1]), 3)
            for line in ax.lines
            if line.get_linestyle() == "-" and len(line.get_ydata()) == 3
        )
        for title, ax in zip(titles, figure.axes, strict=True)
    }
    assert drawn == {"attention": [0.34, 0.54], "attention lift": [0.24], "baselines and nulls": [0.14, 0.84]}
    texts = [{text.get_text() for text in ax.texts} for ax in figure.axes]
    assert {"mine", "other", "noise alone"} <= texts[0]
    assert {"pearson", "mean_product"} <= texts[2]


def test_no_interval_is_drawn_where_there_is_only_a_spread():
    for ax in reliability_over_cells(table(), "lung").axes:
        segments = [segment for part in ax.collections for segment in part.get_segments()]
        assert not any(len(segment) for segment in segments)


def test_what_is_not_there_is_said():
    for given, tissue in ((table(), "gut"), (table(pearson=None), "lung"), (table().slice(0, 0), "lung")):
        (ax,) = reliability_over_cells(given, tissue).axes
        assert "no reliability to show" in ax.texts[0].get_text()
