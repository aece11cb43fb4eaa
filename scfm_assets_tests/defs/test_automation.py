"""What the platform does without a hand: what is watched, what is asked for, and what is left alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData

from scfm_assets.catalog import SETTLE_SECONDS
from scfm_assets.core import evaluation
from scfm_assets.defs import jobs
from scfm_assets.defs.automation import AUTOMATION, CONDITION, checkpoint_watcher
from scfm_assets.engine.dagster_internals import VERSION_TAG
from scfm_assets.engine.declare import FORCE_TAG
from scfm_assets.engine.worker import last_version
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import TINY, Home, atlas_file

RANDOM = dg.AssetKey(["models", "random", "checkpoint"])
OF_RANDOM = {
    f"models/random/{name}"
    for name in (
        "tokenized_cells",
        "attention_increment",
        "attention",
        "edge_scores",
        "checkpoint_comparison",
    )
}
SLICES, TISSUES = 8, 2


# What is asked for --------------------------------------------------------------------------------------------------


class Automation:
    """The automation condition as the daemon evaluates it, tick by tick."""

    def __init__(self, home: Home) -> None:
        self.home, self.definitions = home, home.definitions
        self.cursor: Any = None
        assert self.tick() == Counter()

    def tick(self) -> Counter[str]:
        found = dg.evaluate_automation_conditions(self.definitions, self.home.instance, cursor=self.cursor)
        self.cursor = found.cursor
        return Counter({r.key.to_user_string(): r.true_subset.size for r in found.results if r.true_subset.size})

    def materialize(self, asset: str, place: Place, **tags: str) -> None:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        key = dg.AssetKey(asset.split("/"))
        run = job.execute_in_process(
            instance=self.home.instance, partition_key=place.key, asset_selection=[key], tags=tags, raise_on_error=False
        )
        assert run.success


def observe(home: Home, key: dg.AssetKey, version: str, partition: str | None = None) -> None:
    event = dg.AssetObservation(key, partition=partition, tags={VERSION_TAG: version})
    home.instance.report_runless_asset_event(event)


def test_a_new_checkpoint_asks_for_everything_made_of_it_in_one_tick(rerun: Home) -> None:
    automation = Automation(rerun)
    observe(rerun, RANDOM, "another")
    compared = ("evaluation/metrics", "evaluation/method_comparison", "evaluation/reliability")
    expected = Counter(dict.fromkeys((*OF_RANDOM, *compared), SLICES))
    of_tissues = (
        "models/random/selection",
        "scaling/curves",
        "evaluation/cell_count_comparison",
        "evaluation/degree_matched",
        "evaluation/hypotheses",
    )
    assert automation.tick() == expected + Counter({**dict.fromkeys(of_tissues, TISSUES), "tests": 1, "report": 1})
    assert automation.tick() == Counter()
    observe(rerun, RANDOM, "another")
    assert automation.tick() == Counter()


def test_what_was_fresh_and_kept_asks_for_nothing(rerun: Home) -> None:
    automation = Automation(rerun)
    automation.materialize("atlas/cell_sets", Place("sim_one", 10))
    assert automation.tick() == Counter()
    automation.materialize("atlas/cell_sets", Place("sim_one", 10), **{FORCE_TAG: "true"})
    assert automation.tick() == Counter()  # computed anew, with the same content


def test_a_changed_atlas_asks_for_its_own_tissue(rerun: Home) -> None:
    automation = Automation(rerun)
    observe(rerun, dg.AssetKey(["atlas", "raw"]), "another", "sim_one")
    asked = automation.tick()
    assert asked["atlas/processed"] == 1
    assert max(asked.values()) == 1


def test_nothing_is_asked_for_while_something_is_missing(home: Home) -> None:
    automation = Automation(home)
    observe(home, RANDOM, "one")
    assert automation.tick() == Counter()


def test_what_a_failed_blocking_check_holds_back_is_not_asked_for(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    automation = Automation(rerun)
    monkeypatch.setattr(evaluation, "sums_hold_their_cells", lambda *_: (False, "they do not"))
    with pytest.raises(AssertionError):
        automation.materialize("models/random/attention", Place("sim_one", 30), **{FORCE_TAG: "true"})
    assert automation.tick() == Counter()
    network = dg.AssetMaterialization(dg.AssetKey(["networks", "truth"]), tags={VERSION_TAG: "another"})
    rerun.instance.report_runless_asset_event(network)
    asked = automation.tick()
    assert asked["models/planted/edge_scores"] == SLICES
    assert asked["models/random/edge_scores"] == SLICES - 1


# Who watches the checkpoints ----------------------------------------------------------------------------------------


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTLE_SECONDS, "0")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as somebody trained it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCFM_HOME", str(folder))
        from scfm_assets_tests.platforms import open_home

        with open_home(folder, deepcopy(TINY)) as home:
            return checkpoints.checkpoint_folder(home.catalog, "random")


@pytest.fixture
def mine(home: Home, checkpoint: Path) -> Path:
    """The folder of a platform's one checkpoint; beside it stands a control that is not built."""
    folder = home.folder / "mine"
    shutil.copytree(checkpoint, folder)
    entry = {"checkpoint": str(folder), "options": {"generation": "v1"}, "layer": 3}
    home.write({**deepcopy(TINY), "models": {"planted": TINY["models"]["planted"], "mine": entry}})
    return folder


