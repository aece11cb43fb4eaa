"""What `scfm run` does: everything that is missing or stale, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from scfm_assets.core.attention.collector import AttentionCollector
from scfm_assets.core.attention.increments import panel_of_token
from scfm_assets.core.attention.sums import AttentionSums
from scfm_assets.core.sampling.cells import members
from scfm_assets.engine.housekeeping import State, status
from scfm_assets.engine.runner import Outcome
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets.resources.store import TABLE
from scfm_assets_tests.platforms import SMALLEST, TINY, Home, atlas_file, open_home


def computed(outcome: Outcome) -> Counter[str]:
    return Counter(done.asset for done in outcome.computed)


def where(outcome: Outcome, asset: str) -> set[str]:
    return {str(done.place) for done in outcome.computed if done.asset == asset}


@pytest.fixture
def smallest(home: Home) -> Home:
    """One model and one number of cells, where it matters how a run goes and not what comes out."""
    home.write(deepcopy(SMALLEST))
    return home


@pytest.fixture
def files(home: Home) -> Home:
    """Two atlases from files beside a simulated one, read by the random control."""
    catalog = deepcopy(SMALLEST)
    for i, tissue in enumerate(("left", "right")):
        path = atlas_file(home.folder / f"{tissue}.h5ad", seed=i)
        catalog["atlases"][tissue] = {"file": str(path), "organism": "simulated", "donor": "donor"}
    catalog["atlases"].pop("sim_two")
    catalog["models"] = {"random": {"control": "random", "layer": 3}}
    home.write(catalog)
    return home


def test_a_run_makes_every_asset_at_every_place(finished: Home) -> None:
    for node in finished.platform.nodes.values():
        for place in finished.platform.grid.places(node.space):
            made = finished.store.manifest(node.asset, place) is not None
            assert made is not node.on_request, (node.asset, place)


def test_dagster_knows_the_same_versions_as_the_store(finished: Home) -> None:
    for node in (node for node in finished.platform.nodes.values() if not node.on_request):
        key = dg.AssetKey(node.asset.split("/"))
        for place in finished.platform.grid.places(node.space):
            partitions = [place.key] if place.key else None
            records = finished.instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions), limit=5
            ).records
            assert len(records) == 1
            tags = records[0].asset_materialization.tags
            assert tags["dagster/data_version"] == finished.store.manifest(node.asset, place).version


def test_no_hidden_file_is_left_behind(finished: Home) -> None:
    assert [f for f in (finished.folder / "store").rglob(".*") if f.is_file()] == []


def test_a_second_run_computes_nothing_and_starts_no_run(rerun: Home) -> None:
    runs = rerun.instance.get_runs_count()
    again = rerun.run()
    assert again.success
    assert not again.computed
    assert rerun.instance.get_runs_count() == runs > 0


@pytest.mark.long
def test_another_atlas_recomputes_only_its_tissue_and_a_touched_file_nothing(files: Home) -> None:
    assert files.run().success
    os.utime(files.folder / "left.h5ad")
    assert not files.run().computed
    atlas_file(files.folder / "left.h5ad", seed=9)
    outcome = files.run()
    assert outcome.success
    assert {done.place.tissue for done in outcome.computed} == {"left", None}
    assert {done.asset for done in outcome.computed if done.place.tissue is None} == {"tests", "report"}
    assert where(outcome, "models/random/attention_increment") == {"left n=10"}


def test_a_new_count_computes_only_its_increment(rerun: Home) -> None:
    """One above the others, and one between them: what builds on it then is what it was."""
    forwarded = {25: 10, 50: 20}
    catalog = deepcopy(TINY)
    catalog["experiment"]["n_cells"] = sorted([*TINY["experiment"]["n_cells"], *forwarded])
    rerun.write(catalog)
    outcome = rerun.run(select='+key:"models/*/edge_scores"')
    assert outcome.success
    passes = {
        (done.asset, str(done.place)): done.facts["forward_passes"]
        for done in outcome.computed
        if done.asset.endswith("attention_increment")
    }
    models, tissues = ("planted", "random"), ("sim_one", "sim_two")
    assert passes == {
        (f"models/{model}/attention_increment", f"{tissue} n={added}"): cells
        for added, cells in forwarded.items()
        for model in models
        for tissue in tissues
    }
    standings = {asset.asset: asset for asset in status(rerun.platform, rerun.store)}["evaluation/metrics"].standings
    missing = {str(standing.place) for standing in standings if standing.state is not State.FRESH}
    assert missing == {f"{tissue} n={added}" for added in forwarded for tissue in tissues}


@pytest.mark.long
def test_a_count_that_is_taken_away_recomputes_the_increment_that_built_on_it(rerun: Home) -> None:
    catalog = deepcopy(TINY)
    catalog["experiment"]["n_cells"] = [10, 20, 40]
    rerun.write(catalog)
    outcome = rerun.run(select='+key:"models/random/edge_scores"')
    assert outcome.success
    assert where(outcome, "models/random/attention_increment") == {"sim_one n=40", "sim_two n=40"}


def test_a_curve_forwards_every_cell_of_the_largest_sets_once(finished: Home) -> None:
    grid = finished.platform.grid
    for tissue in grid.tissues:
        sets = finished.store.read(
            finished.store.manifest("atlas/cell_sets", Place(tissue, 40)),
            finished.platform.nodes["atlas/cell_sets"].format,
        )
        distinct = len(np.unique(np.concatenate(list(members(sets, 40).values()))))
        passes = [
            finished.store.manifest("models/planted/attention_increment", Place(tissue, n)).facts["forward_passes"]
            for n in grid.counts
        ]
        assert sum(passes) == distinct == 80


def test_attention_of_a_slice_equals_an_independent_pass_over_its_cells(
    finished: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    nodes, store = finished.platform.nodes, finished.store

    def stored(asset: str, place: Place) -> object:
        return store.read(store.manifest(asset, place), nodes[asset].format)

    tissue, n = "sim_two", 30
    atlas, panel = stored("atlas/processed", Place(tissue)), stored("atlas/gene_panel", Place(tissue))
    found = stored("models/planted/attention", Place(tissue, n))
    model = checkpoints.open_model(finished.catalog, "planted")
    lookup = panel_of_token(model, panel)
    layers = tuple(range(1, model.fingerprint.layers + 1))

    def passed(rows: np.ndarray, block_of_cell: np.ndarray) -> list[AttentionSums]:
        tokens = model.tokenize(atlas.X[rows], atlas.var_names.tolist())
        collector = AttentionCollector(lookup, panel.num_rows, layers, block_of_cell, block_of_cell.max() + 1)
        model.encode(tokens, collect=collector)
        return collector.blocks

    for repeat, rows in members(stored("atlas/cell_sets", Place(tissue, n)), n).items():
        # In the same order of cells and of sums: to the bit.
        first, second, third = passed(rows, np.repeat([0, 1, 2], 10))
        same = third + second + first
        assert found[repeat].n_cells == n
        for name in ("plain", "lifted", "pairs"):
            assert getattr(found[repeat], name).tobytes() == getattr(same, name).tobytes()
        # In another order float32 sums of up to 30 terms differ: 2e-5 relative is the platform's tolerance.
        (other,) = passed(np.sort(rows), np.zeros(n, np.int32))
        np.testing.assert_allclose(found[repeat].plain, other.plain, rtol=2e-5, atol=1e-7)
        np.testing.assert_allclose(found[repeat].lifted, other.lifted, rtol=2e-5, atol=1e-5)


def test_a_slice_asked_for_in_the_ui_keeps_what_is_fresh(rerun: Home) -> None:
    job = rerun.definitions.resolve_implicit_global_asset_job_def()
    place = Place("sim_one", 20)
    asked = job.execute_in_process(
        instance=rerun.instance,
        partition_key=place.key,
        asset_selection=[dg.AssetKey(["models", "planted", "attention"])],
    )
    (event,) = asked.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["kept"].value is True
    assert event.step_materialization_data.materialization.tags["dagster/data_version"] == (
        rerun.store.manifest("models/planted/attention", place).version
    )


def test_force_recomputes_what_is_fresh(rerun: Home) -> None:
    assert computed(rerun.run(select='key:"networks/truth"')) == {}
    assert computed(rerun.run(select='key:"networks/truth"', force=True)) == {"networks/truth": 1}


@pytest.mark.long
def test_a_broken_atlas_fails_its_tissue_and_lets_the_others_finish(files: Home) -> None:
    whole = (files.folder / "left.h5ad").read_bytes()
    (files.folder / "left.h5ad").write_bytes(whole[: len(whole) // 2])
    outcome = files.run()
    assert not outcome.success
    assert {(failed.asset, str(failed.place)) for failed in outcome.failed} == {("atlas/processed", "left")}
    assert "left.h5ad" in outcome.failed[0].error
    assert "report" in computed(outcome)
    assert where(outcome, "evaluation/metrics") == {"right n=10", "sim_one n=10"}
    (files.folder / "left.h5ad").write_bytes(whole)
    mended = files.run()
    assert mended.success
    assert {done.place.tissue for done in mended.computed} == {"left", None}


def test_a_missing_file_is_told_before_anything_runs_on_it(files: Home) -> None:
    (files.folder / "right.h5ad").unlink()
    outcome = files.run(select='key:"atlas/*" or key:"networks/*"')
    assert [(f.asset, str(f.place)) for f in outcome.failed] == [("atlas/raw", "right")]
    assert "there is no such file" in outcome.failed[0].error
    assert {place.tissue for _, place in outcome.blocked} == {"right"}


@pytest.mark.long
def test_a_tissue_without_a_network_says_so_instead_of_failing(home: Home, tmp_path: Path) -> None:
    catalog = deepcopy(SMALLEST)
    path = atlas_file(tmp_path / "other.h5ad")
    catalog["atlases"] = {"sim_one": {"simulated": True}, "other": {"file": str(path), "organism": "mouse"}}
    catalog["models"] = {"random": {"control": "random", "layer": 3}}
    home.write(catalog)
    outcome = home.run()
    assert outcome.success, outcome.failed
    manifest = home.store.manifest("evaluation/metrics", Place("other", 10))
    assert "no reference network for organism 'mouse'" in manifest.facts["reasons"]


@pytest.mark.long
def test_tissues_can_be_shared_among_processes(smallest: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    outcome = smallest.run(jobs=2, show=heard.append)
    assert outcome.success, outcome.failed
    assert computed(outcome) == Counter(
        node.asset
        for node in smallest.platform.nodes.values()
        for _ in smallest.platform.grid.places(node.space)
        if not node.on_request
    )
    assert {done.asset for done in outcome.computed} <= {getattr(event, "asset", None) for event in heard}
    alone, attention, place = smallest.folder / "alone", "models/planted/attention", Place("sim_two", 10)
    alone.mkdir()
    monkeypatch.setenv("SCFM_HOME", str(alone))
    with open_home(alone, deepcopy(SMALLEST)) as home:
        assert home.run(select=f'+key:"{attention}"').success
        # To the last bit, whichever process did it.
        assert home.store.manifest(attention, place).version == smallest.store.manifest(attention, place).version


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks up processes in /proc")
def test_nobody_works_on_when_the_run_was_killed(home: Home) -> None:
    """The processes that share the tissues end within seconds of the one that started them."""
    command = [sys.executable, "-m", "scfm_assets.cli", "run", "--catalog", str(home.folder / "catalog.yaml")]
    environment = {**os.environ, "SCFM_HOME": str(home.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*command, "--jobs", "2"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "attention_increment" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        started = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        assert len(started) == 2
        assert all(map(works, started))
        process.kill()
    deadline = time.monotonic() + 20
    while any(map(works, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(works, started))


def works(process: str) -> bool:
    """Whether a process is there, and more than an entry that nobody has asked after."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("blow", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.long)]
)
def test_a_run_that_is_stopped_leaves_nothing_half_done_and_goes_on_later(smallest: Home, blow: int, code: int) -> None:
    smallest.write({**deepcopy(SMALLEST), "atlases": {"sim_one": {"simulated": True}}})
    command = [sys.executable, "-m", "scfm_assets.cli", "run", "--catalog", str(smallest.folder / "catalog.yaml")]
    environment = {**os.environ, "SCFM_HOME": str(smallest.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*command, "--jobs", "1"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "attention_increment" in line:
                process.send_signal(blow)
                break
        process.stdout.read()
        assert process.wait(timeout=60) == code
    with open_home(smallest.folder) as again:
        before = again.store.manifest("atlas/processed", Place("sim_one")).version
        outcome = again.run(select='+key:"evaluation/metrics"')
        assert outcome.success
        assert "atlas/processed" not in computed(outcome)
        assert again.store.manifest("atlas/processed", Place("sim_one")).version == before


def test_networks_of_one_catalog_lie_beside_each_other(home: Home) -> None:
    catalog = deepcopy(TINY)
    for name, target in (("first", "B"), ("second", "C")):
        (home.folder / f"{name}.tsv").write_text(f"tf\ttarget\nA\t{target}\n")
        catalog["networks"][name] = {"file": str(home.folder / f"{name}.tsv"), "organism": "simulated"}
    home.write(catalog)
    assert home.run(select='key:"networks/first" or key:"networks/second"').success
    for name, target in (("first", "B"), ("second", "C")):
        rows = home.store.read(home.store.manifest(f"networks/{name}", Place()), TABLE)
        assert rows.select(["network", "tf", "target"]).to_pylist() == [{"network": name, "tf": "A", "target": target}]


def test_an_output_that_is_kept_keeps_its_plots(rerun: Home) -> None:
    job = rerun.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["scaling", "curves"])
    asked = job.execute_in_process(instance=rerun.instance, partition_key="sim_one", asset_selection=[key])
    (event,) = asked.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["kept"].value is True
    assert metadata["scaling_curve"].md_str.startswith("![")
