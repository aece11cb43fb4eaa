"""A checkpoint arrives while nobody is there: `scfm ui`, its daemon and its webserver, end to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from scfm_assets import catalog as catalogs
from scfm_assets.defs import assemble
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Space
from scfm_assets_tests.platforms import TINY
from scfm_assets_tests.served import JOBS, START, Ui, free_port, opened_ui, wait_until

pytestmark = pytest.mark.long

FORCED = """
mutation { launchRun(executionParams: { runConfigData: {}, selector: { pipelineName: "__ASSET_JOB",
    repositoryName: "__repository__", repositoryLocationName: "scfm_assets.definitions",
    assetSelection: [{ path: ["models", "mine", "tokenized_cells"] }] }, executionMetadata: { tags: [
        { key: "dagster/partition", value: "10|sim_one" }, { key: "scfm/force", value: "true" }] } }) {
            __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""


@pytest.fixture(scope="module")
def arrivals(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two checkpoints of one architecture, as somebody trains them."""
    folder = tmp_path_factory.mktemp("arrivals")
    declared = deepcopy(TINY)
    declared["models"] = {f"seed{seed}": {"control": "random", "seed": seed} for seed in (0, 1)}
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(declared))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCFM_HOME", str(folder))
        catalog = catalogs.load(path)
        return {seed: checkpoints.checkpoint_folder(catalog, f"seed{seed}") for seed in (0, 1)}


@pytest.fixture(scope="module")
def ui(arrivals: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """A platform with a checkpoint, run to completion by `scfm run`, and then opened by `scfm ui`."""
    home = tmp_path_factory.mktemp("overnight")
    declared = deepcopy(TINY)
    mine = {"checkpoint": str(home / "mine"), "options": {"generation": "v1"}, "layer": 3}
    declared["models"] = {"planted": declared["models"]["planted"], "mine": mine}
    declared["experiment"]["n_cells"] = [10, 20]
    (home / "catalog.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    shutil.copytree(arrivals[0], home / "mine")
    environment = {
        **os.environ,
        "SCFM_HOME": str(home),
        "SCFM_CATALOG": str(home / "catalog.yaml"),
        "SCFM_SETTLE_SECONDS": "2",
    }
    ran = subprocess.run(
        [sys.executable, "-c", START, "run"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with opened_ui(home, environment, free_port()) as opened:
        yield opened


def made_per_asset(ui: Ui) -> Counter[str]:
    rows = ui.sql("select asset, count(*) from lineage where not kept group by asset")
    return Counter({str(asset): int(n) for asset, n in rows})


def test_a_checkpoint_that_arrives_overnight_has_its_results_in_the_morning(ui: Ui, arrivals: dict[int, Path]) -> None:
    before, runs_before = made_per_asset(ui), len(ui.runs())
    curves_before = ui.sql("select count(distinct checkpoint) from metrics where model = 'mine'")
    assert curves_before == [(1,)]

    dropped = time.time()
    for file in sorted(arrivals[1].iterdir()):
        shutil.copyfile(file, ui.home / "mine" / file.name)
    wait_until(ui.backfills, 150)
    asked = time.time()
    wait_until(lambda: all(b["status"].startswith("COMPLETED") for b in ui.backfills()), 900)
    done = time.time()
    ui.wait_for_ticks(1, "lineage")
    print(f"asked for after {asked - dropped:.0f} s, complete {done - dropped:.0f} s after the drop")

    (backfill,) = ui.backfills()
    assert backfill["status"] == "COMPLETED_SUCCESS"
    selected = {"/".join(key["path"]) for key in backfill["assetSelection"]}
    of_model = {"tokenized_cells", "attention_increment", "attention", "edge_scores"}
    assert {f"models/mine/{name}" for name in of_model} <= selected
    assert {"evaluation/metrics", "scaling/curves", "report"} <= selected
    assert not {name for name in selected if name.startswith(("atlas/", "networks/", "baselines/", "models/planted/"))}
    launched = ui.runs()[: len(ui.runs()) - runs_before]
    assert {run["status"] for run in launched} == {"SUCCESS"}
    assert all(any(tag["key"] == "dagster/backfill" for tag in run["tags"]) for run in launched)

    made = made_per_asset(ui) - before
    outputs = {Space.SLICE: 4, Space.TISSUE: 2, Space.WHOLE: 1}
    nodes = assemble.platform(catalogs.load(ui.home / "catalog.yaml")).nodes
    assert made == Counter({name: outputs[nodes[name].space] for name in selected if name in nodes})
    assert not [name for name in made if nodes[name].on_request]
    assert len(ui.sql("select distinct checkpoint from metrics where model = 'mine'")) == 2
    assert len(ui.sql("select distinct checkpoint from metrics_latest where model = 'mine'")) == 1
    without = "select count(*) from metrics m anti join lineage l using (materialization)"
    assert ui.sql(without) == [(0,)]
    page = (ui.home / "report" / "index.html").read_text()
    assert ui.sql("select distinct checkpoint from metrics_latest where model = 'mine'")[0][0] in page

    ui.wait_for_ticks(2, "automation", "checkpoint_watcher")
    assert len(ui.backfills()) == 1
    assert len(ui.runs()) == runs_before + len(launched)


def test_a_folder_that_is_touched_launches_nothing(ui: Ui) -> None:
    backfills, runs = len(ui.backfills()), len(ui.runs())
    for file in (ui.home / "mine").iterdir():
        file.touch()
    time.sleep(3)
    ui.wait_for_ticks(2, "checkpoint_watcher", "automation")
    assert len(ui.backfills()) == backfills
    assert len(ui.runs()) == runs


def test_a_click_on_a_job_asks_for_what_is_missing_in_one_backfill_and_for_nothing_when_all_is_fresh(ui: Ui) -> None:
    def finished(name: str) -> str:
        launched = ui.ask(JOBS, name=name)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run = launched["run"]["runId"]
        wait_until(lambda: {r["runId"]: r["status"] for r in ui.runs()}[run] in {"SUCCESS", "FAILURE"}, 120)
        return {r["runId"]: r["status"] for r in ui.runs()}[run]

    before = {b["id"] for b in ui.backfills()}
    assert finished("everything") == "SUCCESS"
    assert {b["id"] for b in ui.backfills()} == before
    shutil.rmtree(ui.home / "store" / "manifests" / "scaling" / "curves" / "tissue=sim_one")
    assert finished("scaling_curve") == "SUCCESS"
    (asked,) = (b for b in ui.backfills() if b["id"] not in before)
    assert {"/".join(key["path"]) for key in asked["assetSelection"]} == {"scaling/curves", "report"}
    wait_until(lambda: next(b for b in ui.backfills() if b["id"] == asked["id"])["status"] == "COMPLETED_SUCCESS", 300)
    ui.wait_for_ticks(2, "automation")
    assert {b["id"] for b in ui.backfills()} == {*before, asked["id"]}


def test_a_worker_that_is_killed_is_noticed_and_tried_again(ui: Ui) -> None:
    launched = ui.ask(FORCED)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def retries() -> list[dict[str, Any]]:
        parent = {"key": "dagster/parent_run_id", "value": run}
        return [found for found in ui.runs() if parent in found["tags"]]

    with dg.DagsterInstance.from_config(str(ui.home / "dagster")) as instance:
        wait_until(lambda: instance.all_logs(run, of_type=dg.DagsterEventType.RUN_START), 90)
        (started,) = instance.all_logs(run, of_type=dg.DagsterEventType.RUN_START)
    os.kill(started.dagster_event.pid, signal.SIGKILL)
    wait_until(lambda: {r["runId"]: r["status"] for r in ui.runs()}[run] == "FAILURE", 60)
    wait_until(lambda: [retry["status"] for retry in retries()] == ["SUCCESS"], 120)


def test_a_daemon_that_is_killed_is_started_again(ui: Ui) -> None:
    def daemon() -> int:
        return json.loads((ui.home / "dagster" / ".ui.lock").read_text())["daemon"]

    before, looked = daemon(), ui.tick("automation")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: daemon() != before, 30)
    assert "the daemon ended with signal SIGKILL: starting it again" in (ui.home / "ui.log").read_text()
    wait_until(lambda: ui.tick("automation") > looked, 120)
    ui.wait_for_ticks(1, "automation", "checkpoint_watcher")
