"""Which edges stay labelled."""

import numpy as np
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.studies.reference_saturation.hidden_labels import HIDINGS
from scfm_assets_tests.studies.reference_saturation.small_saturation import hide_labels

RNG = np.random.default_rng(0)
EDGES = RNG.random((20, 100)) < 0.1
STRENGTH = RNG.random((20, 100))


@pytest.mark.parametrize("hiding", HIDINGS)
def test_as_many_edges_stay_as_asked_and_more_labels_hold_the_fewer(hiding):
    before = np.zeros_like(EDGES)
    for share in (0.001, 0.1, 0.25, 0.5, 0.75, 1.0):
        labelled = hide_labels(EDGES, share, hiding, 3, strength=STRENGTH)
        assert labelled.sum() == max(1, round(share * EDGES.sum()))
        assert not (labelled & ~EDGES).any()
        assert not (before & ~labelled).any()
        before = labelled
    assert np.array_equal(before, EDGES)


def test_seed_and_draw_decide_what_stays():
    def kept(**of):
        return hide_labels(EDGES, 0.5, **of)

    assert np.array_equal(kept(seed=1), kept(seed=1))
    assert not np.array_equal(kept(seed=1), kept(seed=2))
    assert not np.array_equal(kept(seed=1), kept(seed=1, draw=1))


def test_at_random_every_edge_stays_as_often():
    times = sum(hide_labels(EDGES, 0.25, seed=seed)[EDGES] for seed in range(2000)) / 2000
    assert np.abs(times - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 2000)


def test_by_degree_edges_of_hubs_stay_more_often_and_the_first_in_proportion():
    edges = np.zeros((2, 10), bool)
    edges[0] = True
    edges[1, 0] = True
    weight = np.where(np.arange(11) == 0, 20, 10)
    weight[10] = 2
    first = np.array([hide_labels(edges, 0.01, "degree", seed)[edges] for seed in range(4000)]).mean(axis=0)
    expected = weight / weight.sum()
    assert np.abs(first - expected).max() < 5 * np.sqrt(0.15 * 0.85 / 4000)


def test_circular_labels_are_those_of_the_highest_scores():
    labelled = hide_labels(EDGES, 0.3, "circular", strength=STRENGTH)
    assert STRENGTH[labelled].min() > STRENGTH[EDGES & ~labelled].max()


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({"completeness": 0.0}, "completeness 0.0"),
        ({"completeness": 1.1}, "completeness 1.1"),
        ({"completeness": 0.5, "hiding": "mood"}, "'mood'"),
        ({"completeness": 0.5, "hiding": "circular"}, "no scores"),
        ({"completeness": 0.5, "edges": np.zeros((2, 3), bool)}, "no edge"),
    ],
)
def test_what_cannot_be_hidden_is_refused(of, said):
    with pytest.raises(ScfmError, match=said):
        hide_labels(**{"edges": EDGES} | of)
