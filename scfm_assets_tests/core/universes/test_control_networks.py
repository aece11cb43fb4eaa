"""Control networks keep the numbers that they promise to keep, and nothing else."""

import numpy as np
import pytest

from scfm_assets.core.evaluation.readings import readings_of_rows
from scfm_assets.core.metrics.metrics import auroc
from scfm_assets.core.universes.control_networks import CONTROLS, degree_matched, shuffled_within_tfs
from scfm_assets.core.universes.universe import TF_GRID, PanelEdges


def network(seed: int = 0) -> PanelEdges:
    """Twelve TFs, one without a target; a few targets belong to most TFs."""
    rng = np.random.default_rng(seed)
    tfs = np.sort(rng.choice(60, 12, replace=False))
    mask = rng.random((12, 60)) < np.where(np.arange(60) < 6, 0.6, 0.08)
    mask[3] = False
    mask[np.arange(12), tfs] = False
    row, target = np.nonzero(mask)
    return PanelEdges(60, tfs, tfs[row], target)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_keeps_the_tfs_and_their_out_degrees_and_is_decided_by_its_seed(control):
    edges = network()
    made = [control.function(edges, seed=seed) for seed in (1, 1, 2)]
    for one in made:
        assert np.array_equal(one.tfs, edges.tfs)
        assert np.array_equal(one.mask.sum(axis=1), edges.mask.sum(axis=1))
        assert one.mask.sum() == len(one.source)
        assert not one.mask.diagonal().any()
    assert np.array_equal(made[0].mask, made[1].mask)
    assert not np.array_equal(made[0].mask, made[2].mask)
    assert not np.array_equal(made[0].mask, edges.mask)
    assert control.doc


def test_only_the_degree_matched_one_keeps_the_in_degrees():
    edges = network()
    assert np.array_equal(degree_matched(edges, seed=5).mask.sum(axis=0), edges.mask.sum(axis=0))
    assert not np.array_equal(shuffled_within_tfs(edges, seed=5).mask.sum(axis=0), edges.mask.sum(axis=0))


def test_what_knows_the_targets_only_scores_on_the_degree_matched_control_and_not_on_the_shuffled_one():
    edges = network()
    popularity = np.tile(edges.mask.sum(axis=0).astype(float), (60, 1))
    seen = np.ones((60, 60), bool)
    areas = {}
    for control in CONTROLS:
        made = [control.function(edges, seed=seed) for seed in range(20)]
        readings = readings_of_rows(popularity[edges.tfs], edges.tfs, seen[edges.tfs], made)
        areas[control.name] = float(np.mean([auroc(reading.total(TF_GRID)) for reading in readings]))
    own = readings_of_rows(popularity[edges.tfs], edges.tfs, seen[edges.tfs], [edges])[0]
    assert areas["degree_matched"] == pytest.approx(float(auroc(own.total(TF_GRID))), abs=0.01)
    assert areas["degree_matched"] > 0.75
    assert areas["shuffled_within_tfs"] == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_network_without_edges_stays_without(control):
    none = np.zeros(0, np.int64)
    assert not control.function(PanelEdges(5, np.array([1]), none, none), seed=0).mask.any()
