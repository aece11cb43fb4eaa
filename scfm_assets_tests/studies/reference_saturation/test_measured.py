"""Scores of the study against rankings made one by one, and against what is known about labels."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.studies.reference_saturation.measured import measure, measure_scores, simulate_tissue, with_noise
from scfm_assets.studies.reference_saturation.tables import SCORES
from scfm_assets_tests.studies.reference_saturation.small_saturation import SMALL, hide_labels, small_scores


def test_numbers_are_those_of_scikit_learn_over_the_drawn_labels():
    rng = np.random.default_rng(1)
    edges, candidates = rng.random((8, 60)) < 0.1, rng.random((8, 60)) < 0.9
    scores = {n: rng.normal(size=(8, 60)) + edges for n in (10, 20)}
    rows = measure_scores(scores, edges, candidates, completeness=(0.4, 1.0), seed=5, draws=3)
    assert {(row["hiding"], row["completeness"], row["n_cells"]) for row in rows} == {
        (hiding, share, n) for hiding in ("random", "degree") for share in (0.4, 1.0) for n in (10, 20)
    }
    for row in rows:
        known = edges & candidates
        masks = [hide_labels(known, row["completeness"], row["hiding"], 5, draw=draw) for draw in range(3)]
        ranked = [(mask[candidates], scores[row["n_cells"]][candidates]) for mask in masks]
        assert row["auroc"] == pytest.approx(np.mean([roc_auc_score(*of) for of in ranked]))
        assert row["auprc"] == pytest.approx(np.mean([average_precision_score(*of) for of in ranked]))
        assert (row["n_edges"], row["n_pos"]) == (known.sum(), masks[0].sum())
        assert row["n_pos"] + row["n_neg"] == candidates.sum()


def test_many_draws_show_what_is_predicted_and_complete_labels_show_it_at_once():
    rng = np.random.default_rng(2)
    edges = rng.random((10, 80)) < 0.1
    rows = measure_scores(
        {5: rng.normal(size=edges.shape) + edges}, edges, np.ones_like(edges), hidings=("random",), draws=1500
    )
    for row in rows:
        exact = row["completeness"] == 1
        assert row["auroc"] == pytest.approx(row["predicted_auroc"], abs=1e-12 if exact else 0.01)
        assert row["auprc"] == pytest.approx(row["predicted_auprc"], rel=1e-12 if exact else 0.1)


def test_a_study_is_decided_by_its_spec_and_says_how_far_it_is():
    told = []
    again = measure(SMALL, progress=lambda *step: told.append(step))
    assert again.equals(small_scores())
    assert again.schema == SCORES.schema
    assert told == [(i, 4) for i in range(1, 5)]
    assert again.num_rows == 1 * 4 * 2 * 2 * 3 * 3 * 3


def test_cells_are_nested_and_noise_is_of_the_size_asked():
    tissue = simulate_tissue(SMALL, 2e-3, 0)
    more = simulate_tissue(SMALL.changed(n_cells=(60, 240)), 2e-3, 0)
    assert np.array_equal(tissue.scores["pearson"][60], more.scores["pearson"][60])
    assert tissue.candidates[tissue.edges].all()
    scores = tissue.scores["pearson"]
    for growth in (0.0, 0.002):
        for n, noisy in with_noise(scores, SMALL, growth, 7).items():
            spread = (noisy - scores[n]).std()
            assert spread == pytest.approx(0.05 + growth * n, rel=0.1)


def test_a_completeness_that_leaves_too_few_labels_is_left_out():
    assert SMALL.shares(2e-3) == (0.25, 0.5, 1.0)
    assert SMALL.changed(fewest=10).shares(2e-3) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_cells": (50,)}, "n_cells"),
        ({"n_cells": (100, 50)}, "n_cells"),
        ({"completeness": (0.5, 0.9)}, "completeness"),
        ({"hidings": ("mood",)}, "hidings"),
        ({"densities": (1e-6,)}, "densities"),
        ({"completeness": (1.0,)}, "densities"),
        ({"n_seeds": 1}, "n_seeds"),
        ({"draws": 0}, "draws"),
        ({"methods": ("attention",)}, "methods"),
        ({"noise_growths": ()}, "noise_growths"),
    ],
)
def test_a_spec_that_cannot_be_measured_is_refused(changed, said):
    with pytest.raises(ValidationError, match=said):
        SMALL.changed(**changed)