class Watcher:
    """The sensor, tick by tick; what it reports reaches Dagster as the daemon would bring it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.sensor = checkpoint_watcher(home.platform)
        self.cursor: str | None = None

    def tick(self) -> dict[str, str]:
        context = dg.build_sensor_context(
            instance=self.home.instance, cursor=self.cursor, definitions=self.home.definitions
        )
        tick = self.sensor.evaluate_tick(context)
        self.cursor, self.said = tick.cursor, tick.skip_message or ""
        for event in tick.asset_events:
            self.home.instance.report_runless_asset_event(event)
        return {event.asset_key.path[1]: event.tags[VERSION_TAG] for event in tick.asset_events}


def automation_has_looked(home: Home, *, stopped: bool = False) -> None:
    """Leave what the daemon leaves after a tick of the automation sensor."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("scfm_assets"), "__repository__")
    home.instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(repository, AUTOMATION),
            InstigatorType.SENSOR,
            InstigatorStatus.STOPPED if stopped else InstigatorStatus.DECLARED_IN_CODE,
            SensorInstigatorData(last_tick_timestamp=None if stopped else time.time() + 3600),
        )
    )


def change(folder: Path) -> None:
    """Make another checkpoint of it."""
    medians = json.loads((folder / "gene_median.json").read_text())
    medians[next(iter(medians))] += 1
    (folder / "gene_median.json").write_text(json.dumps(medians))


@pytest.mark.usefixtures("settled")
def test_the_watcher_tells_each_content_once(home: Home, mine: Path) -> None:
    automation_has_looked(home)
    watcher = Watcher(home)
    first = watcher.tick()
    assert first == {"mine": checkpoints.checkpoint_version(home.catalog, "mine")}
    assert watcher.tick() == {}
    for file in mine.iterdir():
        file.touch()
    assert watcher.tick() == {}
    change(mine)
    assert watcher.tick() == {"mine": checkpoints.checkpoint_version(home.catalog, "mine")} != first
    assert watcher.tick() == {}


@pytest.mark.usefixtures("settled")
def test_the_watcher_does_not_repeat_what_scfm_run_has_told(home: Home, mine: Path) -> None:
    automation_has_looked(home)
    watcher = Watcher(home)
    first, before = watcher.tick(), (mine / "gene_median.json").read_text()
    change(mine)
    observe(home, dg.AssetKey(["models", "mine", "checkpoint"]), checkpoints.checkpoint_version(home.catalog, "mine"))
    assert watcher.tick() == {}
    (mine / "gene_median.json").write_text(before)
    assert watcher.tick() == first  # the earlier content is back


