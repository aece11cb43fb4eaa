"""A checkpoint that changes under the platform: both results stay, and what is known is not computed again."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from scfm_assets.partitions import Place
from scfm_assets.warehouse.query import query
from scfm_assets_tests.platforms import SMALLEST, Home
from scfm_assets_tests.published import publish


def rows(home: Home, sql: str) -> list[dict[str, Any]]:
    return json.loads(query(home.folder, sql, "json"))


def put(home: Home, kind: str) -> None:
    """Let the watched folder hold a control's checkpoint: what a retrained model looks like from outside."""
    (built,) = (home.folder / "checkpoints").glob(f"{kind}-*")
    shutil.rmtree(home.folder / "mine", ignore_errors=True)
    shutil.copytree(built, home.folder / "mine")


@pytest.fixture
def mine(rerun: Home) -> Home:
    """The finished platform with one tissue and one model, whose checkpoint is a folder."""
    catalog = deepcopy(SMALLEST)
    catalog["atlases"].pop("sim_two")
    catalog["models"] = {"mine": {"checkpoint": "mine", "options": {"generation": "v1"}, "layer": 3}}
    catalog["experiment"]["n_cells"] = [10, 20]
    rerun.write(catalog)
    return rerun


@pytest.mark.long
def test_revisions_stay_beside_each_other_and_an_old_checkpoint_takes_its_outputs_back(mine: Home) -> None:
    place = Place("sim_one", 20)
    put(mine, "random")
    assert mine.run().success
    first = mine.store.manifest("models/mine/edge_scores", place)
    put(mine, "planted")
    second = mine.run()
    assert second.success
    assert {done.asset for done in second.computed} >= {"models/mine/attention", "evaluation/metrics", "report"}
    assert not {done.asset for done in second.computed} & {"atlas/processed", "baselines/edge_scores"}
    new = mine.store.manifest("models/mine/edge_scores", place)
    assert first is not None
    assert new is not None
    assert [r.materialization for r in mine.store.revisions("models/mine/edge_scores", place)] == [
        first.materialization,
        new.materialization,
    ]
    publish(mine.folder)
    both = "select distinct checkpoint from {} where model = 'mine' order by all"
    assert {r["checkpoint"] for r in rows(mine, both.format("metrics"))} == {first.checkpoint, new.checkpoint}
    for table in ("metrics_latest", "edge_scores_latest"):
        assert [r["checkpoint"] for r in rows(mine, both.format(table))] == [new.checkpoint]
    assert rows(mine, "select count(*) as n from gene_panel anti join gene_panel_latest using (materialization)") == [
        {"n": 0}
    ]

    put(mine, "random")
    third = mine.run()
    assert third.success
    assert not Counter(done.asset for done in third.computed if done.asset.startswith("models/mine/attention"))
    assert mine.store.manifest("models/mine/edge_scores", place) == first
    publish(mine.folder)
    assert [r["checkpoint"] for r in rows(mine, both.format("edge_scores_latest"))] == [first.checkpoint]


def test_every_row_says_which_materialization_made_it(finished: Home) -> None:
    publish(finished.folder)
    manifest = finished.store.manifest("evaluation/metrics", Place("sim_one", 20))
    assert manifest is not None
    told = rows(finished, "select distinct materialization from metrics where tissue = 'sim_one' and n_cells = 20")
    assert told == [{"materialization": manifest.materialization}]
    assert set(manifest.sources) == {"models/planted/checkpoint", "models/random/checkpoint"}
    assert set(manifest.sources["models/planted/checkpoint"]) >= {"config.json", "model.safetensors"}
    assert manifest.environment["packages"]["torch"]
    made = {m.materialization for m in _manifests(finished)}
    assert set(manifest.upstream.values()) <= made


def _manifests(home: Home) -> list[Any]:
    files = (home.folder / "store" / "manifests").rglob("manifest.json")
    found = [home.store._read_manifest(Path(file)) for file in files]
    return [manifest for manifest in found if manifest is not None]
