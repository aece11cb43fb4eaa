"""What a person sees and clicks in `scfm ui`, with a headless Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from scfm_assets.defs.bind import group_of
from scfm_assets.studies import discover
from scfm_assets_tests.platforms import Home
from scfm_assets_tests.served import Ui, answers, free_port, opened_ui, wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE = 60_000
"""Milliseconds."""
SLICE = "/assets/atlas/cell_sets?view=partitions&partition=10%7Csim_one"
KEY = "10|sim_one"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or find_spec("playwright") is None,
        reason="needs Chromium and playwright: `apt-get install chromium` and `make install`",
    ),
]


def alive(group: int) -> bool:
    """Whether a process of the group is left; one that is dead and that nobody has asked for does not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end while we look
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@pytest.fixture(scope="module")
def ui(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """`scfm ui` over a copy of the finished home."""
    folder = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(finished.folder, folder)
    environment = {**os.environ, "SCFM_HOME": str(folder), "SCFM_CATALOG": str(folder / "catalog.yaml")}
    with opened_ui(folder, environment, free_port()) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(ui: Ui, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=CHROMIUM,
            args=FLAGS,
            headless=True,
            base_url=ui.address,
            viewport={"width": 1600, "height": 1000},
        )
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
        context.close()


def launch(ui: Ui, page: Any, button: str) -> str:
    """Click on the button that launches a run, and give the run's status when it has ended."""
    with page.expect_response(lambda reply: "mutation Launch" in (reply.request.post_data or "")) as launched:
        page.get_by_role("button", name=button).click()
    (run,) = {found["runId"] for found in ui.runs()} & set(_ids(launched.value.json()))
    statuses: dict[str, str] = {}

    def ended() -> bool:
        statuses.update({found["runId"]: found["status"] for found in ui.runs()})
        return statuses[run] in {"SUCCESS", "FAILURE", "CANCELED"}

    wait_until(ended, 120)
    page.goto(f"/runs/{run}")
    return statuses[run]


def _ids(answer: Any) -> Iterator[str]:
    """Give every text in an answer: a run's id is among them."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from _ids(part)
    elif isinstance(answer, str):
        yield answer


def materialize(ui: Ui, page: Any) -> dict[str, str]:
    """Materialize the slice through the dialog of its page, and give what the page then says of it."""
    page.goto(SLICE)
    page.get_by_role("button", name="Materialize").click()
    dialog = page.get_by_role("dialog")
    for picked in ("1 partition", *KEY.split("|")):
        dialog.get_by_text(picked, exact=True).filter(visible=True).first.wait_for()
    assert launch(ui, page, "Launch 1 run") == "SUCCESS"
    page.get_by_text(f"partition: {KEY}").first.wait_for()
    page.goto(SLICE)
    return metadata(page)


def metadata(page: Any) -> dict[str, str]:
    """Read the table of what is said of an output."""
    page.get_by_text("materialization", exact=True).wait_for()
    rows = page.locator("tr").filter(has=page.locator("td")).all()
    cells = [row.locator("td").all_inner_texts() for row in rows]
    return {name: value for name, value, *_ in cells}


def test_the_asset_graph_shows_all_groups(page: Any, finished: Home) -> None:
    page.goto("/asset-groups")
    groups = {group_of(name) for name in (*finished.platform.nodes, *finished.platform.sources)}
    models = {f"model_{name}" for name in finished.catalog.models}
    studies = {*discover(), "tests"}
    assert groups == {"atlas", "networks", "baselines", "evaluation", "scaling", "report"} | models | studies
    for group in groups:
        listed = page.get_by_text(group, exact=True).filter(visible=True)
        listed.nth(0 if group in studies else 1).wait_for()  # in the list and in the graph, which cuts long names
    assert page.get_by_text("Join the Dagster community").count() == 0


def test_the_page_of_the_curves_shows_the_plot(page: Any) -> None:
    page.goto("/assets/scaling/curves")
    row = page.get_by_role("row").filter(has=page.get_by_text("scaling_curve", exact=True))
    row.get_by_text("[Show Markdown]").click()
    plot = page.locator("img[src^='data:image/png;base64,']")
    plot.wait_for()
    assert plot.evaluate("image => image.naturalWidth") > 600
    assert plot.bounding_box()["width"] > 600


def test_the_page_of_the_metrics_tells_what_they_are_and_where_sql_has_them(page: Any) -> None:
    page.goto("/assets/evaluation/metrics")
    page.get_by_text("One row: how well one method ranks one network's edges").wait_for()
    for shown in ("metrics_latest", "DuckDB", "Parquet", "auroc_planted"):
        page.get_by_text(shown, exact=True).first.wait_for()
    column = page.get_by_role("row").filter(has=page.get_by_text("n_cells", exact=True))
    column.get_by_text("INTEGER").wait_for()
    column.get_by_text("Cells of each repeat of the slice.").wait_for()


def test_the_page_of_a_checkpoint_tells_what_the_catalog_says_of_it(page: Any) -> None:
    page.goto("/assets/models/planted/checkpoint")
    for shown in ("model_planted", "PyTorch", "planted control, built here", "geneformer"):
        page.get_by_text(shown, exact=True).first.wait_for()


def test_the_partitions_of_a_grid_asset_show_both_dimensions(page: Any, finished: Home) -> None:
    page.goto("/assets/evaluation/metrics?view=partitions")
    for dimension in ("n_cells", "tissue"):
        page.get_by_placeholder(f"Filter by {dimension}").wait_for()
    for key in (*finished.catalog.atlases, *map(str, finished.catalog.experiment.n_cells)):
        page.get_by_text(key, exact=True).filter(visible=True).wait_for()
    slices = len(finished.catalog.atlases) * len(finished.catalog.experiment.n_cells)
    page.get_by_text(f"Materialized ({slices})").wait_for()


def test_the_checks_of_an_asset_say_what_they_saw(page: Any, finished: Home) -> None:
    node = finished.platform.nodes["evaluation/metrics"]
    page.goto("/assets/evaluation/metrics?view=checks")
    page.get_by_text(f"Checks ({len(node.checks)})").wait_for()
    for check in node.checks:
        page.get_by_text(check.name, exact=True).first.wait_for()
    page.get_by_text("permuted_labels_score_half", exact=True).first.click()
    page.get_by_text("This is a blocking asset check").wait_for()
    page.get_by_text("With shuffled labels the ranking of each model").wait_for()
    page.get_by_text("Passed", exact=True).wait_for()


def test_a_slice_is_materialized_by_clicking_and_kept_by_clicking_again(ui: Ui, page: Any) -> None:
    page.goto(SLICE)
    before = metadata(page)
    shutil.rmtree(ui.home / "store" / "manifests" / "atlas" / "cell_sets" / "tissue=sim_one" / "n_cells=10")
    made = materialize(ui, page)
    assert made["materialization"] != before["materialization"]
    assert "kept" not in made
    assert made["shared_cells"] == before["shared_cells"]
    again = materialize(ui, page)
    assert again["kept"] == "true"
    assert again["materialization"] == made["materialization"]


@pytest.mark.long
def test_a_job_is_launched_by_clicking(ui: Ui, page: Any) -> None:
    page.goto("/jobs")
    for job in ("everything", "scaling_curve", "refresh_networks"):
        page.get_by_text(job, exact=True).wait_for()
    page.get_by_text("scaling_curve", exact=True).click()
    page.get_by_text("The scaling curves and the report, and all that leads to them.").wait_for()
    page.get_by_text("Launchpad", exact=True).click()
    assert launch(ui, page, "Launch Run") == "SUCCESS"
    page.get_by_text("everything is fresh", exact=True).wait_for()


def test_what_happens_by_itself_is_switched_on(page: Any) -> None:
    page.goto("/automation")
    for name in ("automation", "checkpoint_watcher", "lineage", "nightly"):
        page.get_by_text(name, exact=True).filter(visible=True).first.wait_for()
    switches = page.get_by_role("checkbox", checked=True)
    begun = time.monotonic()
    while switches.count() < 4 and time.monotonic() - begun < PATIENCE / 1000:
        page.wait_for_timeout(200)
    assert switches.count() == 4


def test_it_serves_this_machine_alone(ui: Ui) -> None:
    assert answers(ui.address)
    assert not answers(ui.address.replace("127.0.0.1", "127.0.0.2"))  # local, too, but not asked for


def test_an_interruption_stops_the_webserver_and_the_daemon(ui: Ui) -> None:
    """Stands last: nothing is served after it."""
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(timeout=60) == 0
    wait_until(lambda: not alive(ui.process.pid), 20)
    assert not answers(ui.address)
