"""Checks through the platform: what cannot be right stops travelling, what is doubtful travels with a warning."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import pytest
from anndata import read_h5ad

from scfm_assets.core.attention import increments
from scfm_assets.core.metrics import METRICS_OF_PLACES
from scfm_assets.core.sampling import cells
from scfm_assets.core.scores import edges
from scfm_assets.engine.runner import Outcome
from scfm_assets.partitions import Place
from scfm_assets_tests.platforms import SMALLEST, TINY, Home, atlas_file

PLACE = Place("sim_one", 20)


def checks(home: Home, asset: str, place: Place = PLACE) -> dict[str, tuple[bool, str]]:
    """What the stored output of an asset was found to be, passed or not."""
    folder = home.folder / "store" / "manifests" / asset
    read = json.loads(folder.joinpath(*place.folders, "manifest.json").read_text())
    return {name: (passed, words) for name, passed, words in read["checks"]}


def assets(outcome: Outcome) -> set[str]:
    return {done.asset for done in outcome.computed}


def small(**atlas: Any) -> dict[str, Any]:
    """One tissue, one control, two slices."""
    made = deepcopy(SMALLEST)
    made["atlases"] = {"sim_one": {"simulated": True}, **atlas}
    made["models"] = {"random": {"control": "random", "layer": 3}}
    made["experiment"] |= {"n_cells": [10, 20]}
    return made


def test_every_asset_of_the_spine_is_checked_and_a_finished_run_passes_what_blocks(finished: Home) -> None:
    made = [node for node in finished.platform.nodes.values() if not node.on_request]
    compared = {f"models/{model}/{name}" for model in TINY["models"] for name in ("checkpoint_comparison", "selection")}
    derived = {"evaluation/cell_count_comparison", "evaluation/degree_matched", "evaluation/hypotheses", "tests"}
    assert {node.asset for node in made if not node.checks} <= compared | derived
    for node in made:
        for place in finished.platform.grid.places(node.space):
            if not node.checks:
                continue
            told = checks(finished, node.asset, place)
            assert set(told) == {check.name for check in node.checks}
            assert all(told[check.name][0] for check in node.checks if check.blocking), told
            assert all(words for _, words in told.values())
    names = [check.name for node in finished.platform.nodes.values() for check in node.checks]
    assert all(name.islower() and "_" in name for name in names)


def test_checks_say_what_they_saw(finished: Home) -> None:
    at = Place("sim_one", 40)
    assert checks(finished, "atlas/cell_sets", at)["repeats_hold_their_cells"][1] == (
        "each of 2 repeats holds 40 distinct cells"
    )
    assert (
        "catalog expects nothing; found family geneformer"
        in (checks(finished, "models/planted/attention_increment", at)["fingerprint_is_declared"][1])
    )
    assert (
        "in the model's vocabulary"
        in (checks(finished, "models/planted/tokenized_cells", at)["vocabulary_covers_the_atlas"][1])
    )
    told = checks(finished, "evaluation/metrics", at)["permuted_labels_score_half"][1]
    assert told.startswith("permuted labels of 3 rankings")  # planted, random and a correlation
    tissue = Place("sim_one")
    assert "random scores 0." in checks(finished, "scaling/curves", tissue)["random_control_is_not_away_from_chance"][1]
    assert (
        "planted scores 0."
        in checks(finished, "scaling/curves", tissue)["planted_control_is_not_away_from_its_ceiling"][1]
    )
    assert "simulated here" in checks(finished, "networks/truth", Place())["licence_is_stated"][1]


def test_dagster_shows_the_checks_of_each_partition(finished: Home) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["atlas", "cell_sets"]), "repeats_hold_their_cells")
    records = finished.instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    evaluations = [record.event.dagster_event.event_specific_data for record in records]
    assert len(evaluations) == len(finished.platform.grid.places(finished.platform.nodes["atlas/cell_sets"].space))
    assert all(evaluation.passed for evaluation in evaluations)


def test_an_atlas_that_the_model_hardly_knows_stops_before_attention(home: Home) -> None:
    path = atlas_file(home.folder / "other.h5ad", genes=60)
    atlas = read_h5ad(path)
    atlas.var_names = [name if i < 4 else f"UNKNOWN{i}" for i, name in enumerate(atlas.var_names)]
    atlas.write_h5ad(path)
    home.write(small(other={"file": str(path), "organism": "simulated"}))
    outcome = home.run(select='+key:"models/random/edge_scores"')
    assert not outcome.success
    passed, words = checks(home, "models/random/tokenized_cells", Place("other", 10))["vocabulary_covers_the_atlas"]
    assert (passed, words[:17]) == (False, "4 of 60 genes (6.")
    made = {(done.asset, done.place.tissue) for done in outcome.computed}
    assert ("models/random/attention_increment", "sim_one") in made
    assert ("models/random/attention_increment", "other") not in made


def test_a_network_of_self_edges_alone_stops_before_metrics(home: Home) -> None:
    made = small()
    (home.folder / "selfish.tsv").write_text("tf\ttarget\nSIM0001\tSIM0001\n")
    made["networks"]["selfish"] = {"file": str(home.folder / "selfish.tsv"), "organism": "simulated"}
    home.write(made)
    outcome = home.run(select='key:"networks/selfish" or key:"networks/truth"')
    assert not outcome.success
    assert checks(home, "networks/selfish", Place())["network_has_edges"][0] is False
    assert checks(home, "networks/selfish", Place())["licence_is_stated"] == (
        False,
        "licence: not stated in the catalog",
    )
    assert home.platform.plan(home.platform.nodes["networks/selfish"], Place(), home.store).kept is None


def broken(home: Home, asset: str, check: str, *, below: str) -> str:
    """Make an asset anew; expect it to fail its check, and what is below not to see it; give the check's words."""
    outcome = home.run(select=f'key:"{asset}" or key:"{below}"', force=True)
    passed, words = checks(home, asset)[check]
    assert not passed
    told = {str(failed.place): failed.error for failed in outcome.failed if failed.asset == asset}
    assert told[str(PLACE)].startswith(f"check {check} failed: {words}\n")
    assert asset not in assets(outcome)
    manifest = home.store.manifest(asset, PLACE)
    assert manifest is not None
    assert home.platform.plan(home.platform.nodes[asset], PLACE, home.store).kept is None
    below_it = home.platform.upstream(home.platform.nodes[below], PLACE, home.store)
    assert manifest.place in {place.key for found in below_it.values() for place, seen in found.items() if seen is None}
    return words


