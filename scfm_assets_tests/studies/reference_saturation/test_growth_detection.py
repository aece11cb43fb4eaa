"""Planted growth of noise is found, and nothing where there is none."""

import pytest

from scfm_assets.core.statistics import hypothesis_tests
from scfm_assets.studies.reference_saturation.measured import measure
from scfm_assets.studies.reference_saturation.settings import Settings
from scfm_assets.studies.reference_saturation.slopes import slopes
from scfm_assets.studies.reference_saturation.verdicts import hypotheses, verdict_of
from scfm_assets_tests.studies.reference_saturation.growth_detection import operating_characteristics
from scfm_assets_tests.studies.reference_saturation.small_saturation import SMALL


def test_shares_come_with_their_errors_and_the_number_of_trials():
    rows = operating_characteristics(SMALL.changed(n_seeds=2), datasets=6)
    assert {row["condition"] for row in rows} == {"growth 0", "growth 0.002", "no gain"}
    assert {row["trials"] for row in rows if row["test"] == "falls, one tissue"} == {6}
    assert {row["trials"] for row in rows if row["test"] != "falls, one tissue"} == {3}
    for row in rows:
        spread = min(max(row["detected"], 0.5 / row["trials"]), 1 - 0.5 / row["trials"])
        assert row["error"] == pytest.approx((spread * (1 - spread) / row["trials"]) ** 0.5)


@pytest.mark.long
def test_growing_noise_is_detected_and_no_growth_is_not():
    spec = Settings(densities=(1e-3,), n_genes=400, n_seeds=10)
    rows = operating_characteristics(spec, datasets=500)
    share = {(row["condition"], row["test"]): row["detected"] for row in rows}
    assert share["growth 0.002", "falls, all seeds"] >= 0.8
    assert share["growth 0", "falls, all seeds"] <= 0.05
    error = (0.05 * 0.95 / 50) ** 0.5
    for condition in ("growth 0", "growth 0.002", "no gain"):
        for test in ("auroc rises less with fewer labels", "auroc beyond prediction"):
            assert share[condition, test] <= 0.05 + 3 * error, (condition, test)
    assert share["no gain", "falls, all seeds"] <= 0.05 + 3 * error
    assert share["no gain", "falls, one tissue"] <= 0.05 + 3 * (0.05 * 0.95 / 500) ** 0.5


@pytest.mark.long
def test_the_study_says_no_for_a_sound_reference_and_finds_both_controls():
    spec = Settings(densities=(1e-3,), n_genes=300, n_seeds=20, draws=5, methods=("pearson",))
    of_spec = slopes(spec, measure(spec))
    found = verdict_of(of_spec, hypothesis_tests.tests_table(hypotheses({"slopes": of_spec})))
    assert (found.answer, found.holds) == ("no", True)
