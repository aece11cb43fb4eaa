"""What the store holds is told truly, and only what nobody needs is removed."""

from __future__ import annotations

import os
import shutil
import time
from copy import deepcopy

import pytest
from click.testing import CliRunner

from scfm_assets.cli.commands import main
from scfm_assets.engine import housekeeping
from scfm_assets.engine.housekeeping import State
from scfm_assets.partitions import Place
from scfm_assets_tests.defs.test_revisions import put, rows
from scfm_assets_tests.platforms import SMALLEST, TINY, Home
from scfm_assets_tests.published import publish


def states(home: Home) -> dict[str, dict[State, int]]:
    found = housekeeping.status(home.platform, home.store)
    return {asset.asset: {state: asset.count(state) for state in State} for asset in found}


def call(home: Home, *words: str) -> str:
    """Call `scfm` as a user does."""
    result = CliRunner().invoke(main, [*words, "--catalog", str(home.folder / "catalog.yaml")])
    assert result.exit_code == 0, result.output
    return result.output


def test_an_empty_store_lacks_everything_and_a_finished_one_nothing(home: Home, finished: Home) -> None:
    assert all(counts[State.FRESH] == counts[State.STALE] == 0 for counts in states(home).values())
    on_request = {name for name, node in finished.platform.nodes.items() if node.on_request}
    for asset, counts in states(finished).items():
        assert counts[State.STALE] == 0
        assert (counts[State.MISSING] > 0) == (asset in on_request)
    assert states(finished)["evaluation/metrics"][State.FRESH] == 8


def test_what_changed_is_named_and_everything_below_it_is_stale(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = deepcopy(TINY)
    catalog["experiment"]["panel"] = 40
    rerun.write(catalog)
    found = {a.asset: a for a in housekeeping.status(rerun.platform, rerun.store)}
    assert found["atlas/processed"].count(State.FRESH) == 2
    assert found["atlas/cell_sets"].count(State.FRESH) == 8
    (panel, _) = found["atlas/gene_panel"].standings
    assert (panel.state, panel.why) == (
        State.STALE,
        "settings: its part of the catalog, a default, or the precision changed",
    )
    for below in ("models/planted/attention_increment", "evaluation/metrics", "scaling/curves", "report"):
        assert found[below].count(State.FRESH) == 0
    assert "is stale" in found["evaluation/metrics"].standings[0].why
    monkeypatch.setenv("SCFM_HOME", str(rerun.folder))
    told = call(rerun, "status", "--why")
    assert "atlas/gene_panel sim_one: stale (settings: its part of the catalog" in told


@pytest.mark.long
def test_a_run_after_a_change_leaves_nothing_stale(rerun: Home) -> None:
    """One tissue, model and number of cells are enough to see it."""
    catalog = deepcopy(TINY)
    catalog["atlases"].pop("sim_two")
    catalog["models"].pop("planted")
    catalog["experiment"] |= SMALLEST["experiment"] | {"panel": 40}
    rerun.write(catalog)
    assert rerun.run().success
    assert all(counts[State.STALE] == 0 for counts in states(rerun).values())


def test_sizes_are_those_of_the_files(finished: Home) -> None:
    found = {asset.asset: asset for asset in housekeeping.status(finished.platform, finished.store)}
    files = (finished.store.root / "assets" / "models" / "planted" / "tokenized_cells").rglob("value.*")
    assert found["models/planted/tokenized_cells"].bytes_now == sum(file.stat().st_size for file in files)
    assert found["models/planted/tokenized_cells"].bytes_before == 0


@pytest.mark.long
def test_prune_frees_superseded_arrays_and_loses_no_row(rerun: Home) -> None:
    catalog = deepcopy(SMALLEST)
    catalog["models"] = {"mine": {"checkpoint": "mine", "options": {"generation": "v1"}, "layer": 3}}
    catalog["atlases"] = {"sim_one": {"simulated": True}}
    rerun.write(catalog)
    for kind in ("random", "planted"):
        put(rerun, kind)
        assert rerun.run().success
    publish(rerun.folder)
    count = "select count(*) as n, count(distinct checkpoint) as checkpoints from metrics where model = 'mine'"
    before, edges = rows(rerun, count), rows(rerun, count.replace("metrics", "edge_scores"))
    assert before[0]["checkpoints"] == 2
    assert housekeeping.leftovers(rerun.platform, rerun.store, keep=1) == []

    told = call(rerun, "prune", "--keep", "0")
    assert "would free" in told
    found = housekeeping.leftovers(rerun.platform, rerun.store)
    assert {leftover.file.split("/")[0] for leftover in found} == {"assets"}
    asked = sum((rerun.store.root / leftover.file).stat().st_size for leftover in found)
    assert asked == sum(leftover.size for leftover in found) > 0
    assert "freed" in call(rerun, "prune", "--keep", "0", "--yes")
    assert "nothing to remove" in call(rerun, "prune", "--keep", "0")

    publish(rerun.folder)
    assert rows(rerun, count) == before
    assert rows(rerun, count.replace("metrics", "edge_scores")) == edges
    assert rerun.run().computed == []
    assert len(rerun.store.revisions("models/mine/edge_scores", Place("sim_one", 10))) == 1
    put(rerun, "random")
    assert rerun.run().success  # what was pruned is computed anew
    assert rerun.store.manifest("models/mine/edge_scores", Place("sim_one", 10)) is not None


def test_prune_leaves_living_writers_alone(rerun: Home) -> None:
    root = rerun.store.root
    (hidden := root / "tables" / "metrics" / ".data.0a1b2c3d.parquet").write_bytes(b"half")
    (unfinished := root / "halfway" / "models/planted/attention_increment/tissue=sim_one/n_cells=10").mkdir(
        parents=True
    )
    (unfinished := unfinished / "0123456789abcdef0123.safetensors").write_bytes(b"sums")
    assert housekeeping.leftovers(rerun.platform, rerun.store) == []
    long_ago = time.time() - 7200
    for file in (hidden, unfinished):
        os.utime(file, (long_ago, long_ago))
    found = housekeeping.leftovers(rerun.platform, rerun.store)
    assert {root / leftover.file for leftover in found} == {hidden, unfinished}
    assert housekeeping.remove(rerun.store, found) == 8
    assert not hidden.exists()
    assert not unfinished.exists()
    assert rerun.run().computed == []


def test_unfinished_work_that_a_run_would_go_on_from_stays(rerun: Home) -> None:
    platform, store, place = rerun.platform, rerun.store, Place("sim_one", 10)
    node = platform.nodes["models/planted/attention_increment"]
    recipe = platform.plan(node, place, store).recipe
    left = store.halfway(node.asset, place, recipe).path
    left.parent.mkdir(parents=True)
    left.write_bytes(b"sums")
    os.utime(left, (0, 0))
    assert [leftover.file for leftover in housekeeping.leftovers(platform, store)] == [
        left.relative_to(store.root).as_posix()
    ]  # its output is there already
    shutil.rmtree(store.root / "manifests" / node.asset)
    assert housekeeping.leftovers(platform, store) == []
