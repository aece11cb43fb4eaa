from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets_bench import metrics, naive
from scfm_assets_bench.settings import BenchSettings
from scfm_assets_bench.simulated import draw_scores
from scfm_assets_tests.bench.tiny import silent


@pytest.mark.parametrize("ties", [False, True])
def test_ours_and_scikit_learn_agree_on_the_same_draws(ties):
    scores, is_positive = draw_scores(4000, 60, ties=ties)
    assert (len(np.unique(scores)) < 4000) == ties
    assert metrics.error_of_pairs(scores, is_positive) <= 1e-12
    assert metrics.error_of_tfs(scores.reshape(20, 200), is_positive.reshape(20, 200)) <= 1e-12


def test_the_first_number_is_the_auroc_and_the_others_scatter_around_it():
    scores, is_positive = draw_scores(4000, 60, ties=False)
    shaped = scores.reshape(20, 200), is_positive.reshape(20, 200)
    expected = roc_auc_score(is_positive, scores)
    for found in (
        metrics.resample_pairs(scores, is_positive, resamples=200),
        metrics.resample_tfs(*shaped, resamples=200),
    ):
        assert found.shape == (201,)
        assert found[0] == pytest.approx(expected, abs=1e-12)
        assert 0.01 < found[1:].std() < 0.1
        assert abs(found[1:].mean() - expected) < 4 * found[1:].std() / np.sqrt(200)


def test_the_baselines_resample_whole_pairs_and_whole_tfs():
    rng = np.random.default_rng(0)
    scores, is_positive = draw_scores(600, 60, ties=False)
    pairs = naive.bootstrap_pairs(is_positive, scores, resamples=100, rng=rng)
    tfs = naive.bootstrap_tfs(is_positive.reshape(6, 100), scores.reshape(6, 100), resamples=100, rng=rng)
    expected = roc_auc_score(is_positive, scores)
    for draws in (pairs, tfs):
        assert abs(draws.mean() - expected) < 4 * draws.std() / 10
    one_tf = np.array([[False, True]]), np.array([[0.1, 0.2]])
    assert naive.bootstrap_tfs(*one_tf, resamples=3, rng=rng).tolist() == [1, 1, 1]


def test_every_case_gives_one_line_with_its_error(monkeypatch):
    monkeypatch.setattr(metrics, "cases", lambda _: [metrics.MetricsCase(2000, 30, ties=True)])
    lines = list(metrics.run(BenchSettings(quick=True, repeats=1), silent))
    assert [line.case.partition(":")[0] for line in lines] == ["2,000 pairs, 30 positives, ties", "20 TFs x 500 genes"]
    for line in lines:
        assert line.error <= 1e-12
        assert line.ratio == line.baseline_seconds / line.seconds
        assert "extrapolated" in line.baseline


def test_the_cases_are_those_of_the_report():
    cases = metrics.cases(BenchSettings())
    assert {(case.pairs, case.positives, case.ties) for case in cases} == {
        (1_000_000, positives, ties) for positives in (161, 8000) for ties in (False, True)
    }
