"""A method that is a null in disguise is found out, a clean one is not, whatever the sign."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from scfm_assets.core.evaluation.confounding import ControlReading, confounding
from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.statistics.uncertainty import over_pairs

K = 120
RNG = np.random.default_rng(0)
LEVEL = RNG.lognormal(0, 1, K)
NULLS = {
    "mean_product": np.outer(LEVEL, LEVEL),
    "detection_product": np.outer(*(1 - np.exp(-LEVEL * RNG.lognormal(0, 0.4, K)),) * 2),
    "variance_product": np.outer(*(LEVEL * RNG.lognormal(0, 1.5, K),) * 2),
    "constant": np.ones((K, K)),
}
TFS = np.arange(0, K, 4)
CANDIDATE = np.isin(np.arange(K), TFS)[:, None] & ~np.eye(K, dtype=bool)
CHANCE = NULLS["detection_product"] * CANDIDATE
POSITIVE = np.zeros((K, K), bool)
POSITIVE.flat[RNG.choice(K * K, 250, replace=False, p=CHANCE.ravel() / CHANCE.sum())] = True
PAIRS = CandidatePairs.of_masks(CANDIDATE, POSITIVE, TFS)


def read(scores: dict[str, np.ndarray]) -> list[ControlReading]:
    """Readings with intervals over pairs, as a study makes them."""
    shared = over_pairs(np.stack([PAIRS.of(own) for own in scores.values()]), PAIRS)
    low, high = shared.intervals()
    return [ControlReading(name, shared.values[i, 0], low[i, 0], high[i, 0]) for i, name in enumerate(scores)]


def test_the_null_behind_a_confounded_method_is_named_and_a_clean_one_is_left_alone():
    noise = RNG.normal(size=(4, K, K))
    scores = {
        "detection and noise": np.log(NULLS["detection_product"]) + 0.5 * noise[0],
        "the same upside down": -np.log(NULLS["detection_product"]) + 0.5 * noise[1],
        "noise": noise[2],
        "truth alone": POSITIVE + noise[3],
    }
    found = confounding(read(scores), scores, NULLS, PAIRS)
    assert [one.verdict for one in found] == ["confounded", "confounded", "clean", "confounded"]
    assert [one.null for one in found] == ["detection_product", "detection_product", None, None]
    assert found[0].correlations["detection_product"] > 0.8
    assert found[1].correlations["detection_product"] < -0.8
    assert found[0].null_values["detection_product"] > 0.6
    assert "confounded, like detection_product" in found[0].sentence
    assert "confounded, by none of the nulls" in found[3].sentence
    assert found[2].sentence.endswith("clean.")


def test_correlations_are_those_of_scipy_over_the_universe_and_zero_with_a_constant():
    scores = {"one": np.round(NULLS["mean_product"] + RNG.normal(size=(K, K)))}
    (found,) = confounding(read(scores), scores, NULLS, PAIRS)
    for name in ("mean_product", "detection_product", "variance_product"):
        expected = spearmanr(scores["one"][CANDIDATE], NULLS[name][CANDIDATE]).statistic
        assert found.correlations[name] == pytest.approx(expected, abs=1e-10)
    assert found.correlations["constant"] == 0
    assert found.null_values["constant"] == 0.5


def test_of_noise_five_in_a_hundred_are_called_confounded():
    rng = np.random.default_rng(1)
    scores = {str(i): rng.normal(size=(K, K)) for i in range(100)}
    found = confounding(read(scores), scores, {}, PAIRS)
    assert sum(one.verdict == "confounded" for one in found) <= 11  # 5 and three standard errors
    assert all(one.null is None for one in found)


def test_without_limits_nothing_is_said_and_without_scores_it_is_an_error():
    readings = [ControlReading("a", 0.7, np.nan, np.nan)]
    (found,) = confounding(readings, {"a": NULLS["mean_product"]}, NULLS, PAIRS)
    assert (found.verdict, found.null) == ("unknown", "mean_product")
    with pytest.raises(ValueError, match="no scores of a"):
        confounding(readings, {}, NULLS, PAIRS)
