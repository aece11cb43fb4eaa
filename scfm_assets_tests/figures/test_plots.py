from __future__ import annotations

import base64
import io
import itertools
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scfm_assets.core.curves.scaling import scaling_table
from scfm_assets.figures import plots
from scfm_assets.figures.files import thumbnail_markdown, to_png, to_svg
from scfm_assets.figures.style import COLOURS, INK, cell_axis, panels, spread
from scfm_assets.figures.traces import richest_network, trace_of
from scfm_assets.tables.evaluation import SCALING_CURVES

N_CELLS = (25, 50, 100, 200, 400, 800)
METRICS = pa.schema(
    [(name, pa.string()) for name in ("tissue", "model", "checkpoint", "method", "direction", "network")]
    + [(name, pa.string()) for name in ("network_version", "universe", "metric", "interval")]
    + [(name, pa.int32()) for name in ("n_cells", "repeat", "layer", "head", "resamples")]
    + [(name, pa.float64()) for name in ("value", "lo", "hi", "base_rate", "pair_coverage", "positive_coverage")]
    + [("n_pos", pa.int64()), ("n_neg", pa.int64()), ("simulated", pa.bool_()), ("parts", pa.list_(pa.float32()))]
)
SCORERS = {  # model, method, layer, direction: height, scale
    ("planted", "attention", 1, "tf_queries"): 0.01,
    ("planted", "attention", 2, "tf_queries"): 0.36,
    ("planted", "attention", 2, "tf_keys"): 0.01,
    ("planted", "attention_lift", 2, "tf_queries"): 0.37,
    ("random", "attention", 2, "tf_queries"): 0.0,
    ("baselines", "pearson", None, "symmetric"): 0.17,
    ("baselines", "variance_product", None, "symmetric"): 0.06,
}
LAYERS = {"planted": 2, "random": 2}


def metrics_table(tissue: str = "lung", network: str = "truth", n_cells=N_CELLS, simulated: bool = True) -> pa.Table:
    rows = []
    for (scorer, height), n, repeat, kind, metric, universe in itertools.product(
        SCORERS.items(), n_cells, (0, 1), ("pairs", "tfs"), ("auroc", "auprc"), ("tf_grid", "all_pairs")
    ):
        model, method, layer, direction = scorer
        value = 0.53 + height * (1 - math.exp(-n / 120)) + 0.004 * math.cos(3 * n + 5 * repeat + len(method))
        rows.append(
            {
                "tissue": tissue,
                "model": model,
                "checkpoint": None if model == "baselines" else f"{model}000000"[:12],
                "method": method,
                "direction": direction,
                "network": network,
                "network_version": "v1",
                "universe": universe,
                "metric": metric,
                "interval": kind,
                "n_cells": n,
                "repeat": repeat,
                "layer": layer,
                "head": None,
                "resamples": 100,
                "value": value if metric == "auroc" else value / 5,
                "lo": value - (0.05 if kind == "tfs" else 0.02) if metric == "auroc" else value / 5 - 0.01,
                "hi": value + (0.05 if kind == "tfs" else 0.02) if metric == "auroc" else value / 5 + 0.01,
                "base_rate": 0.03,
                "pair_coverage": 1 - math.exp(-n / 60),
                "positive_coverage": 1 - 0.8 * math.exp(-n / 60),
                "n_pos": 430,
                "n_neg": 15000,
                "simulated": simulated,
                "parts": None,
            }
        )
    return pa.Table.from_pylist(rows, schema=METRICS)


def curves_table(metrics: pa.Table) -> pa.Table:
    ceilings = {(tissue, "planted"): 0.89 for tissue in set(metrics["tissue"].to_pylist())}
    return scaling_table(metrics, layer_of_model=LAYERS, ceilings=ceilings, metrics_wanted=("auroc",))


@pytest.fixture(scope="module")
def metrics() -> pa.Table:
    return metrics_table()


@pytest.fixture(scope="module")
def curves(metrics) -> pa.Table:
    return curves_table(metrics)