def test_cells_drawn_twice_stop_before_tokens(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = cells.cell_orders

    def doubled(*given: Any, **named: Any) -> np.ndarray:
        orders = honest(*given, **named)
        orders[:, 1] = orders[:, 0]
        return orders

    monkeypatch.setattr("scfm_assets.core.sampling.cell_orders", doubled)
    told = broken(rerun, "atlas/cell_sets", "repeats_hold_their_cells", below="models/random/tokenized_cells")
    assert told == "repeat 0 holds 19, repeat 1 holds 19 distinct cells instead of 20"


@pytest.mark.long
def test_sums_that_lost_a_cell_stop_before_edge_scores(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = increments.sum_increments

    def losing(*given: Any) -> dict[int, Any]:
        return {r: replace(sums, n_cells=sums.n_cells - (r == 1)) for r, sums in honest(*given).items()}

    monkeypatch.setattr("scfm_assets.core.attention.sum_increments", losing)
    told = broken(rerun, "models/random/attention", "sums_hold_their_cells", below="models/random/edge_scores")
    assert told == "repeat 1 sums 19 cells instead of 20"


@pytest.mark.long
def test_a_ranking_that_favours_any_labels_stops_before_curves(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = METRICS_OF_PLACES["auroc"]
    monkeypatch.setitem(METRICS_OF_PLACES, "auroc", lambda *places: 0.5 + 0.5 * honest(*places))
    told = broken(rerun, "evaluation/metrics", "permuted_labels_score_half", below="scaling/curves")
    assert "furthest from 0.5 is" in told


def test_edge_scores_that_are_no_numbers_stop_before_metrics(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = edges.from_attention

    def spoiled(*given: Any) -> edges.EdgeScores:
        made = honest(*given)
        # A pair whose ends are no TFs stands in no row of the SQL table, whose own limits would refuse it.
        others = np.flatnonzero(~np.isin(made.symbols, tfs))
        made.scores[0, others[0], others[1]] = np.nan
        return made

    truth = rerun.store.read(
        rerun.store.manifest("networks/truth", Place()), rerun.platform.nodes["networks/truth"].format
    )
    tfs = truth["tf"].to_pylist()
    monkeypatch.setattr("scfm_assets.core.scores.from_attention", spoiled)
    told = broken(rerun, "models/random/edge_scores", "scores_are_finite", below="evaluation/metrics")
    assert "1 values" in told


def test_a_model_that_is_not_the_declared_one_is_refused_before_it_is_passed_cells(home: Home) -> None:
    made = small()
    made["models"]["random"]["expect"] = {"layers": 12}
    home.write(made)
    outcome = home.run(select='+key:"models/random/edge_scores"')
    assert not outcome.success
    assert any("layers declared 12" in failed.error for failed in outcome.failed)
    assert "models/random/attention_increment" not in assets(outcome)


def test_few_positives_warn_and_travel_on(finished: Home) -> None:
    found = checks(finished, "evaluation/metrics")["positives_are_thirty_or_more"]
    manifest = finished.store.manifest("evaluation/metrics", PLACE)
    assert manifest is not None
    table = finished.store.read(manifest, finished.platform.nodes["evaluation/metrics"].format)
    assert found[0] == (min(table["n_pos"].to_pylist()) >= 30)
    assert finished.platform.plan(finished.platform.nodes["evaluation/metrics"], PLACE, finished.store).kept == manifest


def test_outputs_older_than_a_check_are_kept_and_warned_of(rerun: Home) -> None:
    file = rerun.folder.joinpath("store/manifests/atlas/cell_sets", *PLACE.folders, "manifest.json")
    read = json.loads(file.read_text())
    read["checks"] = [["a_check_of_old", True, "no longer asked"]]
    file.write_text(json.dumps(read))
    job = rerun.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["atlas", "cell_sets"])
    asked = job.execute_in_process(instance=rerun.instance, partition_key=PLACE.key, asset_selection=[key])
    assert asked.success
    (told,) = asked.get_asset_check_evaluations()
    assert (told.check_name, told.passed, told.severity) == (
        "repeats_hold_their_cells",
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert "before there was this check" in str(told.description)
