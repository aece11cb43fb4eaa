"""What a person sees in `scfm ui`, looked at with a headless Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from scfm_assets.defs.bind import group_of
from scfm_assets_tests.platforms import Home

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from scfm_assets.cli import main; main()"
)
"""`scfm`, which hears Ctrl-C even if whoever runs the tests ignores it."""
PATIENCE = 30_000
"""Milliseconds."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or find_spec("playwright") is None,
        reason="needs Chromium and playwright: `apt-get install chromium` and `make install`",
    ),
]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def alive(group: int) -> bool:
    """Whether a process of the group is left; one that is dead and that nobody has asked for does not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end while we look
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


@pytest.fixture(scope="module")
def ui(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`scfm ui` over a copy of the finished home: its address, and its process, which leads a group of its own."""
    folder = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(finished.folder, folder)
    port = free_port()
    environment = os.environ | {"SCFM_HOME": str(folder), "SCFM_CATALOG": str(folder / "catalog.yaml")}
    log = folder / "ui.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", START, "ui", "--port", str(port)],
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: answers(f"{address}/server_info"), 60), log.read_text()
        yield address, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def page(ui: tuple[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=CHROMIUM,
            args=FLAGS,
            headless=True,
            base_url=ui[0],
            viewport={"width": 1600, "height": 1000},
        )
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
        context.close()


def test_the_asset_graph_shows_all_groups(page: Any, finished: Home) -> None:
    page.goto("/asset-groups")
    groups = {group_of(name) for name in (*finished.platform.nodes, *finished.platform.sources)}
    assert {"atlas", "networks", "baselines", "evaluation", "scaling", "report"} < groups
    for group in groups:
        page.get_by_text(group, exact=True).filter(visible=True).nth(1).wait_for()  # in the list, and in the graph
    assert page.get_by_text("Join the Dagster community").count() == 0


def test_the_page_of_the_curves_shows_the_plot(page: Any) -> None:
    page.goto("/assets/scaling/curves")
    row = page.get_by_role("row").filter(has=page.get_by_text("scaling_curve", exact=True))
    row.get_by_text("[Show Markdown]").click()
    plot = page.locator("img[src^='data:image/png;base64,']")
    plot.wait_for()
    assert plot.evaluate("image => image.naturalWidth") > 600
    assert plot.bounding_box()["width"] > 600


def test_the_partitions_of_a_grid_asset_show_both_dimensions(page: Any, finished: Home) -> None:
    page.goto("/assets/evaluation/metrics?view=partitions")
    for dimension in ("n_cells", "tissue"):
        page.get_by_placeholder(f"Filter by {dimension}").wait_for()
    for key in (*finished.catalog.atlases, *map(str, finished.catalog.experiment.n_cells)):
        page.get_by_text(key, exact=True).filter(visible=True).wait_for()
    slices = len(finished.catalog.atlases) * len(finished.catalog.experiment.n_cells)
    page.get_by_text(f"Materialized ({slices})").wait_for()


def test_a_slice_materialized_by_clicking_is_queued_run_and_kept_because_it_is_fresh(page: Any) -> None:
    slice_page = "/assets/atlas/cell_sets?view=partitions&partition=10%7Csim_one"
    page.goto(slice_page)
    page.get_by_text("shared_cells").wait_for()
    assert page.get_by_text("kept", exact=True).count() == 0
    page.get_by_role("button", name="Materialize").click()
    with page.expect_response(lambda reply: "mutation Launch" in (reply.request.post_data or "")) as launched:
        page.get_by_role("button", name="Launch 1 run").click()
    assert "LaunchRunSuccess" in launched.value.text()

    def kept() -> bool:
        page.goto(slice_page)
        page.get_by_text("shared_cells").wait_for()
        return page.get_by_text("kept", exact=True).count() == 1

    assert wait_until(kept, 60)


def test_it_serves_this_machine_alone(ui: tuple[str, Any]) -> None:
    address, _ = ui
    assert answers(f"{address}/server_info")
    assert not answers(f"{address.replace('127.0.0.1', '127.0.0.2')}/server_info")  # local, too, but not asked for


def test_an_interruption_stops_the_webserver_and_the_daemon(ui: tuple[str, Any]) -> None:
    """Stands last: nothing is served after it."""
    address, process = ui
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert wait_until(lambda: not alive(process.pid), 20), "processes of `scfm ui` are left"
    assert not answers(f"{address}/server_info")