def texts(figure) -> list[str]:
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


def titles(figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_scaling_curve_shows_models_at_their_fixed_layer_baselines_nulls_and_the_ceiling(metrics, curves):
    figure = plots.scaling_curve(metrics, curves, "lung")
    assert titles(figure) == ["attention", "attention lift", "baselines and nulls"]
    said = texts(figure)
    assert {"planted", "random", "pearson", "variance_product", "chance", "ceiling 0.890", "cells", "AUROC"} <= set(
        said
    )
    assert any(text.startswith("null, ") for text in said)
    # the mean of the fixed layer is drawn, that of layer 1 is not
    drawn = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"])
    last = trace_of(
        [
            r
            for r in metrics.to_pylist()
            if (r["model"], r["method"], r["layer"], r["direction"], r["metric"], r["universe"])
            == ("planted", "attention", 2, "tf_queries", "auroc", "tf_grid")
        ],
        "n_cells",
    ).mean[-1]
    assert np.isclose(drawn, last).any()
    assert drawn.min() > 0.55


def test_the_line_through_the_points_is_the_likeliest_form_of_the_curves_table(metrics, curves):
    figure = plots.scaling_curve(metrics, curves, "lung")
    (row,) = (
        r
        for r in curves.to_pylist()
        if (r["model"], r["method"], r["direction"], r["universe"], r["verdict"])
        == ("planted", "attention", "tf_queries", "tf_grid", "best")
    )
    assert row["form"] == "exponential_saturation"
    line = max(
        (line for line in figure.axes[0].lines if line.get_color() == COLOURS[0]),
        key=lambda line: len(line.get_xdata()),
    )
    assert len(line.get_xdata()) == 100
    assert line.get_ydata()[-1] == pytest.approx(row["asymptote"], abs=2e-3)


def test_bars_are_the_intervals_over_tfs_and_dots_are_the_repeats(metrics):
    rows = [
        r for r in metrics.to_pylist() if (r["method"], r["metric"], r["universe"]) == ("pearson", "auroc", "tf_grid")
    ]
    trace = trace_of(rows, "n_cells")
    assert list(trace.x) == list(N_CELLS)
    assert trace.dots.shape == (12, 2)
    assert trace.hi - trace.lo == pytest.approx(np.full(6, 0.1))
    assert trace_of([row | {"value": None} for row in rows], "n_cells") is None


def test_curves_can_be_missing_and_the_points_are_still_drawn(metrics):
    nothing = SCALING_CURVES.schema.empty_table()
    figure = plots.scaling_curve(metrics, nothing, "lung", layer_of_model=LAYERS)
    assert "planted" in texts(figure)


def test_attention_by_layer_shows_both_directions_at_the_largest_n_and_rings_the_fixed_layer(metrics):
    figure = plots.attention_by_layer(metrics, "lung", layer_of_model=LAYERS)
    assert titles(figure) == ["attention", "attention lift"]
    assert any("800 cells" in text for text in texts(figure))
    rings = [line for line in figure.axes[0].lines if line.get_markersize() == 15 and len(line.get_xdata())]
    assert [round(line.get_xdata()[0]) for line in rings] == [2, 2]


def test_coverage_rises_to_one_and_models_that_see_the_same_share_a_line(metrics):
    figure = plots.coverage(metrics, "lung")
    assert texts(figure).count("positives") == 1
    assert figure.axes[0].get_ylim()[1] == pytest.approx(1.03)


def test_a_tissue_without_a_network_gets_a_figure_that_says_so(metrics, curves):
    for figure in (
        plots.scaling_curve(metrics, curves, "blood"),
        plots.attention_by_layer(metrics, "blood"),
        plots.coverage(metrics, "blood"),
        plots.atlas_qc(np.array([]), np.array([]), [], "blood"),
    ):
        assert any(text.startswith("blood: no ") for text in texts(figure))
        assert to_png(figure)[:4] == b"\x89PNG"


def test_network_with_most_positives_is_drawn_by_default(metrics):
    few = metrics_table(network="few")
    few = few.set_column(few.schema.get_field_index("n_pos"), "n_pos", pa.array([3] * few.num_rows))
    assert richest_network(pa.concat_tables([few, metrics]), "lung") == "truth"
    assert richest_network(metrics, "blood") is None


@pytest.mark.parametrize("spread_of_counts", ["usual", "all equal", "one cell", "zeros"])
def test_atlas_quality_is_drawn_for_any_cells(spread_of_counts):
    rng = np.random.default_rng(0)
    counts = {
        "usual": rng.lognormal(8, 0.5, 300).astype(int),
        "all equal": np.full(50, 1000),
        "one cell": np.array([7]),
        "zeros": np.zeros(5, int),
    }[spread_of_counts]
    figure = plots.atlas_qc(counts, counts // 4, [f"type {i % 14}" for i in range(len(counts))], "blood")
    assert any(f"{len(counts):,} cells" in text for text in texts(figure))
    assert to_png(figure)[:4] == b"\x89PNG"


def test_names_with_dollars_and_angle_brackets_are_drawn_as_they_are(metrics, curves):
    figure = plots.atlas_qc(np.array([10, 20]), np.array([5, 6]), ["a$_b$c", "<script>"], "x<&>$")
    svg = to_svg(figure, "atlas <qc>")
    ET.fromstring(svg)
    assert "<script>" not in svg
    assert "a$_b$c" in svg


def test_thumbnail_is_markdown_with_a_picture_of_less_than_50_kilobytes(metrics, curves):
    figure = plots.scaling_curve(metrics, curves, "lung")
    text = thumbnail_markdown(figure, "the curve](http://elsewhere)")
    assert len(text) < 50_000
    alt, data = re.fullmatch(r"!\[([^\]]*)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text).groups()
    assert "(" not in alt
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert 600 <= image.width <= 1040  # legible, and not cut off in Dagster's window
    assert len(to_png(figure, 10_000)) <= 10_000


def test_svg_takes_the_colours_of_the_page_and_its_ids_do_not_clash(metrics, curves):
    figure = plots.scaling_curve(metrics, curves, "lung")
    one, two = to_svg(figure, "one"), to_svg(figure, "two")
    assert "currentColor" in one
    assert INK not in one
    ids = re.findall(r'\bid="([^"]+)"', one)
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(re.findall(r'\bid="([^"]+)"', two))
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', one))
    assert used <= set(ids)
    assert one == to_svg(figure, "one")
    for outside in ("http://", "https://"):
        assert outside not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", one)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 9)), min_size=1, max_size=9))
def test_labels_do_not_overlap_and_stay_inside_if_they_fit(boxes):
    boxes.sort()
    places = spread([place for place, _ in boxes], [size for _, size in boxes], 100)
    edges = [(p - size / 2, p + size / 2) for p, (_, size) in zip(places, boxes, strict=True)]
    assert all(upper[0] >= lower[1] - 1e-6 for lower, upper in itertools.pairwise(edges))
    assert edges[0][0] >= -1e-6
    assert edges[-1][1] <= 100 + 1e-6


def test_labels_that_have_room_stay_where_they_belong():
    assert spread([10, 50, 90], [8, 8, 8], 100) == [10, 50, 90]


def test_cell_axis_writes_the_ends_and_only_what_has_room():
    with panels(1, "") as (_, (ax,)):
        cell_axis(ax, [25, 50, 100, 150, 200, 300, 500, 750, 1000])
        written = [label.get_text() for label in ax.get_xticklabels()]
        assert (written[0], written[-1]) == ("25", "1,000")
        assert len(written) < 9
        cell_axis(ax, [100])
        assert [label.get_text() for label in ax.get_xticklabels()] == ["100"]


def test_importing_the_figures_does_not_import_matplotlib():
    code = "import sys, scfm_assets.figures.plots, scfm_assets.report.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