@pytest.mark.usefixtures("settled", "mine")
def test_a_model_is_told_once_automation_can_compare(home: Home) -> None:
    watcher = Watcher(home)
    assert watcher.tick() == {}
    assert "as soon as automation knows of the model" in watcher.said
    automation_has_looked(home)
    assert set(watcher.tick()) == {"mine"}


@pytest.mark.usefixtures("settled", "mine")
def test_a_model_is_told_at_once_where_somebody_has_stopped_automation(home: Home) -> None:
    automation_has_looked(home, stopped=True)
    assert set(Watcher(home).tick()) == {"mine"}


@pytest.mark.usefixtures("settled")
def test_the_watcher_builds_no_control(home: Home, mine: Path) -> None:
    automation_has_looked(home)
    watcher = Watcher(home)
    assert set(watcher.tick()) == {"mine"}
    assert not (home.folder / "checkpoints").exists()
    built = checkpoints.checkpoint_folder(home.catalog, "planted")
    assert built.is_dir()
    assert set(watcher.tick()) == {"planted"}


def test_a_folder_waits_until_it_has_settled(home: Home, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    automation_has_looked(home)
    monkeypatch.setenv(SETTLE_SECONDS, "3600")
    watcher = Watcher(home)
    assert watcher.tick() == {}
    assert "changed 0 s ago: waiting until nothing has for 3600 s" in watcher.said
    os.utime(mine / "model.safetensors", (0, 0))  # as copying tools do: it is new all the same
    assert watcher.tick() == {}
    (mine / ".complete").touch()
    assert set(watcher.tick()) == {"mine"}
    change(mine)
    assert watcher.tick() == {}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (lambda folder: os.truncate(folder / "model.safetensors", 5000), "no whole weights"),
        (lambda folder: os.truncate(folder / "token_dictionary.json", 50), "not readable JSON"),
        (lambda folder: (folder / "gene_median.json").unlink(), "gene_median.json"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_a_broken_folder_is_told_and_the_others_go_on(home: Home, mine: Path, harm: Any, told: str) -> None:
    automation_has_looked(home)
    checkpoints.checkpoint_folder(home.catalog, "planted")
    harm(mine)
    watcher = Watcher(home)
    assert set(watcher.tick()) == {"planted"}
    assert watcher.tick() == {}
    assert told in watcher.said


# Jobs ---------------------------------------------------------------------------------------------------------------


def click(home: Home, job: str) -> dg.ExecuteInProcessResult:
    found = home.definitions.resolve_job_def(job)
    return found.execute_in_process(instance=home.instance, raise_on_error=False)


def asked_for(home: Home) -> Counter[str]:
    """What the backfills that wait for the daemon ask for."""
    found: Counter[str] = Counter()
    for backfill in home.instance.get_backfills():
        assert isinstance(backfill, PartitionBackfill)
        data = backfill.asset_backfill_data
        assert data is not None
        subset = data.target_subset
        found += Counter({k.to_user_string(): len(s) for k, s in subset.partitions_subsets_by_asset_key.items()})
        found += Counter({k.to_user_string(): 1 for k in subset.non_partitioned_asset_keys})
    return found


def test_a_job_asks_for_nothing_where_all_is_fresh(rerun: Home) -> None:
    for name in ("everything", "scaling_curve", "refresh_networks", jobs.NIGHTLY_JOB):  # not "studies": none was made
        assert click(rerun, name).success
    assert asked_for(rerun) == Counter()


def test_everything_asks_for_all_where_nothing_is_there(home: Home) -> None:
    assert click(home, "everything").success
    (backfill,) = home.instance.get_backfills()
    assert backfill.title == "everything"
    platform = home.platform
    assert asked_for(home) == Counter(
        {name: len(platform.grid.places(n.space)) for name, n in platform.nodes.items() if not n.on_request}
    )


def test_the_job_of_the_studies_asks_for_them_and_for_what_they_are_made_of(home: Home) -> None:
    assert click(home, "studies").success
    own = {name for name, node in home.platform.nodes.items() if node.on_request}
    asked = set(asked_for(home))
    assert own | {"atlas/processed", "models/planted/edge_scores", "evaluation/universes", "tests", "report"} <= asked
    assert not asked & {"evaluation/metrics", "scaling/curves", "models/planted/checkpoint_comparison"}


def test_the_scaling_curve_needs_no_comparison_of_checkpoints(home: Home) -> None:
    assert click(home, "scaling_curve").success
    assert {"scaling/curves", "report", "models/planted/attention"} <= set(asked_for(home))
    assert "models/planted/checkpoint_comparison" not in asked_for(home)


@pytest.fixture
def of_files(home: Home, tmp_path: Path) -> Home:
    """A platform with a network and an atlas in files, the networks materialized."""
    catalog = deepcopy(TINY)
    (tmp_path / "mine.tsv").write_text("tf\ttarget\nA\tB\n")
    catalog["networks"]["mine"] = {"file": str(tmp_path / "mine.tsv"), "organism": "simulated"}
    catalog["atlases"]["file"] = {"file": str(atlas_file(tmp_path / "atlas.h5ad")), "organism": "simulated"}
    home.write(catalog)
    assert home.run(select='key:"networks/*" or key:"atlas/processed"').success
    return home


def test_every_night_what_is_stale_is_made_anew_and_what_was_never_made_is_not(of_files: Home, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text("tf\ttarget\nA\tC\n")
    assert click(of_files, jobs.NIGHTLY_JOB).success
    assert asked_for(of_files) == Counter({"networks/mine": 1})
    key = dg.AssetKey(["networks", "mine_source"])
    version = of_files.platform.sources["networks/mine_source"].version(Place())
    assert last_version(of_files.instance, key, Place(), observed=True) == version
    assert click(of_files, jobs.NIGHTLY_JOB).success  # that backfill is at work
    assert len(of_files.instance.get_backfills()) == 1


def test_a_source_that_cannot_be_read_fails_the_night_after_the_others(of_files: Home, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text("tf\ttarget\nA\tC\n")
    (tmp_path / "atlas.h5ad").unlink()
    night = click(of_files, jobs.NIGHTLY_JOB)
    assert not night.success
    (failure,) = night.filter_events(lambda event: event.is_step_failure)
    assert "atlas.h5ad" in str(failure.event_specific_data)
    assert asked_for(of_files) == Counter({"networks/mine": 1})


def test_refresh_networks_asks_for_what_is_made_of_them(of_files: Home) -> None:
    assert click(of_files, "refresh_networks").success
    asked = set(asked_for(of_files))
    assert {"atlas/regulators", "baselines/edge_scores", "evaluation/metrics", "report"} <= asked
    assert not asked & {"atlas/processed", "atlas/gene_panel", "models/planted/tokenized_cells", "networks/truth"}


# What runs by itself ------------------------------------------------------------------------------------------------


def test_sensors_and_the_schedule_run_unless_somebody_stops_them(home: Home) -> None:
    repository = home.definitions.get_repository_def()
    running = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    names = {"checkpoint_watcher", AUTOMATION, "lineage"}
    assert running == dict.fromkeys(names, dg.DefaultSensorStatus.RUNNING)
    (nightly,) = repository.schedule_defs
    assert (nightly.name, nightly.cron_schedule) == ("nightly", "0 3 * * *")
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING
    graph = repository.asset_graph
    for name, node in home.platform.nodes.items():
        condition = graph.get(dg.AssetKey(name.split("/"))).automation_condition
        if name not in {"tests", "report"}:  # these do not wait for studies
            assert condition == (CONDITION & ~dg.AutomationCondition.missing() if node.on_request else CONDITION)


def test_the_lineage_sensor_publishes_what_happened(rerun: Home) -> None:
    import duckdb

    sensor = rerun.definitions.resolve_sensor_def("lineage")
    context = dg.build_sensor_context(instance=rerun.instance, definitions=rerun.definitions)
    sensor.evaluate_tick(context)
    with duckdb.connect(str(rerun.folder / "scfm.duckdb"), read_only=True) as con:
        told = con.execute("select count(*) from metrics anti join lineage using (materialization)").fetchone()
        assert told == (0,)
        assert con.execute("select count(*) > 100 from lineage").fetchone() == (True,)
