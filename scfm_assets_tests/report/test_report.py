from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.report.headline import scores_of
from scfm_assets.report.html import limits, mark, number, table
from scfm_assets.report.report import Context, render, write
from scfm_assets.tables.evaluation import SCALING_CURVES
from scfm_assets_tests.figures.test_plots import LAYERS, METRICS, curves_table, metrics_table

CONTROLS = {"planted": "planted", "random": "random"}
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balanced(HTMLParser):
    """Reads a page, insists that every element is closed, and keeps its tags, ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page: str) -> Balanced:
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    metrics = pa.concat_tables([metrics_table("lung"), metrics_table("kidney", simulated=False)])
    return {"metrics": metrics, "scaling_curves": curves_table(metrics)}


@pytest.fixture(scope="module")
def page(tables) -> str:
    rng = np.random.default_rng(0)
    context = Context(
        title="A title",
        catalog="demo",
        tissues=("lung", "kidney", "pbmc"),
        layer_of_model=LAYERS,
        controls=CONTROLS,
        reasons=("pbmc: no network of its organism is in the catalog",),
        versions={"numpy": "2.0"},
        data_versions={"atlas/processed[lung]": "0123abcd"},
        cells={"lung": (rng.lognormal(8, 1, 50), rng.lognormal(6, 1, 50), ["a", "b"] * 25)},
    )
    return render(tables, context)


def test_page_is_whole_and_needs_nothing_from_elsewhere(page):
    found = parsed(page)
    assert "script" not in found.tags
    assert all(link.startswith("#") for link in found.links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links} <= set(found.ids)


def test_page_shows_every_tissue_with_figures_tables_and_provenance(page):
    text = " ".join(parsed(page).text)
    for said in (
        "lung",
        "kidney",
        "pbmc",
        "Planted control",
        "Random control",
        "Highest null with a curve",
        "Highest baseline",
    ):
        assert said in text
    assert page.count("<svg") == 7  # curve, layers, coverage of two tissues, one atlas
    assert "planted00000" in text
    assert "0123abcd" in text
    assert "pbmc: no network of its organism is in the catalog" in text
    assert "lung: simulated data" in text
    assert "degenerate" in text


def test_numbers_of_the_page_are_those_of_the_table(tables, page):
    rows = tables["metrics"].to_pylist()
    at = [
        row["value"]
        for row in rows
        if (row["tissue"], row["model"], row["method"], row["layer"], row["direction"])
        == ("lung", "planted", "attention", 2, "tf_queries")
        and (row["metric"], row["universe"], row["n_cells"], row["interval"]) == ("auroc", "tf_grid", 800, "tfs")
    ]
    assert len(at) == 2
    assert f"<b>{np.mean(at):.3f}<i> AUROC</i></b>" in page


def test_all_tissues_stand_beside_each_other_with_their_verdicts(page):
    start = page.index("At a glance")
    glance = page[start : page.index("</section>", start)]
    assert [tissue for tissue in ("lung", "kidney", "pbmc") if f'href="#tissue-{tissue}"' in glance] == [
        "lung",
        "kidney",
        "pbmc",
    ]
    assert glance.count('title="not told apart from its ceiling"') == 2  # intervals of 0.05 on either side
    assert glance.count('title="not told apart from chance"') == 2
    assert glance.count("<tr>") == 4  # with the head; pbmc has no network and no numbers


def judged(tables, **changes) -> dict[tuple[str, str], str]:
    asked = {"direction": "tf_queries", "layer_of_model": LAYERS, "controls": CONTROLS} | changes
    scores = scores_of(tables["metrics"], tables["scaling_curves"], "lung", **asked)
    return {(s.model, s.method): s.verdict for s in scores if s.universe == "tf_grid"}


def with_limits(tables, reach: float, shift: float = 0.0) -> dict[str, pa.Table]:
    rows = [
        row | {"value": row["value"] + shift, "lo": row["value"] + shift - reach, "hi": row["value"] + shift + reach}
        for row in tables["metrics"].to_pylist()
    ]
    return tables | {"metrics": pa.Table.from_pylist(rows, schema=tables["metrics"].schema)}


def test_what_is_said_of_controls_is_true_of_the_interval_beside_it(tables):
    wide = judged(tables)
    assert wide["planted", "attention"] == "not told apart from its ceiling"
    assert wide["random", "attention"] == "not told apart from chance"
    narrow = judged(with_limits(tables, 0.015, shift=-0.03))
    assert narrow["random", "attention"] == "at chance"
    assert narrow["planted", "attention"] == "near its ceiling, but below it"
    assert judged(with_limits(tables, 0.015))["planted", "attention"] == "reaches its ceiling"
    assert judged(with_limits(tables, 0.01))["random", "attention"] == "near chance, but above it"
    assert judged(with_limits(tables, 0.01, shift=0.1))["random", "attention"] == "above chance"
    unknown = tables["metrics"].to_pylist()
    unknown = pa.Table.from_pylist([row | {"lo": None, "hi": None} for row in unknown], schema=METRICS)
    assert judged(tables | {"metrics": unknown})["random", "attention"] == "no interval to judge it by"


def test_whether_a_method_beats_the_nulls_is_read_from_paired_differences(tables):
    method = {"tissue": "lung", "n_cells": 800, "network": "truth", "universe": "tf_grid", "metric": "auroc"}
    method |= {"model": "baselines", "method": "pearson", "layer": None}
    for verdict in ("beats the nulls", "does not beat the nulls", "worse than a null", "underpowered"):
        rows = [method | {"verdict": verdict}, method | {"n_cells": 400, "verdict": "null"}]
        verdicts = pa.Table.from_pylist(rows)
        assert judged(tables, verdicts=verdicts)["baselines", "pearson"] == verdict
    # two values with an interval each say nothing of their difference
    assert judged(tables)["baselines", "pearson"] == "not held against the nulls"
    assert judged(tables)["baselines", "variance_product"] == "highest null with a curve"


def test_a_random_control_that_scores_and_a_planted_one_that_fails_are_marked(tables):
    asked = {"direction": "tf_queries", "layer_of_model": LAYERS}
    swapped = {"planted": "random", "random": "planted"}
    far = SCALING_CURVES.schema.empty_table()
    scores = scores_of(tables["metrics"], far, "lung", controls=swapped, **asked)
    (wrong,) = [s for s in scores if (s.model, s.method, s.universe) == ("planted", "attention", "tf_grid")]
    assert (wrong.verdict, wrong.kind) == ("above chance", "bad")
    curves = tables["scaling_curves"]
    lower = curves.set_column(curves.schema.get_field_index("ceiling"), "ceiling", pa.array([0.99] * curves.num_rows))
    scores = scores_of(tables["metrics"], lower, "lung", controls=CONTROLS, **asked)
    (wrong,) = [s for s in scores if (s.model, s.method, s.universe) == ("planted", "attention", "tf_grid")]
    assert (wrong.verdict, wrong.kind) == ("below its ceiling", "bad")


def test_hostile_names_are_shown_and_not_obeyed():
    name = '<script>alert("x")</script>'
    metrics = metrics_table(tissue=name, network="<b>&")
    tables = {"metrics": metrics, "scaling_curves": curves_table(metrics)}
    page = render(tables, {"title": name, "controls": CONTROLS, "reasons": [f"{name}: <img src=x>"]})
    found = parsed(page)
    assert not {"script", "img"} & set(found.tags)
    assert "&lt;script&gt;" in page


def test_empty_tables_make_a_page_that_says_what_is_missing():
    tables = {"metrics": METRICS.empty_table(), "scaling_curves": SCALING_CURVES.schema.empty_table()}
    page = render(tables, {"tissues": ["blood"]})
    assert "no reference network is known" in " ".join(parsed(page).text)
    parsed(render(tables, {}))


def test_curves_without_enough_counts_are_explained(tables):
    metrics = metrics_table(n_cells=(25, 50, 100))
    page = render(
        {"metrics": metrics, "scaling_curves": SCALING_CURVES.schema.empty_table()}, {"layer_of_model": LAYERS}
    )
    assert "fewer than four cell counts" in page


def test_atlas_quality_falls_back_to_the_summary_table(tables):
    quality = pa.table(
        {
            "tissue": ["lung"],
            "cell_type": ["B cell"],
            "donor": [None],
            "cells": [12],
            "median_counts": [900.0],
            "median_genes": [300.0],
        }
    )
    page = render(tables | {"atlas_qc": quality}, {"layer_of_model": LAYERS})
    assert "B cell" in page


def test_report_is_written_beside_and_renamed(tmp_path, tables, monkeypatch):
    folder = tmp_path / "new" / "report"
    path = write(folder, render(tables, {"title": "first", "layer_of_model": LAYERS}))
    assert path == folder / "index.html"
    assert "first" in path.read_text(encoding="utf-8")
    assert [p.name for p in folder.iterdir()] == ["index.html"]
    with pytest.raises(KeyError):
        write(folder, render({}, {"title": "second"}))
    assert "first" in path.read_text(encoding="utf-8")


def test_pieces_of_html_escape_texts_and_align_numbers():
    assert mark("a<b", "good") == '<span class="mark good">a&lt;b</span>'
    assert mark("a<b", '"') == '<span class="mark &#34;">a&lt;b</span>'
    made = table(["<name>", "value"], [["a&", "1.0"], ["b", None], [mark("c", "good"), "-2"]])
    assert made.count('<td class="number">') == 3
    assert "<th>&lt;name&gt;</th>" in made
    assert "<td>a&amp;</td>" in made
    assert '<td><span class="mark good">c</span></td>' in made
    assert (number(None), number(0.12345)) == (None, "0.123")
    assert (limits(None, None), limits(0.1, None)) == (None, "[0.100, ?]")
